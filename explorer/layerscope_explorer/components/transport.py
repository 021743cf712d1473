"""Train, pause, step, go back, and how far training is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.components.shortcuts import toggle_training
from layerscope_explorer.snapshot import TrainingState
from layerscope_explorer.strings import section, text

__all__ = ["Transport", "position_of"]


def position_of(state: TrainingState) -> str:
    """Return how far training is, in words."""
    values = {
        "epoch": max(state.epoch, 1),
        "epochs": max(state.epochs, 1),
        "step": state.step,
        "steps": state.steps_per_epoch,
    }
    words = {
        "idle": "training.idle",
        "running": "training.position",
        "paused": "training.paused" if state.at else "training.at_start",
        "finished": "training.finished",
        "failed": "training.failed",
    }[state.status]
    return state.message or text(words, **values)


class Transport(Component):
    """The buttons that drive training, and the slider of its steps."""

    status = param.String(default="idle", doc="Status of the training state.")
    at = param.Integer(default=0, doc="How many steps were taken to where training is.")
    reached = param.Integer(default=0, doc="The most steps that were ever taken.")
    words = param.String(default="", doc="The position in words.")
    place = param.String(default="", doc="The step that is looked at, of how many.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("transport.js"))
    _stylesheets = stylesheets("transport")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("training"), **params)
        self._session = session
        session.param.watch(self._draw, "training")
        self._draw()

    def _draw(self, *_: Any) -> None:
        state: TrainingState = self._session.training or TrainingState()
        place = text("training.at_step", at=f"{state.at:,}", reached=f"{state.reached:,}")
        self.param.update(
            status=state.status,
            at=state.at,
            reached=state.reached,
            words=position_of(state),
            place=place if state.reached else "",
        )

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        session = self._session
        match data.get("type"):
            case "toggle":
                toggle_training(session)
            case "step":
                session.step(1)
            case "back":
                session.step(-1)
            case "rewind":
                session.seek(0)
            case "seek":
                session.seek(int(data.get("at", 0)))
            case "reset":
                session.reset_weights()
