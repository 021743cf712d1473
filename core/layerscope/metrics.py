"""What training reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope import losses
from layerscope.tensor import Shape

Array = np.ndarray


class Metric:
    """A value gathered over batches.

    Define ``update_state(y_true, y_pred, sample_weight)``, ``result()`` and ``reset_state()``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state(...)`.")

    def result(self) -> float:
        """Return the value so far."""
        raise NotImplementedError(f"{type(self).__name__} must define `result()`.")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define `reset_state()`.")


class Mean(Metric):
    """Weighted mean of the values it is given."""

    def __init__(self, name: str = "mean") -> None:
        super().__init__(name)
        self.reset_state()

    def add(self, value: float, weight: float = 1.0) -> None:
        """Take in one value."""
        self._total += float(value) * weight
        self._weight += weight

    def result(self) -> float:
        return self._total / self._weight if self._weight else 0.0

    def reset_state(self) -> None:
        self._total = 0.0
        self._weight = 0.0


class MeanOf(Mean):
    """Mean of a function of targets and predictions, over samples."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str) -> None:
        super().__init__(name)
        self.function = function

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = np.asarray(self.function(y_true, y_pred), dtype=np.float64)
        weights = np.ones(values.shape)
        if sample_weight is not None:
            given = np.asarray(sample_weight, dtype=np.float64)
            given = given.reshape(given.shape + (1,) * (values.ndim - given.ndim))
            weights = np.broadcast_to(given, values.shape)
        self._total += float((values * weights).sum())
        self._weight += float(weights.sum())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Whether the prediction is on the target's side of `threshold`, per sample."""
    y_true = np.asarray(y_true).reshape(np.shape(y_pred))
    return np.mean(y_true == (np.asarray(y_pred) > threshold), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the most likely class is the one-hot target's, per sample."""
    return np.argmax(y_true, -1) == np.argmax(y_pred, -1)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the most likely class is the target number, per sample."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    return y_true == np.argmax(y_pred, -1)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "mean_squared_error": losses.mean_squared_error,
    "mse": losses.mean_squared_error,
}


def get(
    identifier: str | Metric | Callable[..., Any],
    target_shape: Shape = (),
    output_shape: Shape = (),
) -> Metric:
    """Return the metric meant by a name, an instance or a function.

    ``"accuracy"`` and ``"acc"`` choose their kind by the shapes of target and output, as in Keras.

    Raises
    ------
    ValueError
        If nothing is meant by it.
    """
    if isinstance(identifier, Metric):
        return identifier
    if callable(identifier):
        return MeanOf(identifier, getattr(identifier, "__name__", "metric"))
    if identifier in ("accuracy", "acc"):
        if output_shape and output_shape[-1] == 1:
            function: Callable[..., Any] = binary_accuracy
        elif len(target_shape) < len(output_shape) or target_shape[-1:] == (1,):
            function = sparse_categorical_accuracy
        else:
            function = categorical_accuracy
        return MeanOf(function, identifier)
    if identifier in _FUNCTIONS:
        return MeanOf(_FUNCTIONS[identifier], identifier)
    raise ValueError(
        f"Could not interpret metric identifier: {identifier!r}. Valid names: accuracy, "
        f"{', '.join(sorted(_FUNCTIONS))}; or pass a function."
    )
