"""Losses of numbers: how far predictions are from targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.losses.loss import Mean, _FunctionLoss, are_alike, as_aligned_pair


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences over the last axis.

    Shapes: both (..., n), output (...). Source: Keras `mean_squared_error`.

    Examples
    --------
    >>> from layerscope.losses import mean_squared_error
    >>> mean_squared_error([[0.0, 2.0]], [[1.0, 1.0]])
    array([1.], dtype=float32)
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    return ops.squared_error(y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of absolute differences over the last axis.

    Shapes: both (..., n), output (...). Source: Keras `mean_absolute_error`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of absolute differences in percent of the target over the last axis.

    Targets nearer to zero than `epsilon` count as that far. Shapes: both (..., n), output (...).
    Source: Keras `mean_absolute_percentage_error`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    relative = ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), epsilon()))
    return 100.0 * ops.mean(relative, axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences of ``log(x + 1)`` over the last axis.

    Values below `epsilon` count as that. Shapes: both (..., n), output (...).
    Source: Keras `mean_squared_logarithmic_error`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    predicted = ops.log(ops.maximum(y_pred, epsilon()) + 1.0)
    return ops.mean(ops.square(predicted - ops.log(ops.maximum(y_true, epsilon()) + 1.0)), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Cosine of the angle between target and prediction with its sign changed.

    -1 for the same direction, 0 for a right angle or a zero vector, 1 for opposite directions.
    Shapes: both (..., n) with the vectors along `axis`, output without it.
    Source: Keras `cosine_similarity`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Mean over the last axis of half the square up to a distance `delta`, linear beyond.

    Shapes: both (..., n), output (...). Source: Huber 1964; Keras `huber`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    error = y_pred - y_true
    distance = ops.abs(error)
    linear = delta * distance - 0.5 * delta**2
    return ops.mean(ops.where(distance <= delta, 0.5 * ops.square(error), linear), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``log(cosh(y_pred - y_true))`` over the last axis.

    Half the square near zero, linear far from it. Shapes: both (..., n), output (...).
    Source: Keras `log_cosh`.
    """
    y_true, y_pred = as_aligned_pair(y_true, y_pred)
    error = y_pred - y_true
    # log(cosh(x)) = x + log(1 + exp(-2 x)) - log(2), which does not overflow.
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


class MeanSquaredError(_FunctionLoss):
    """Mean of squared differences. Source: Keras `MeanSquaredError`."""

    aliases: ClassVar[tuple[str, ...]] = ("mse", "MSE")
    function: ClassVar[Callable[..., Any]] = staticmethod(mean_squared_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_squared_error"}

    def _mean_of(self, y_true: Any, y_pred: Any) -> Mean | None:
        alike = are_alike(y_true, y_pred)
        return Mean(ops.mean_squared_error, y_pred, y_true, {}) if alike else None


class MeanAbsoluteError(_FunctionLoss):
    """Mean of absolute differences. Source: Keras `MeanAbsoluteError`."""

    aliases: ClassVar[tuple[str, ...]] = ("mae", "MAE")
    function: ClassVar[Callable[..., Any]] = staticmethod(mean_absolute_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_absolute_error"}


class MeanAbsolutePercentageError(_FunctionLoss):
    """Mean of absolute differences in percent of the target.

    Source: Keras `MeanAbsolutePercentageError`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("mape", "MAPE")
    function: ClassVar[Callable[..., Any]] = staticmethod(mean_absolute_percentage_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_absolute_percentage_error"}


class MeanSquaredLogarithmicError(_FunctionLoss):
    """Mean of squared differences of ``log(x + 1)``.

    Source: Keras `MeanSquaredLogarithmicError`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("msle", "MSLE")
    function: ClassVar[Callable[..., Any]] = staticmethod(mean_squared_logarithmic_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_squared_logarithmic_error"}


class CosineSimilarity(_FunctionLoss):
    """Cosine between target and prediction with its sign changed.

    Source: Keras `CosineSimilarity`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(cosine_similarity)
    _defaults: ClassVar[dict[str, Any]] = {"name": "cosine_similarity"}

    axis: int = field(default=-1, help="Where the vectors are.")


class Huber(_FunctionLoss):
    """Half the square up to a distance `delta`, linear beyond. Source: Huber 1964."""

    function: ClassVar[Callable[..., Any]] = staticmethod(huber)
    _defaults: ClassVar[dict[str, Any]] = {"name": "huber_loss"}

    delta: float = field(default=1.0, help="Distance from which the loss is linear.")


class LogCosh(_FunctionLoss):
    """Logarithm of the hyperbolic cosine of the difference. Source: Keras `LogCosh`."""

    aliases: ClassVar[tuple[str, ...]] = ("logcosh",)
    function: ClassVar[Callable[..., Any]] = staticmethod(log_cosh)
    _defaults: ClassVar[dict[str, Any]] = {"name": "log_cosh"}
