"""Stopping when there is nothing more to gain."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.callbacks.callback import Logs
from layerscope.callbacks.monitor import Mode, MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stops training when a value has not become better for some epochs.

    Parameters
    ----------
    monitor : name of the value in the logs.
    min_delta : what is better by no more than this is not.
    patience : epochs to wait for something better.
    verbose : 1 prints what is done.
    mode : whether less (``"min"``) or more (``"max"``) is better; ``"auto"`` asks the metric.
    baseline : value that must be bettered.
    restore_best_weights : whether the model gets the weights of its best epoch at the end.
    start_from_epoch : epochs to let pass first.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> model = ls.Sequential([ls.Input((2,)), ls.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile("sgd", "mse")
    >>> stopping = ls.callbacks.EarlyStopping("loss", patience=2)
    >>> history = model.fit(
    ...     np.ones((4, 2)), np.zeros((4, 1)), epochs=9, verbose=0, callbacks=[stopping]
    ... )
    >>> len(history.epoch)
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: list[np.ndarray] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.monitor_op is None:
            self._set_monitor_op()
        current: Any = self._current(logs, "Early stopping")
        if current is None or epoch < self.start_from_epoch:
            return
        if self.best_weights is None:
            self._remember(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self._remember(epoch)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _remember(self, epoch: int) -> None:
        if self.restore_best_weights:
            self.best_epoch = epoch
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
