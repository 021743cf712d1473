"""Metrics of numbers: how far predictions are from targets, and how they vary together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import losses
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.losses.loss import squeeze_or_expand_to_same_rank
from layerscope.metrics.metric import Array, Metric, as_array
from layerscope.metrics.reduction import Mean, _MeanOf


def _aligned(y_true: Any, y_pred: Any, dtype: str | None = None) -> tuple[Array, Array]:
    """Return targets and predictions as arrays of one type and rank."""
    y_pred = as_array(y_pred, dtype)
    return squeeze_or_expand_to_same_rank(as_array(y_true, str(y_pred.dtype)), y_pred)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Cosine of the angle between target and prediction, 1 for the same direction.

    Shapes: both (..., n) with the vectors along `axis`, output without it.
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Correlation of targets and predictions along `axis`, from -1 to 1.

    NaN where either is constant. Shapes: both the same, output without `axis`.
    Source: Pearson 1895; Keras `pearson_correlation`.
    """
    y_true, y_pred = _aligned(y_true, y_pred)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.mean(_standardized(y_true, axis) * _standardized(y_pred, axis), axis=axis)


def _standardized(x: Array, axis: int) -> Array:
    centred = x - x.mean(axis=axis, keepdims=True)
    return centred / centred.std(axis=axis, keepdims=True)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Agreement of targets and predictions along `axis`: correlation less any bias.

    Shapes: both the same, output without `axis`.
    Source: Lin 1989; Keras `concordance_correlation`.
    """
    y_true, y_pred = _aligned(y_true, y_pred)
    mean_true, mean_pred = (x.mean(axis=axis, keepdims=True) for x in (y_true, y_pred))
    covariance = np.mean((y_true - mean_true) * (y_pred - mean_pred), axis=axis, keepdims=True)
    variances = sum(x.var(axis=axis, keepdims=True) for x in (y_true, y_pred))
    scale = variances + np.square(mean_true - mean_pred) + epsilon()
    return np.squeeze(2 * covariance / scale, axis=axis)


class MeanSquaredError(_MeanOf):
    """Mean of squared differences. Source: Keras `MeanSquaredError`."""

    aliases: ClassVar[tuple[str, ...]] = ("mse", "MSE")
    function: ClassVar[Callable[..., Any]] = staticmethod(losses.mean_squared_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_squared_error"}
    _direction = "down"


class RootMeanSquaredError(Mean):
    """Root of the mean of squared differences. Source: Keras `RootMeanSquaredError`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.RootMeanSquaredError()([0.0, 0.0], [3.0, 3.0]))
    3.0
    """

    _defaults: ClassVar[dict[str, Any]] = {"name": "root_mean_squared_error"}
    _direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        y_true, y_pred = _aligned(y_true, y_pred, self.dtype)
        super().update_state(np.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return np.sqrt(super().result())


class MeanAbsoluteError(_MeanOf):
    """Mean of absolute differences. Source: Keras `MeanAbsoluteError`."""

    aliases: ClassVar[tuple[str, ...]] = ("mae", "MAE")
    function: ClassVar[Callable[..., Any]] = staticmethod(losses.mean_absolute_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_absolute_error"}
    _direction = "down"


class MeanAbsolutePercentageError(_MeanOf):
    """Mean of absolute differences in percent. Source: Keras `MeanAbsolutePercentageError`."""

    aliases: ClassVar[tuple[str, ...]] = ("mape", "MAPE")
    function: ClassVar[Callable[..., Any]] = staticmethod(losses.mean_absolute_percentage_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_absolute_percentage_error"}
    _direction = "down"


class MeanSquaredLogarithmicError(_MeanOf):
    """Mean of squared differences of ``log(x + 1)``.

    Source: Keras `MeanSquaredLogarithmicError`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("msle", "MSLE")
    function: ClassVar[Callable[..., Any]] = staticmethod(losses.mean_squared_logarithmic_error)
    _defaults: ClassVar[dict[str, Any]] = {"name": "mean_squared_logarithmic_error"}
    _direction = "down"


class CosineSimilarity(_MeanOf):
    """Mean cosine between target and prediction; unlike the loss, 1 is the same direction.

    Source: Keras `CosineSimilarity`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(cosine_similarity)
    _defaults: ClassVar[dict[str, Any]] = {"name": "cosine_similarity"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "axis")
    _direction = "up"

    axis: int = field(default=-1, help="Where the vectors are.")


class LogCoshError(_MeanOf):
    """Mean of the logarithm of the hyperbolic cosine of the difference.

    Source: Keras `LogCoshError`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(losses.log_cosh)
    _defaults: ClassVar[dict[str, Any]] = {"name": "logcosh"}
    _direction = "down"


