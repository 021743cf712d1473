"""Other learning rates as training goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.callbacks.callback import Callback, Logs
from layerscope.callbacks.monitor import Mode, MonitorCallback
from layerscope.ops import convert_to_numpy


def learning_rate_of(optimizer: Any) -> float:
    """Return an optimizer's learning rate as it is now.

    Raises
    ------
    ValueError
        If it has none.
    """
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError(
            f"The optimizer must have a `learning_rate`. Received: optimizer={optimizer!r}"
        )
    return float(convert_to_numpy(optimizer.learning_rate))


def _rated(optimizer: Any) -> list[tuple[str, Any]]:
    """Return each optimizer with a learning rate, and what the logs call it."""
    several = getattr(optimizer, "optimizers", None)
    if several is None:
        return [("learning_rate", optimizer)]
    return [(f"learning_rate_{one.name}", one) for one in several]


def _rates(optimizer: Any) -> dict[str, float]:
    """Return the learning rates as they are now, for the logs."""
    return {name: learning_rate_of(one) for name, one in _rated(optimizer)}


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a value has not become better for some epochs.

    A `MultiOptimizer` has the rates of all its optimizers lowered.

    Parameters
    ----------
    monitor : name of the value in the logs.
    factor : of the learning rate, below 1.
    patience : epochs to wait for something better.
    verbose : 1 prints what is done.
    mode : whether less (``"min"``) or more (``"max"``) is better; ``"auto"`` asks the metric.
    min_delta : what is better by no more than this is not.
    cooldown : epochs after a change in which none is counted.
    min_lr : lowest learning rate.

    Raises
    ------
    ValueError
        If the factor would not lower anything.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(
                "ReduceLROnPlateau does not support a factor >= 1.0: argument `factor` must be "
                f"below 1. Received: factor={factor}"
            )
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.cooldown_counter = self.wait = 0

    def in_cooldown(self) -> bool:
        """Tell whether the last change is too fresh to judge."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs.update(_rates(self.model.optimizer))
        current: Any = self._current(logs, "Reducing the learning rate")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        for name, optimizer in _rated(self.model.optimizer):
            rate = learning_rate_of(optimizer)
            if rate <= np.float32(self.min_lr):
                continue
            optimizer.learning_rate = rate = max(rate * self.factor, self.min_lr)
            if self.verbose:
                print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing {name} to {rate}.")
            self.cooldown_counter = self.cooldown
            self.wait = 0


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, of every optimizer if there are several.

    Parameters
    ----------
    schedule : function of the epoch, from 0, and the learning rate, which returns the new one.
    verbose : 1 prints what is done.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> model = ls.Sequential([ls.Input((2,)), ls.layers.Dense(1)])
    >>> model.compile(ls.optimizers.SGD(0.5), "mse")
    >>> halving = ls.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    >>> data = np.ones((4, 2)), np.zeros((4, 1))
    >>> model.fit(*data, epochs=2, verbose=0, callbacks=[halving]).history["learning_rate"]
    [0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for name, optimizer in _rated(self.model.optimizer):
            optimizer.learning_rate = rate = self._scheduled(epoch, learning_rate_of(optimizer))
            if self.verbose:
                print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting {name} to {rate}.")

    def _scheduled(self, epoch: int, before: float) -> float:
        try:
            rate = self.schedule(epoch, before)
        except TypeError:
            # A schedule may be a function of the epoch alone.
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)) and np.ndim(rate):
            raise self._refusal(rate)
        if isinstance(rate, (bool, int, str)) or rate is None:
            raise self._refusal(rate)
        return float(rate)

    def _refusal(self, rate: Any) -> ValueError:
        return ValueError(
            f"The output of the `schedule` function should be a float. Received: {rate!r}"
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs.update(_rates(self.model.optimizer))
