"""What differs between A and B: one chip for each setting, which takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.comparing import Difference
from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import section, text

__all__ = ["CompareBar", "chip_of"]


def chip_of(found: Difference) -> dict[str, str]:
    """Return a difference as it is shown."""
    change = ""
    if found.before or found.after:
        change = text("compare.change", before=found.before, after=found.after)
    what = f"{found.name} {change}".strip()
    return {
        "key": found.key,
        "layer": found.layer_id,
        "name": found.name,
        "change": change,
        "revert": text("compare.revert", what=what),
    }


class CompareBar(Component):
    """The differences as chips, and what can be done with A.

    Parameters
    ----------
    session
        Its `differences` are shown.
    """

    chips = param.List(default=[], item_type=dict, doc="See `chip_of`.")
    words = param.String(default="", doc="How much differs, in one sentence.")
    error = param.String(default="", doc="Why something could not be taken back.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("compare_bar.js"))
    _stylesheets = stylesheets("compare_bar")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("compare"), **params)
        self._session = session
        session.param.watch(self._draw, ["document", "pinned"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        found = self._session.differences
        key = {0: "compare.none", 1: "compare.one"}.get(len(found), "compare.some")
        chips = [chip_of(one) for one in found]
        self.param.update(chips=chips, words=text(key, count=len(found)), error="")

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        session = self._session
        match data.get("type"):
            case "revert":
                try:
                    session.revert(str(data["key"]))
                except ValueError as error:
                    self.error = str(error)
            case "select":
                session.select(str(data["layer"]))
            case "swap":
                session.swap()
            case "unpin":
                session.unpin()
            case "pin":
                session.pin()