class PearsonCorrelation(_MeanOf):
    """Mean correlation of targets and predictions. Source: Pearson 1895."""

    function: ClassVar[Callable[..., Any]] = staticmethod(pearson_correlation)
    _defaults: ClassVar[dict[str, Any]] = {"name": "pearson_correlation"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "axis")
    _direction = "up"

    axis: int = field(default=-1, help="Correlated along it.")


class ConcordanceCorrelation(_MeanOf):
    """Mean agreement of targets and predictions. Source: Lin 1989."""

    function: ClassVar[Callable[..., Any]] = staticmethod(concordance_correlation)
    _defaults: ClassVar[dict[str, Any]] = {"name": "concordance_correlation"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "axis")
    _direction = "up"

    axis: int = field(default=-1, help="Compared along it.")


class R2Score(Metric):
    """Share of the targets' variance that predictions explain: at most 1, 0 for their mean.

    Shapes: both (batch, n). Source: Keras `R2Score`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]))
    0.5714...
    """

    _defaults: ClassVar[dict[str, Any]] = {"name": "r2_score"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype")
    _direction = "up"

    class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = field(
        default="uniform_average",
        help="How the scores of the columns are combined; None: not at all.",
        refusal="Invalid value for argument `class_aggregation`. Expected one of (None, "
        "'uniform_average', 'variance_weighted_average'). Received: class_aggregation={value}",
    )
    num_regressors: int = field(
        default=0,
        ge=0,
        help="Number of inputs of the model, by which the score is adjusted; 0 for none.",
        refusal="Invalid value for argument `num_regressors`. Expected a value >= 0. Received: "
        "num_regressors={value}",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.num_samples = self.add_variable((), name="num_samples")
        self._built = False

    def _build(self, y_true: Array, y_pred: Array) -> None:
        if y_pred.ndim != 2 or y_true.ndim != 2:
            raise ValueError(
                "R2Score expects 2D inputs with shape (batch_size, output_dim). Received input "
                f"shapes: y_pred.shape={y_pred.shape} and y_true.shape={y_true.shape}."
            )
        columns = y_pred.shape[1:]
        self.squared_sum = self.add_variable(columns, name="squared_sum")
        self.sum = self.add_variable(columns, name="sum")
        self.total_mse = self.add_variable(columns, name="residual")
        self.count = self.add_variable(columns, name="count")
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = _aligned(y_true, y_pred, self.dtype)
        if not self._built:
            self._build(y_true, y_pred)
        weight = as_array(1.0 if sample_weight is None else sample_weight, self.dtype)
        weight = np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, y_true.shape)
        weighted = y_true * weight
        self.sum.assign_add(weighted.sum(axis=0))
        self.squared_sum.assign_add((y_true * weighted).sum(axis=0))
        self.total_mse.assign_add((np.square(y_true - y_pred) * weight).sum(axis=0))
        self.count.assign_add(weight.sum(axis=0))
        self.num_samples.assign_add(y_true.size)

    def result(self) -> Any:
        if not self._built:
            raise ValueError("R2Score has no result before `update_state` was called.")
        with np.errstate(invalid="ignore", divide="ignore"):
            total = self.squared_sum.value - self.sum.value * (self.sum.value / self.count.value)
            scores = 1 - self.total_mse.value / total
            scores = np.where(np.isinf(scores), 0, scores)
            if self.class_aggregation == "uniform_average":
                scores = scores.mean()
            elif self.class_aggregation is not None:
                scores = (total * scores).sum() / total.sum()
        return self._adjusted(scores) if self.num_regressors else scores

    def _adjusted(self, score: Any) -> Any:
        free = float(self.num_samples) - self.num_regressors - 1
        if free <= 0:
            reason = (
                "Division by zero in Adjusted R2 score."
                if free == 0
                else "More independent predictors than datapoints in adjusted R2 score."
            )
            warnings.warn(f"{reason} Falling back to standard R2 score.", stacklevel=3)
            return score
        return 1 - (1 - score) * np.float32(float(self.num_samples) - 1) / np.float32(free)
