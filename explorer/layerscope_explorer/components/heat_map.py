"""A matrix of numbers as colours, with square cells at any width."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["HeatMap", "Tiles", "tiled"]

Array = NDArray[Any]

#: The largest value is sent as this whole number; the smallest stands for NaN.
_WHOLE = 32767
_NAN = -32768


@dataclass(frozen=True, slots=True)
class Tiles:
    """Several small pictures laid out in one.

    Attributes
    ----------
    values : float32 (height, width), NaN between the tiles.
    count, total : how many are shown, of how many.
    """

    values: Array
    count: int
    total: int


def tiled(pictures: Array, most: int = 32, wide: float = 2.6) -> Tiles:
    """Lay out pictures side by side with gaps between them.

    Parameters
    ----------
    pictures : (number, height, width).
    most : how many are shown at most.
    wide : width of the whole, in units of its height, that is aimed at.
    """
    total, height, width = pictures.shape
    count = max(min(total, most), 1)
    columns = min(count, max(1, round((count * wide * height / max(width, 1)) ** 0.5)))
    rows = -(-count // columns)
    gap = 1 if max(height, width) < 24 else 2
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    values = np.full(shape, np.nan, np.float32)
    for place, picture in enumerate(pictures[:count]):
        row, column = divmod(place, columns)
        top, left = row * (height + gap), column * (width + gap)
        values[top : top + height, left : left + width] = picture
    return Tiles(values, min(count, total), total)


class HeatMap(Component):
    """Positive numbers in blue, negative ones in amber, zero clear; hovering names the value.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    on_click
        Called with row and column of a clicked cell.
    """

    content = param.Dict(default={}, doc="rows, columns, limit and the values, packed.")
    label = param.String(default="", doc="What a screen reader calls the picture.")
    marked = param.List(default=[], item_type=int, doc="Row and column of a marked cell.")
    colors = param.Dict(
        default={"positive": PLOT_COLORS["measured"], "negative": PLOT_COLORS["accent"]},
        doc="The two colours.",
    )
    tallest = param.Integer(default=240, doc="Greatest height in pixels.")

    _esm = Path(__file__).with_name("heat_map.js")
    _stylesheets = stylesheets("heat_map")

    def __init__(self, on_click: Any = None, **params: Any) -> None:
        super().__init__(**params)
        self._on_click = on_click
        self._values: Array | None = None

    def draw(self, values: Array, limit: float | None = None) -> None:
        """Draw a matrix (rows, columns), NaN where there is nothing.

        `limit` is the absolute value with the strongest colour, the largest one for None.
        """
        values = np.asarray(values, np.float32)
        finite = np.abs(values[np.isfinite(values)])
        limit = float(finite.max(initial=0.0)) if limit is None else float(limit)
        self._values = values
        with np.errstate(all="ignore"):
            scaled = np.clip(values / (limit or 1.0), -1.0, 1.0) * _WHOLE
        packed = np.where(np.isfinite(scaled), np.rint(scaled), _NAN).astype("<i2")
        self.content = {
            "rows": values.shape[0],
            "columns": values.shape[1],
            "limit": limit,
            "values": base64.b64encode(packed.tobytes()).decode(),
        }

    def clear(self) -> None:
        """Draw nothing."""
        if self.content:
            self.content = {}

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        if self._on_click is not None and self.content:
            row, column = int(data["row"]), int(data["column"])
            if 0 <= row < self.content["rows"] and 0 <= column < self.content["columns"]:
                self._on_click(row, column)
