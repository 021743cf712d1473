"""The phase, the seed, a new random seed, Undo and Redo with the history of edits."""

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
    phase = param.String(default="training", doc="What the pictures show.")
    past = param.List(default=[], item_type=str, doc="Names of the edits so far.")
    future = param.List(default=[], item_type=str, doc="Names of those undone, next first.")
    locked = param.List(default=[], item_type=str, doc="What may not be changed: seed, phase.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = Path(__file__).with_name("topbar.js")
    _stylesheets = stylesheets("topbar")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("page"), **params)
        self._session = session
        session.param.watch(self._draw, ["document", "history", "rules"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        document, history = self._session.document, self._session.history
        past, future = history.past, history.future
        self.param.update(
            seed=document.seed,
            phase=document.phase,
            locked=[name for name in ("seed", "phase") if not self._session.rules.allow(name)],
            undo_label=text("page.undo", name=past[-1].name) if past else "",
            redo_label=text("page.redo", name=future[0].name) if future else "",
            past=[edit.name for edit in past],
            future=[edit.name for edit in future],
        )

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "seed":
                self._session.set_seed(int(data["value"]))
            case "reroll":
                self._session.reroll()
            case "phase":
                self._session.set_phase(str(data["value"]))
            case "go":
                self._session.go(int(data["steps"]))
