"""What training makes small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.config import epsilon, floatx
from layerscope.configurable import Configurable, field
from layerscope.custom_objects import find_custom_object
from layerscope.masks import get_keras_mask
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify

Reduction = Literal["sum_over_batch_size", "mean", "sum", "none"]


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences over the last axis."""
    y_pred, y_true = _same_rank(y_pred, y_true)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Cross-entropy between one-hot targets and predicted probabilities.

    Parameters
    ----------
    y_true : probabilities of the classes, (..., classes).
    y_pred : predictions of the same shape.
    from_logits : whether predictions are before the softmax.
    label_smoothing : share of each target spread evenly over all classes.
    axis : where the classes are.
    """
    _check_same_shape(y_true, y_pred)
    if label_smoothing:
        classes = y_true.shape[axis]
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return -ops.sum(y_true * _log_probabilities(y_pred, from_logits, axis), axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Any:
    """Cross-entropy between class numbers and predicted probabilities.

    Parameters
    ----------
    y_true : class numbers, (...) or (..., 1).
    y_pred : predictions, (..., classes).
    from_logits : whether predictions are before the softmax.
    ignore_class : class number whose samples count nothing.
    axis : where the classes are.

    Raises
    ------
    ValueError
        If a class number is negative or too large.
    """
    labels = np.asarray(getattr(y_true, "value", y_true))
    if labels.ndim == len(y_pred.shape) and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.ndim != len(y_pred.shape) - 1:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape up to the last axis. "
            f"Received: y_true.shape={labels.shape}, y_pred.shape={tuple(y_pred.shape)}"
        )
    labels = labels.astype(np.int64)
    ignored = np.zeros(labels.shape, bool) if ignore_class is None else labels == ignore_class
    labels = np.where(ignored, 0, labels)
    classes = y_pred.shape[axis]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"Argument `y_true` must hold class numbers from 0 to {classes - 1}. "
            f"Received numbers from {labels.min()} to {labels.max()}."
        )
    target = ops.one_hot(labels, classes, axis=axis, dtype=str(y_pred.dtype))
    loss = -ops.sum(target * _log_probabilities(y_pred, from_logits, axis), axis=axis)
    return loss if ignore_class is None else ops.where(ignored, 0.0, loss)


def _log_probabilities(y_pred: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return ops.log_softmax(y_pred, axis=axis)
    y_pred = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    return ops.log(ops.clip(y_pred, epsilon(), 1.0 - epsilon()))


def _same_rank(y_pred: Any, y_true: Any) -> tuple[Any, Any]:
    """Drop or add a trailing unit axis, as Keras does, so that shapes agree."""
    if len(y_pred.shape) == len(y_true.shape) + 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    elif len(y_true.shape) == len(y_pred.shape) + 1 and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    _check_same_shape(y_true, y_pred)
    return y_pred, y_true


def _check_same_shape(y_true: Any, y_pred: Any) -> None:
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape. Received: "
            f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )


def reduce_weighted(values: Any, sample_weight: Any, reduction: str | None) -> Any:
    """Combine the losses of single samples.

    Parameters
    ----------
    values : loss of each sample.
    sample_weight : factor of each sample, None for ones.
    reduction : ``"sum_over_batch_size"`` divides the weighted sum by the number of values.
    """
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=str(values.dtype))
        if weight.ndim < len(values.shape):
            weight = weight.reshape(weight.shape + (1,) * (len(values.shape) - weight.ndim))
        elif weight.ndim == len(values.shape) + 1 and weight.shape[-1] == 1:
            weight = weight[..., 0]
        values = values * weight
    if reduction in ("none", None):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    return total / max(int(np.prod(values.shape, dtype=int)), 1)


def _weight_of(mask: Any, sample_weight: Any, reduction: str | None) -> np.ndarray:
    """Return the weights that let only the steps of a mask count, also in a mean's number."""
    weight = np.asarray(ops.convert_to_numpy(mask), floatx())
    if reduction not in ("sum", "none", None):
        weight = weight * (weight.size / max(float(weight.sum()), 1.0))
    if sample_weight is None:
        return weight
    factors = np.asarray(sample_weight, floatx())
    return weight * factors.reshape(factors.shape + (1,) * (weight.ndim - factors.ndim))


class Loss(Configurable):
    """Base class: define ``call(y_true, y_pred)`` giving one value per sample."""

    kind: ClassVar[str] = "loss"
    keras_module: ClassVar[str] = "keras.losses"

    reduction: Reduction | None = field(
        default="sum_over_batch_size", kw_only=True, help="How the samples' losses are combined."
    )
    name: str | None = field(default=None, kw_only=True, help="Name in the logs.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define `call(y_true, y_pred)`.")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        mask = get_keras_mask(y_pred)
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.convert_to_tensor(y_true)
        if y_true.dtype != y_pred.dtype and not isinstance(self, SparseCategoricalCrossentropy):
            y_true = ops.cast(y_true, str(y_pred.dtype))
        values = self.call(y_true, y_pred)
        reduction = getattr(self, "reduction", "mean")
        if mask is not None:
            sample_weight = _weight_of(mask, sample_weight, reduction)
        return reduce_weighted(values, sample_weight, reduction)


class MeanSquaredError(Loss):
    """Mean of squared differences."""

    aliases: ClassVar[tuple[str, ...]] = ("mse", "MSE")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return mean_squared_error(y_true, y_pred)


class CategoricalCrossentropy(Loss):
    """Cross-entropy for one-hot targets."""

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    label_smoothing: float = field(default=0.0, ge=0, le=1, help="Share spread over all classes.")
    axis: int = field(default=-1, help="Where the classes are.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy for class numbers."""

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    ignore_class: int | None = field(default=None, help="Class number that counts nothing.")
    axis: int = field(default=-1, help="Where the classes are.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.ignore_class, self.axis
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        loss = super().__call__(y_true, y_pred, sample_weight)
        if self.ignore_class is None or self.reduction in ("sum", "none", None):
            return loss
        # A mean is over the samples that count.
        counted = np.asarray(y_true) != self.ignore_class
        return loss * (counted.size / max(int(counted.sum()), 1))


class _FunctionLoss(Loss):
    """A loss made of a function of targets and predictions."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(function, "__name__", None))
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


LossLike = str | Loss | Callable[[Any, Any], Any] | dict[str, Any] | type[Loss] | None


def get(identifier: LossLike) -> Loss | None:
    """Return the loss meant by a name, class, config, instance or function.

    Raises
    ------
    ValueError
        If nothing is meant by it.
    """
    if isinstance(identifier, str) and callable(custom := find_custom_object(identifier)):
        identifier = custom
    found = identify(Loss, identifier)
    if found is None or isinstance(found, Loss):
        return found
    return _FunctionLoss(found)


#: `get` gives nothing but losses.
as_loss = get


def serialize(loss: Loss) -> dict[str, Any]:
    """Return the config of a loss."""
    return serialize_keras_object(loss)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Loss:
    """Return the loss a config describes."""
    return deserialize_as(Loss, config, custom_objects)
