"""Hooks into training, measuring and predicting."""

from __future__ import annotations

from typing import Any

Logs = dict[str, Any]


class Callback:
    """Base class: override what is of interest.

    Attributes
    ----------
    model : the model that trains, measures or predicts.
    params : number of ``epochs`` and ``steps``, the latter None if not known, and ``verbose``.
    """

    model: Any = None
    params: dict[str, Any] | None = None

    def set_model(self, model: Any) -> None:
        """Learn which model it is."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Learn the number of epochs and steps."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch, with its values."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch, validation included."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step of training: the older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step of training: the older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step of training."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step of training, with the epoch's values so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before data is measured, validation included."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after data was measured."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch is measured."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch was measured."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before predicting."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after predicting."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch is predicted."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch was predicted, with its ``"outputs"``."""


#: Names of the hooks.
HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
