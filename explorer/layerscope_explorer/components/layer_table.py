"""A table with a row per layer, one of them selected, and notes on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component

__all__ = ["LayerTable"]


class LayerTable(Component):
    """Rows that can be selected, a bar for a share in each, totals below, and notes.

    Parameters
    ----------
    on_select
        Called with the id of a row that was clicked.
    """

    headings = param.List(default=[], item_type=str, doc="Of the columns.")
    rows = param.List(default=[], item_type=dict, doc="Of each layer: id, cells, share.")
    totals = param.List(default=[], item_type=str, doc="Cells of the last row.")
    selected = param.String(default="", doc="Id of the selected row.")
    notes = param.List(default=[], item_type=str, doc="Lines about the selected layer.")

    _esm = with_dom(Path(__file__).with_name("layer_table.js"))
    _stylesheets = stylesheets("layer_table")

    def __init__(self, on_select: Callable[[str], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_select = on_select

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        self._on_select(str(data["id"]))
