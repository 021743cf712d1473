"""Hooks into training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Logs = dict[str, float]


class Callback:
    """Base class: override what is of interest. `model` and `params` are set before training."""

    model: Any
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        """Learn which model trains."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Learn the number of epochs and steps."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch, validation included."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step."""


class History(Callback):
    """Keeps the values of every epoch.

    Attributes
    ----------
    epoch : numbers of the epochs.
    history : values of every epoch, by name.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """Calls the functions it is given, named after the hooks."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            if not hasattr(Callback, name) or not name.startswith("on_"):
                hooks = [hook for hook in dir(Callback) if hook.startswith("on_")]
                raise ValueError(f"Unknown hook {name!r}. Valid hooks: {', '.join(hooks)}.")
            setattr(self, name, function)
