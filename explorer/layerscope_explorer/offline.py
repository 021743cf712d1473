"""What a notebook shows brings its style sheets along, instead of fetching them from elsewhere."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.viewable import Viewable

__all__ = ["carry_styles"]


def carry_styles() -> None:
    """Let everything that is shown in a notebook carry its style sheets.

    With inline resources Panel does so for what it shows itself, not for what HoloViews shows.
    """
    if _carry not in Viewable._preprocessing_hooks:
        Viewable._preprocessing_hooks.append(_carry)


def _carry(view: Any, root: Any) -> None:
    # A served page has its sheets from its own server.
    if pn.state.curdoc is not None:
        return
    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
