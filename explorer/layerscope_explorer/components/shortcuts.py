"""Keyboard shortcuts of the whole page, and the sheet that lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import LANGUAGES, section, text

__all__ = ["LETTERS", "SHEET", "Shortcuts", "toggle_training"]

#: What single letters do where no text is typed.
LETTERS: Mapping[str, str] = MappingProxyType(
    {"r": "reroll", "p": "pin", "x": "swap", "w": "sweep", "l": "language", "t": "theme"}
)

#: The sheet: of each part of the page its keys, with the names of what they do in the strings.
SHEET: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "page": (
            ("Ctrl Z", "undo"),
            ("Ctrl Shift Z", "redo"),
            ("R", "reroll"),
            ("1 … 8", "lens"),
            ("Space", "train"),
            (".", "step"),
            (",", "step_back"),
            ("P", "pin"),
            ("X", "swap"),
            ("W", "sweep"),
            ("L", "language"),
            ("T", "theme"),
            ("?", "keys"),
            ("Esc", "escape"),
        ),
        "stack": (
            ("↑ ↓", "select"),
            ("Enter", "edit"),
            ("Alt ↑ ↓", "move"),
            ("A", "add"),
            ("D", "duplicate"),
            ("S", "share"),
            ("B", "bypass"),
            ("R", "redraw"),
            ("Delete", "remove"),
        ),
        "controls": (
            ("Tab", "next"),
            ("← →", "choose"),
            ("Esc", "back"),
        ),
    }
)


class Shortcuts(Component):
    """Listens to the keys of the whole page, and shows what they are on ``?``.

    Keys pressed in a text field or on a control that uses them itself are left alone.
    """

    letters = param.Dict(default=dict(LETTERS), doc="What single letters do.")
    sheet = param.List(default=[], item_type=list, doc="Parts of the page, each with its keys.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("shortcuts.js"))
    _stylesheets = stylesheets("shortcuts")

    def __init__(self, session: Any, lenses: Sequence[str] = (), **params: Any) -> None:
        words = section("keys")
        sheet = [
            [words[f"place_{place}"], [[caps, words[name]] for caps, name in keys]]
            for place, keys in SHEET.items()
        ]
        strings = {"title": words["title"], "close": text("palette.close")}
        super().__init__(sheet=sheet, strings=strings, **params)
        self._session = session
        self._lenses = lenses

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        session = self._session
        word, _, number = str(data.get("key")).partition(" ")
        match word:
            case "undo":
                session.undo()
            case "redo":
                session.redo()
            case "reroll":
                session.reroll()
            case "train":
                toggle_training(session)
            case "step":
                session.step(1)
            case "back":
                session.step(-1)
            case "lens" if int(number) <= len(self._lenses):
                session.open_lens(self._lenses[int(number) - 1])
            case "pin":
                session.toggle_pin()
            case "swap":
                session.swap()
            case "sweep":
                session.start_sweep()
            case "language":
                spoken = list(LANGUAGES)
                session.set_language(spoken[(spoken.index(session.language) + 1) % len(spoken)])


def toggle_training(session: Any) -> None:
    """Start, pause or resume training, whichever the state allows."""
    status = session.training.status if session.training is not None else "idle"
    {"running": session.pause, "paused": session.resume}.get(status, session.train)()
