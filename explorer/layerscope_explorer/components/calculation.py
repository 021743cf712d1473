"""A calculation, line by line, as one would write it on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["Calculation"]


class Calculation(Component):
    """Lines of a name, what is computed, a bar and the result; a name can be followed.

    Parameters
    ----------
    on_follow
        Called with the number of a line whose name was clicked.
    """

    lines = param.List(
        default=[],
        item_type=dict,
        doc="Of each line: kind, name, said, value, share from -1 to 1, can_follow.",
    )
    label = param.String(default="", doc="What a screen reader calls the calculation.")
    follow = param.String(default="", doc="What following a name does, with a place for it.")

    colors = param.Dict(
        default={"positive": PLOT_COLORS["measured"], "negative": PLOT_COLORS["accent"]},
        doc="The two colours of the bars, those of `HeatMap`.",
    )

    _esm = with_dom(Path(__file__).with_name("calculation.js"))
    _stylesheets = stylesheets("calculation")

    def __init__(self, on_follow: Callable[[int], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_follow = on_follow

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        line = int(data["line"])
        if 0 <= line < len(self.lines) and self.lines[line]["can_follow"]:
            self._on_follow(line)
