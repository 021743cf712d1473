"""Small browser components in plain JavaScript, each beside its Python side."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["stylesheets", "with_dom"]

_HERE = Path(__file__).parent


@cache
def _css(name: str) -> str:
    return (_HERE / f"{name}.css").read_text("utf-8")


@cache
def _base() -> str:
    """Return the shared style sheet, with the colours of plots as ``--ls-plot-measured``, ..."""
    tokens = (f"--ls-plot-{name}: {color};" for name, color in PLOT_COLORS.items())
    return f":host {{ {' '.join(tokens)} }}\n{_css('base')}"


def stylesheets(name: str) -> list[str]:
    """Return the shared style sheet and the component's own, as text.

    Text rather than paths, because a path becomes a request that a notebook cannot serve.
    """
    return [_base(), _css(name)]


def with_dom(*paths: Path) -> str:
    """Return a component's script, of one file or several, behind ``dom.js``, as text."""
    return "\n".join(path.read_text("utf-8") for path in (_HERE / "dom.js", *paths))
