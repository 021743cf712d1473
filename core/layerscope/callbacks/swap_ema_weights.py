"""Measuring a model with the moving average of its weights."""

from __future__ import annotations

from typing import Any

from layerscope.callbacks.callback import Callback, Logs


class SwapEMAWeights(Callback):
    """Exchanges weights and their moving averages for validation, and back.

    The optimizer must follow the averages: ``use_ema=True``. Of several, those that do count.

    Parameters
    ----------
    swap_on_epoch : whether callbacks that come after this one see the averages at the end of an
        epoch too, such as a `ModelCheckpoint`.

    Raises
    ------
    ValueError
        If the optimizer does not follow averages.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Return each variable with its average."""
        optimizer = self.model.optimizer
        several = getattr(optimizer, "optimizers", [optimizer])
        averages = [getattr(one, "_model_variables_moving_average", None) for one in several]
        if all(one is None for one in averages):
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer, or on "
                "one of several. Received: "
                f"use_ema={[getattr(one, 'use_ema', False) for one in several]}"
            )
        return [
            pair
            for one, followed in zip(several, averages, strict=True)
            if followed is not None
            for pair in zip(one._trainable_variables, followed, strict=True)
        ]

    def _swap(self, swapped: bool) -> None:
        if self._swapped == swapped:
            return
        for variable, average in self._pairs():
            value = variable.numpy()
            variable.assign(average.value)
            average.assign(value)
        self._swapped = swapped

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.swap_on_epoch:
            return
        self._swap(True)
        if epoch == (self.params or {}).get("epochs", 0) - 1:
            # Training ends with the averages, which are in the weights now.
            for variable, average in self._pairs():
                average.assign(variable.value)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap(False)
