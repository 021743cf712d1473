"""A whole number that is stepped, typed or dragged: which sample, which channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import section

__all__ = ["Stepper"]


class Stepper(Component):
    """Back, a slider, the number, forth.

    Parameters
    ----------
    on_change
        Called with the number chosen.
    label
        What it is a number of.
    """

    value = param.Integer(default=0, doc="The number, from 0.")
    count = param.Integer(default=1, doc="How many there are.")
    label = param.String(default="", doc="What it is a number of.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = Path(__file__).with_name("stepper.js")
    _stylesheets = stylesheets("stepper")

    def __init__(self, on_change: Callable[[int], None], label: str, **params: Any) -> None:
        super().__init__(label=label, strings=section("stepper"), **params)
        self._on_change = on_change

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        value = int(data["value"])
        if 0 <= value < self.count:
            self._on_change(value)
