"""The seed, a new random seed, Undo and Redo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import panel as pn
import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.strings import section, text

__all__ = ["TopBar"]


class TopBar(pn.custom.JSComponent):
    """Controls that concern the whole document of a session."""

    seed = param.Integer(default=0, doc="The document's seed.")
    undo_label = param.String(default="", doc="What Undo would take back; empty disables it.")
    redo_label = param.String(default="", doc="What Redo would repeat; empty disables it.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = Path(__file__).with_name("topbar.js")
    _stylesheets = stylesheets("topbar")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("page"), **params)
        self._session = session
        session.param.watch(self._draw, ["document", "undo_name", "redo_name"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        session = self._session
        undo, redo = session.undo_name, session.redo_name
        self.param.update(
            seed=int(getattr(session.document, "seed", 0)),
            undo_label=text("page.undo", name=undo) if undo else "",
            redo_label=text("page.redo", name=redo) if redo else "",
        )

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "seed":
                self._session.set_seed(int(data["value"]))
            case "reroll":
                self._session.reroll()
            case "undo":
                self._session.undo()
            case "redo":
                self._session.redo()
