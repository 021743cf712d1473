"""Means of precision and recall."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.metrics.metric import Metric, as_array
from layerscope.tensor import Shape


def _beta(value: Any) -> float:
    if not isinstance(value, float):
        raise ValueError(
            "Invalid `beta` argument value. It should be a Python float. Received: "
            f"beta={value} of type '{type(value)}'"
        )
    return value


def _threshold(value: Any) -> float | None:
    if value is not None and not isinstance(value, float):
        raise ValueError(
            "Invalid `threshold` argument value. It should be a Python float. Received: "
            f"threshold={value} of type '{type(value)}'"
        )
    return value


class FBetaScore(Metric):
    """Harmonic mean of precision and recall, in which recall counts `beta` times as much.

    Without a threshold the largest prediction of a sample means one, the others zero.
    Shapes: both (batch, classes), targets zeros and ones. Source: Keras `FBetaScore`.

    Examples
    --------
    >>> import layerscope as ls
    >>> y = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> p = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> ls.metrics.FBetaScore(beta=2.0, threshold=0.5)(y, p).round(3)
    array([0.385, 0.909, 0.833], dtype=float32)
    """

    _defaults: ClassVar[dict[str, Any]] = {"name": "fbeta_score"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype")
    _direction = "up"

    average: Literal["micro", "macro", "weighted"] | None = field(
        default=None,
        help="How the classes are combined; None: not at all.",
        refusal="Invalid `average` argument value. Expected one of: {{None, 'micro', 'macro', "
        "'weighted'}}. Received: average={value}",
    )
    beta: float = field(
        default=1.0,
        converter=_beta,
        gt=0,
        help="How much more recall counts than precision.",
        refusal="Invalid `beta` argument value. It should be > 0. Received: beta={value}",
    )
    threshold: float | None = field(
        default=None,
        converter=_threshold,
        gt=0,
        le=1,
        help="Above it a prediction means one.",
        refusal="Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
        "Received: threshold={value}",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._built = False

    def _build(self, y_true_shape: Shape, y_pred_shape: Shape) -> None:
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(
                f"{type(self).__name__} expects 2D inputs with shape (batch_size, output_dim). "
                f"Received input shapes: y_pred.shape={y_pred_shape} and "
                f"y_true.shape={y_true_shape}."
            )
        shape = () if self.average == "micro" else y_pred_shape[1:]
        self.true_positives = self.add_variable(shape, dtype=self.dtype, name="true_positives")
        self.false_positives = self.add_variable(shape, dtype=self.dtype, name="false_positives")
        self.false_negatives = self.add_variable(shape, dtype=self.dtype, name="false_negatives")
        self.intermediate_weights = self.add_variable(
            shape, dtype=self.dtype, name="intermediate_weights"
        )
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = as_array(y_true, self.dtype), as_array(y_pred, self.dtype)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = y_pred.max(axis=-1, keepdims=True)
            chosen = (y_pred >= largest) & (np.abs(y_pred) > 1e-9)
        else:
            chosen = y_pred > self.threshold
        chosen = chosen.astype(self.dtype)
        weight = 1.0 if sample_weight is None else as_array(sample_weight, self.dtype)[:, None]
        axis = None if self.average == "micro" else 0
        for variable, counts in (
            (self.true_positives, chosen * y_true),
            (self.false_positives, chosen * (1 - y_true)),
            (self.false_negatives, (1 - chosen) * y_true),
            (self.intermediate_weights, y_true),
        ):
            variable.assign_add((counts * weight).sum(axis=axis))

    def result(self) -> Any:
        if not self._built:
            raise ValueError(
                f"{type(self).__name__} has no result before `update_state` was called."
            )
        right = self.true_positives.value
        precision = right / (right + self.false_positives.value + epsilon())
        recall = right / (right + self.false_negatives.value + epsilon())
        square = self.beta**2
        score = precision * recall / (square * precision + recall + epsilon()) * (1 + square)
        if self.average == "weighted":
            weights = self.intermediate_weights.value
            return (score * (weights / (weights.sum() + epsilon()))).sum()
        return score if self.average is None else score.mean()


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall. Source: Keras `F1Score`."""

    _defaults: ClassVar[dict[str, Any]] = {"name": "f1_score"}

    beta = 1.0  # pyright: ignore[reportAssignmentType]
