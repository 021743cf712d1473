"""Train, pause, stop, and how far training is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component
from layerscope_explorer.components.shortcuts import toggle_training
from layerscope_explorer.snapshot import TrainingState
from layerscope_explorer.strings import section, text

__all__ = ["Transport", "position_of"]


def position_of(state: TrainingState) -> tuple[float, str]:
    """Return the fraction done, 0 to 1, and the same in words."""
    steps = state.epochs * state.steps_per_epoch
    epoch = min(max(state.epoch, 1), max(state.epochs, 1))
    step = min(state.step, state.steps_per_epoch)
    done = ((epoch - 1) * state.steps_per_epoch + step) / steps if steps else 0.0
    values = {
        "epoch": epoch,
        "epochs": state.epochs,
        "step": step,
        "steps": state.steps_per_epoch,
    }
    words = {
        "idle": "training.idle",
        "running": "training.position",
        "paused": "training.paused",
        "finished": "training.finished",
        "failed": "training.failed",
    }[state.status]
    if state.status == "idle":
        done = 0.0
    elif state.status == "finished":
        done = 1.0
    return min(max(done, 0.0), 1.0), state.message or text(words, **values)


class Transport(Component):
    """The buttons that drive training and the bar that follows it."""

    status = param.String(default="idle", doc="Status of the training state.")
    progress = param.Number(default=0.0, bounds=(0.0, 1.0), doc="Fraction of all steps done.")
    words = param.String(default="", doc="The position in words.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = Path(__file__).with_name("transport.js")
    _stylesheets = stylesheets("transport")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("training"), **params)
        self._session = session
        session.param.watch(self._draw, "training")
        self._draw()

    def _draw(self, *_: Any) -> None:
        state: TrainingState = self._session.training or TrainingState()
        progress, words = position_of(state)
        self.param.update(status=state.status, progress=round(progress, 4), words=words)

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "toggle":
                toggle_training(self._session)
            case "stop":
                self._session.stop()
            case "reset":
                self._session.reset_weights()
