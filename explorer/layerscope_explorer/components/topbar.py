"""The phase, the seed, Undo and Redo with the history of edits, and the language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import panel as pn
import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import LANGUAGES, again, section, speaking, speaks, text

__all__ = ["TopBar"]


@speaks
class TopBar(Component):
    """Controls that concern the whole document of a session, and the page itself."""

    seed = param.Integer(default=0, doc="The document's seed.")
    undo_label = param.String(default="", doc="What Undo would take back; empty disables it.")
    redo_label = param.String(default="", doc="What Redo would repeat; empty disables it.")
    phase = param.String(default="training", doc="What the pictures show.")
    past = param.List(default=[], item_type=str, doc="Names of the edits so far.")
    future = param.List(default=[], item_type=str, doc="Names of those undone, next first.")
    locked = param.List(default=[], item_type=str, doc="What may not be changed: seed, phase.")
    pinned = param.Boolean(default=False, doc="Whether there is an A to compare with.")
    language = param.String(default="", doc="What is spoken.")
    languages = param.Dict(default=dict(LANGUAGES), doc="What can be, by its own name.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("topbar.js"))
    _stylesheets = stylesheets("topbar")

    def __init__(self, session: Any, **params: Any) -> None:
        with speaking(session.language):
            super().__init__(strings=section("page"), language=session.language, **params)
            self._session = session
            session.param.watch(self._draw, ["document", "history", "rules"])
            session.param.watch(self._pin, "pinned")
            session.param.watch(self._speak, "language")
            self._pin()
            self._draw()

    def _draw(self, *_: Any) -> None:
        document, history = self._session.document, self._session.history
        # Edits were named in the language of their time.
        past = [again(edit.name) for edit in history.past]
        future = [again(edit.name) for edit in history.future]
        self.param.update(
            seed=document.seed,
            phase=document.phase,
            locked=[name for name in ("seed", "phase") if not self._session.rules.allow(name)],
            undo_label=text("page.undo", name=past[-1]) if past else "",
            redo_label=text("page.redo", name=future[0]) if future else "",
            past=past,
            future=future,
        )

    def _pin(self, *_: Any) -> None:
        self.pinned = self._session.pinned is not None

    def _speak(self, event: Any) -> None:
        with speaking(event.new), pn.io.hold():
            self.param.update(language=event.new, strings=section("page"))
            self._draw()

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "seed":
                self._session.set_seed(int(data["value"]))
            case "reroll":
                self._session.reroll()
            case "phase":
                self._session.set_phase(str(data["value"]))
            case "pin":
                self._session.toggle_pin()
            case "sweep":
                self._session.start_sweep()
            case "go":
                self._session.go(int(data["steps"]))
            case "language" if data["value"] in LANGUAGES:
                self._session.set_language(str(data["value"]))
