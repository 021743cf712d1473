"""Keyboard shortcuts of the whole page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import panel as pn

__all__ = ["Shortcuts", "toggle_training"]


class Shortcuts(pn.custom.JSComponent):
    """Invisible listener: Ctrl+Z, Ctrl+Shift+Z, Ctrl+Y, Space (train or pause), . and , (step on
    and back), R (reroll), 1 to 9.

    Keys pressed in a text field or on a control that uses them itself are left alone.
    """

    _esm = Path(__file__).with_name("shortcuts.js")
    _stylesheets: ClassVar[list[str]] = [
        ":host { position: absolute !important; width: 0; height: 0; }"
    ]

    def __init__(self, session: Any, lenses: Sequence[str] = (), **params: Any) -> None:
        super().__init__(**params)
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


def toggle_training(session: Any) -> None:
    """Start, pause or resume training, whichever the state allows."""
    status = session.training.status if session.training is not None else "idle"
    {"running": session.pause, "paused": session.resume}.get(status, session.train)()
