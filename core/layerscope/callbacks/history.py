"""What every epoch gave."""

from __future__ import annotations

from typing import Any

from layerscope.callbacks.callback import Callback, Logs


class History(Callback):
    """Keeps the values of every epoch; `Model.fit` returns one.

    Attributes
    ----------
    epoch : numbers of the epochs.
    history : values of every epoch, by name.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
