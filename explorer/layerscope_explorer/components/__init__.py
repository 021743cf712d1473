"""Small browser components in plain JavaScript, each beside its Python side."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["stylesheets"]


@cache
def _css(name: str) -> str:
    return files(__name__).joinpath(f"{name}.css").read_text(encoding="utf-8")


def stylesheets(name: str) -> list[str]:
    """Return the shared style sheet and the component's own, as text.

    Text rather than paths, because a path becomes a request that a notebook cannot serve.
    """
    return [_css("base"), _css(name)]
