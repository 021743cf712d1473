"""What training reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope import losses
from layerscope.config import floatx
from layerscope.masks import get_keras_mask
from layerscope.registry import snake_case
from layerscope.tensor import Variable

Array = np.ndarray


class Metric:
    """A value gathered over batches.

    Define ``update_state(y_true, y_pred, sample_weight)`` and ``result()``; what is kept in
    variables made by `add_variable` is forgotten by `reset_state`.
    """

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name
        self.dtype = dtype or floatx()
        self._variables: list[Variable] = []

    def add_variable(
        self,
        shape: Any = (),
        initializer: str = "zeros",
        dtype: Any = None,
        name: str = "variable",
    ) -> Variable:
        """Create a number, or an array, that the metric keeps."""
        variable = Variable(np.zeros(shape, dtype or self.dtype), trainable=False, name=name)
        self._variables.append(variable)
        return variable

    @property
    def variables(self) -> list[Variable]:
        """What the metric keeps."""
        return self._variables

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in one batch."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state(...)`.")

    def result(self) -> Any:
        """Return the value so far."""
        raise NotImplementedError(f"{type(self).__name__} must define `result()`.")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.value[...] = 0


class Mean(Metric):
    """Weighted mean of the values it is given."""

    def __init__(self, name: str = "mean", dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in one value or an array of them."""
        values = np.asarray(getattr(values, "value", values), dtype=self.dtype)
        weights = np.ones(values.shape, self.dtype)
        if sample_weight is not None:
            given = np.asarray(sample_weight, dtype=self.dtype)
            given = given.reshape(given.shape + (1,) * (values.ndim - given.ndim))
            weights = np.broadcast_to(given, values.shape)
        self.total.value[...] += (values * weights).sum()
        self.count.value[...] += weights.sum()

    def result(self) -> float:
        return float(self.total.value / self.count.value) if self.count.value else 0.0


class MeanMetricWrapper(Mean):
    """Mean of a function of targets and predictions, over samples."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "metric"), dtype)
        self._fn = fn

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        values = self._fn(y_true, y_pred)
        if (mask := get_keras_mask(y_pred)) is not None:
            sample_weight = mask if sample_weight is None else mask * sample_weight
        super().update_state(values, sample_weight)


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


class BinaryAccuracy(MeanMetricWrapper):
    """Share of predictions on the target's side of one half."""

    def __init__(self, name: str = "binary_accuracy", dtype: str | None = None) -> None:
        super().__init__(binary_accuracy, name, dtype)
        self._direction = "up"


class CategoricalAccuracy(MeanMetricWrapper):
    """Share of samples whose most likely class is the one-hot target's."""

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)
        self._direction = "up"


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Share of samples whose most likely class is the target number."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)
        self._direction = "up"


class MeanSquaredError(MeanMetricWrapper):
    """Mean of squared differences."""

    def __init__(self, name: str = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)
        self._direction = "down"


_CLASSES: dict[str, type[Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(identifier: str | Metric | Callable[..., Any]) -> Any:
    """Return the metric meant by a name, an instance or a function.

    Raises
    ------
    ValueError
        If nothing is meant by it.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str) and identifier in _CLASSES:
        return _CLASSES[identifier]()
    if callable(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret metric identifier: {identifier!r}. Valid names: accuracy, "
        f"{', '.join(sorted(_CLASSES))}; or pass a function."
    )
