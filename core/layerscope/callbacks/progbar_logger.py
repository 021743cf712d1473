"""A progress bar in the terminal."""

from __future__ import annotations

from typing import Any

from layerscope.callbacks.callback import Callback, Logs
from layerscope.callbacks.progress import ProgressBar


class ProgbarLogger(Callback):
    """Shows how far an epoch, a measurement or a prediction is."""

    def __init__(self) -> None:
        self.verbose: Any = 1
        self.epochs: Any = 1
        self._steps: int | None = None
        self._bar = ProgressBar(None, 0)
        self._training = False

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        verbose = params.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.epochs = params.get("epochs", 1)
        self._steps = params.get("steps")

    def _begin(self) -> None:
        self._bar = ProgressBar(self._steps, self.verbose)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}")
        self._begin()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._bar.update(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._bar.update(None, logs or {}, final=True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._training = False

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._training:
            self._bar.update(batch + 1, logs or {})

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._bar.update(None, logs or {}, final=True)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._bar.update(batch + 1, {})

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._bar.update(None, {}, final=True)
