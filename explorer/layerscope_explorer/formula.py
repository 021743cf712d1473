"""A layer's formula, set by the browser."""

from __future__ import annotations

from typing import Any

import panel as pn

__all__ = ["formula_pane", "show_formula"]

# Panel shows KaTeX's MathML, which the browser sets in whatever mathematical font it finds.
_CSS = """
math {{ font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "Noto Sans Math", math;
  font-size: {size}; }}
math munder, math munderover {{ line-height: 1.2; }}
"""


def formula_pane(size: str, css: str = "", **params: Any) -> pn.pane.LaTeX:
    """Return a pane for a formula on a line of its own, with nothing in it.

    Parameters
    ----------
    size
        Of the type, in CSS.
    css
        More about how it stands.
    """
    sheets = [_CSS.format(size=size) + css]
    return pn.pane.LaTeX("", renderer="katex", visible=False, stylesheets=sheets, **params)


def show_formula(pane: pn.pane.LaTeX, formula: str) -> None:
    """Show a formula written in LaTeX; "" for none."""
    formula = formula.strip()
    # KaTeX sets only what stands between these.
    shown = formula if not formula or formula.startswith("$") else f"$${formula}$$"
    pane.param.update(object=shown, visible=bool(shown))
