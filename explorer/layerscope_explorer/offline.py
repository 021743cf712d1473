"""What a notebook shows brings along what it needs, instead of fetching it from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import panel as pn
from bokeh.models import UIElement
from panel.io.notebook import load_notebook, patch_inline_stylesheets
from panel.viewable import Viewable

from layerscope_explorer.shell import shell_here

__all__ = ["bring_scripts", "carry_styles"]


def bring_scripts(load: Callable[[], Any]) -> None:
    """Put the scripts that pages need into the output of the cell that runs, where they are not.

    They come once per kernel, and again when that cell is run again: its output, which the page
    finds them in when it is opened anew, is being replaced.

    Parameters
    ----------
    load : what puts them there, and is called once.
    """
    cell, run = _cell()
    name, bringing = f"{load.__module__}.{load.__qualname__}", _bringing()
    if name not in bringing:
        load()
        bringing[name] = cell, run
        return
    before, last = bringing[name]
    if cell and cell == before and run != last:
        load_notebook(inline=True)
        bringing[name] = cell, run


@cache
def _bringing() -> dict[str, tuple[str, int]]:
    """Return the cell that brings scripts, and its number when it last ran, by what loads them."""
    return {}


def _cell() -> tuple[str, int]:
    """Return the cell that runs and its number; nothing outside of a notebook."""
    shell = shell_here()
    if not hasattr(shell, "get_parent"):
        return "", 0
    metadata = shell.get_parent().get("metadata", {})
    return metadata.get("cellId", ""), shell.execution_count


def carry_styles() -> None:
    """Let everything that is shown in a notebook carry its style sheets.

    With inline resources Panel does so for what it shows itself, one model of a finished page
    after the other, which takes seconds; and not for what HoloViews shows.
    """
    if _carry not in Viewable._preprocessing_hooks:
        Viewable._preprocessing_hooks.append(_carry)


def _carry(view: Any, root: Any) -> None:
    # A served page has its sheets from its own server.
    if pn.state.curdoc is not None:
        return
    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
