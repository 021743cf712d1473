"""Losses of probabilities: how unlikely predictions make the targets."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.losses.loss import (
    Mean,
    _FunctionLoss,
    are_alike,
    as_broadcast_pair,
    as_pair,
    check_same_shape,
)
from layerscope.masks import set_keras_mask

# --- two classes --------------------------------------------------------------------------------


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Mean over `axis` of ``-(y log p + (1 - y) log(1 - p))``.

    Parameters
    ----------
    y_true : zeros and ones, or probabilities, (..., n).
    y_pred : probabilities of one, limited to [epsilon, 1 - epsilon]; of the same shape.
    from_logits : whether predictions are before the sigmoid.
    label_smoothing : share of each target moved towards a half.
    axis : averaged over.

    Raises
    ------
    ValueError
        If the shapes differ.

    Source: Keras `binary_crossentropy`.

    Examples
    --------
    >>> from layerscope.losses import binary_crossentropy
    >>> binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]])
    array([0.6931472], dtype=float32)
    """
    y_true, y_pred = as_pair(y_true, y_pred)
    y_true = _towards_a_half(y_true, label_smoothing)
    if not from_logits and axis in (-1, len(y_pred.shape) - 1):
        check_same_shape(y_true, y_pred)
        return ops.binary_crossentropy(y_pred, y_true, epsilon=epsilon())
    return ops.mean(_binary_crossentropy(y_true, y_pred, from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary cross-entropy in which what is predicted well counts little.

    Each term is multiplied by ``(1 - p)**gamma`` of the probability given to the target.

    Parameters
    ----------
    y_true, y_pred, from_logits, label_smoothing, axis : as of `binary_crossentropy`.
    apply_class_balancing : whether ones are weighted by `alpha` and zeros by ``1 - alpha``.
    alpha : weight of the ones.
    gamma : how much less what is predicted well counts.

    Source: Lin et al. 2017; Keras `binary_focal_crossentropy`.
    """
    y_true, y_pred = as_pair(y_true, y_pred)
    y_true = _towards_a_half(y_true, label_smoothing)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    loss = _binary_crossentropy(y_true, y_pred, from_logits=False)
    of_target = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    loss = ops.power(1.0 - of_target, gamma) * loss
    if apply_class_balancing:
        loss = (y_true * alpha + (1.0 - y_true) * (1.0 - alpha)) * loss
    return ops.mean(loss, axis=axis)


def _towards_a_half(y_true: Any, share: float) -> Any:
    return y_true * (1.0 - share) + 0.5 * share if share else y_true


def _binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
    check_same_shape(y_true, y_pred)
    if from_logits:
        return (1.0 - y_true) * y_pred + ops.softplus(-y_pred)
    p = ops.clip(y_pred, epsilon(), 1.0 - epsilon())
    return -(y_true * ops.log(p) + (1.0 - y_true) * ops.log1p(-p))


# --- several classes ----------------------------------------------------------------------------


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
    y_pred : predictions of the same shape, divided by their sum first.
    from_logits : whether predictions are before the softmax.
    label_smoothing : share of each target spread evenly over all classes.
    axis : where the classes are.

    Raises
    ------
    ValueError
        If the shapes differ or `axis` is no integer.

    Source: Keras `categorical_crossentropy`.
    """
    y_true, y_pred = _classes(y_true, y_pred, label_smoothing, axis, "categorical_crossentropy")
    return -ops.sum(y_true * _log_probabilities(y_pred, from_logits, axis), axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Categorical cross-entropy in which what is predicted well counts little.

    Each term is multiplied by ``alpha * (1 - p)**gamma``.

    Parameters
    ----------
    y_true, y_pred, from_logits, label_smoothing, axis : as of `categorical_crossentropy`.
    alpha : weight of everything.
    gamma : how much less what is predicted well counts.

    Source: Lin et al. 2017; Keras `categorical_focal_crossentropy`.
    """
    y_true, y_pred = _classes(
        y_true, y_pred, label_smoothing, axis, "categorical_focal_crossentropy"
    )
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    p = _probabilities(y_pred, axis)
    return -ops.sum(alpha * ops.power(1.0 - p, gamma) * y_true * ops.log(p), axis=axis)


def _classes(
    y_true: Any, y_pred: Any, label_smoothing: float, axis: int, name: str
) -> tuple[Any, Any]:
    """Return checked one-hot targets, smoothed, and predictions."""
    if isinstance(axis, bool):
        raise ValueError(
            f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}"
        )
    y_true, y_pred = as_pair(y_true, y_pred)
    check_same_shape(y_true, y_pred)
    classes = y_pred.shape[axis]
    if classes == 1:
        warnings.warn(
            f"In loss {name}, predictions of a single class are always right. Received: "
            f"y_pred.shape={tuple(y_pred.shape)}. Consider 'binary_crossentropy' if there are two "
            "classes.",
            SyntaxWarning,
            stacklevel=3,
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return y_true, y_pred


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
    y_true : class numbers, (...), or with an axis of length 1 where the classes are.
    y_pred : predictions, (..., classes).
    from_logits : whether predictions are before the softmax.
    ignore_class : class number whose samples count nothing; the result has a mask of the others.
    axis : where the classes are.

    Raises
    ------
    ValueError
        If a class number is negative or too large, or the shapes do not fit.

    Source: Keras `sparse_categorical_crossentropy`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = _class_numbers(y_true, y_pred, axis)
    if ignore_class is None:
        return _sparse_crossentropy(labels, y_pred, from_logits, axis)
    counted = labels != ignore_class
    # What is ignored may be anything; ones are harmless.
    y_pred = ops.where(np.expand_dims(counted, axis), y_pred, 1.0)
    loss = _sparse_crossentropy(np.where(counted, labels, 0), y_pred, from_logits, axis)
    loss = ops.where(counted, loss, 0.0)
    set_keras_mask(loss, counted)
    return loss


def _class_numbers(y_true: Any, y_pred: Any, axis: int) -> np.ndarray:
    labels = ops.convert_to_numpy(y_true)
    if labels.ndim == len(y_pred.shape) and labels.shape[axis] == 1:
        labels = np.squeeze(labels, axis)
    expected = list(y_pred.shape)
    del expected[axis]
    if labels.shape != tuple(expected):
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape up to the axis of the "
            f"classes. Received: y_true.shape={labels.shape}, y_pred.shape={tuple(y_pred.shape)}"
        )
    return labels.astype(np.int64, copy=False)


def _check_range(labels: np.ndarray, classes: int) -> None:
    # Without their sign, negative numbers are the largest.
    if labels.size and np.maximum.reduce(labels.view(np.uint64), None) >= classes:
        raise ValueError(
            f"Argument `y_true` must hold class numbers from 0 to {classes - 1}. "
            f"Received numbers from {labels.min()} to {labels.max()}."
        )


def _sparse_crossentropy(labels: np.ndarray, y_pred: Any, from_logits: bool, axis: int) -> Any:
    classes = y_pred.shape[axis]
    _check_range(labels, classes)
    if not from_logits and axis in (-1, len(y_pred.shape) - 1):
        return ops.sparse_crossentropy(y_pred, labels, epsilon=epsilon())
    target = ops.one_hot(labels, classes, axis=axis, dtype=str(y_pred.dtype))
    return -ops.sum(target * _log_probabilities(y_pred, from_logits, axis), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """``(1 - p**q) / q`` of the probability p given to the target, robust to wrong targets.

    Parameters
    ----------
    y_true : class numbers, (...) or (..., 1).
    y_pred : probabilities, (..., classes).
    q : between 0, where this is the cross-entropy, and 1, where it is the absolute error.

    Source: Zhang & Sabuncu 2018; Keras `categorical_generalized_cross_entropy`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = _class_numbers(y_true, y_pred, axis=-1)
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=str(y_pred.dtype))
    return (1.0 - ops.power(ops.sum(target * y_pred, axis=-1), q)) / q


def _probabilities(y_pred: Any, axis: int) -> Any:
    return ops.clip(y_pred / ops.sum(y_pred, axis=axis, keepdims=True), epsilon(), 1.0 - epsilon())


def _log_probabilities(y_pred: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return ops.log_softmax(y_pred, axis=axis)
    return ops.log(_probabilities(y_pred, axis))


# --- distributions ------------------------------------------------------------------------------


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Sum of ``y log(y / p)`` over the last axis, both limited to [epsilon, 1].

    Shapes: both (..., n), output (...). Source: Kullback & Leibler 1951; Keras `kl_divergence`.
    """
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    y_true, y_pred = ops.clip(y_true, epsilon(), 1), ops.clip(y_pred, epsilon(), 1)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``p - y log(p + epsilon)`` over the last axis.

    Shapes: both (..., n), output (...). Source: Keras `poisson`.
    """
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + epsilon()), axis=-1)


# --- classes ------------------------------------------------------------------------------------


class BinaryCrossentropy(_FunctionLoss):
    """Cross-entropy for targets that are zero or one. Source: Keras `BinaryCrossentropy`."""

    aliases: ClassVar[tuple[str, ...]] = ("bce", "BCE")
    function: ClassVar[Callable[..., Any]] = staticmethod(binary_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "binary_crossentropy"}

    from_logits: bool = field(default=False, help="Whether predictions are before the sigmoid.")
    label_smoothing: float = field(
        default=0.0, ge=0, le=1, help="Share of targets moved towards a half."
    )
    axis: int = field(default=-1, help="Averaged over.")

    def _mean_of(self, y_true: Any, y_pred: Any) -> Mean | None:
        if self.from_logits or self.label_smoothing or not are_alike(y_true, y_pred):
            return None
        return Mean(ops.mean_binary_crossentropy, y_pred, y_true, {"epsilon": epsilon()})


class BinaryFocalCrossentropy(_FunctionLoss):
    """Binary cross-entropy in which what is predicted well counts little.

    Source: Lin et al. 2017.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(binary_focal_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "binary_focal_crossentropy"}

    apply_class_balancing: bool = field(default=False, help="Whether to weight the classes.")
    alpha: float = field(default=0.25, help="Weight of the ones, if they are weighted.")
    gamma: float = field(default=2.0, help="How much less counts what is predicted well.")
    from_logits: bool = field(default=False, help="Whether predictions are before the sigmoid.")
    label_smoothing: float = field(
        default=0.0, ge=0, le=1, help="Share of targets moved towards a half."
    )
    axis: int = field(default=-1, help="Averaged over.")


class CategoricalCrossentropy(_FunctionLoss):
    """Cross-entropy for one-hot targets. Source: Keras `CategoricalCrossentropy`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_crossentropy"}

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    label_smoothing: float = field(default=0.0, ge=0, le=1, help="Share spread over all classes.")
    axis: int = field(default=-1, help="Where the classes are.")


class CategoricalFocalCrossentropy(_FunctionLoss):
    """Categorical cross-entropy in which what is predicted well counts little.

    Source: Lin et al. 2017.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_focal_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_focal_crossentropy"}

    alpha: float = field(default=0.25, help="Weight of everything.")
    gamma: float = field(default=2.0, help="How much less counts what is predicted well.")
    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    label_smoothing: float = field(default=0.0, ge=0, le=1, help="Share spread over all classes.")
    axis: int = field(default=-1, help="Where the classes are.")


class SparseCategoricalCrossentropy(_FunctionLoss):
    """Cross-entropy for class numbers. Source: Keras `SparseCategoricalCrossentropy`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(sparse_categorical_crossentropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "sparse_categorical_crossentropy"}
    _last: ClassVar[tuple[str, ...]] = ("reduction", "axis", "name", "dtype")

    from_logits: bool = field(default=False, help="Whether predictions are before the softmax.")
    ignore_class: int | None = field(default=None, help="Class number that counts nothing.")
    axis: int = field(default=-1, help="Where the classes are.")

    def _mean_of(self, y_true: Any, y_pred: Any) -> Mean | None:
        of_last = self.axis in (-1, len(y_pred.shape) - 1)
        if self.from_logits or self.ignore_class is not None or not of_last:
            return None
        labels = _class_numbers(y_true, y_pred, -1)
        _check_range(labels, y_pred.shape[-1])
        return Mean(ops.mean_sparse_crossentropy, y_pred, labels, {"epsilon": epsilon()})


class CategoricalGeneralizedCrossEntropy(_FunctionLoss):
    """Between cross-entropy and absolute error, robust to wrong class numbers.

    Source: Zhang & Sabuncu 2018.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_generalized_cross_entropy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_generalized_cross_entropy"}

    q: float = field(
        default=0.5,
        gt=0,
        lt=1,
        help="From cross-entropy at 0 to absolute error at 1.",
        refusal="q must be in the interval (0, 1). Received: q={value!r}",
    )


class KLDivergence(_FunctionLoss):
    """How much two distributions differ. Source: Kullback & Leibler 1951."""

    aliases: ClassVar[tuple[str, ...]] = ("kld", "KLD", "kullback_leibler_divergence")
    function: ClassVar[Callable[..., Any]] = staticmethod(kl_divergence)
    _defaults: ClassVar[dict[str, Any]] = {"name": "kl_divergence"}


class Poisson(_FunctionLoss):
    """How unlikely counts are under predicted rates. Source: Keras `Poisson`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(poisson)
    _defaults: ClassVar[dict[str, Any]] = {"name": "poisson"}
