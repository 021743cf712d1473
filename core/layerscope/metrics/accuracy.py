"""Metrics of classification: how often predictions are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope.config import floatx
from layerscope.configurable import field
from layerscope.losses.loss import squeeze_or_expand_to_same_rank
from layerscope.metrics.metric import Array, as_array
from layerscope.metrics.reduction import _MeanOf


def accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether prediction and target are equal, entry by entry.

    Shapes: both the same, as is the output. Source: Keras `Accuracy`.
    """
    y_pred = as_array(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(as_array(y_true, str(y_pred.dtype)), y_pred)
    return (y_true == y_pred).astype(floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Whether the prediction is on the target's side of `threshold`, entry by entry.

    Shapes: both the same, as is the output. Source: Keras `binary_accuracy`.
    """
    y_true, y_pred = squeeze_or_expand_to_same_rank(as_array(y_true), as_array(y_pred))
    return (y_true == (y_pred > threshold)).astype(floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the most likely class is the one-hot target's.

    Shapes: both (..., classes), output (...). Source: Keras `categorical_accuracy`.
    """
    return _matches(np.argmax(as_array(y_true), -1), as_array(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the most likely class is the target number.

    Shapes: targets (...) or (..., 1), predictions (..., classes), output (...).
    Source: Keras `sparse_categorical_accuracy`.
    """
    matches = _matches(as_array(y_true), as_array(y_pred))
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


def _matches(labels: Array, y_pred: Array) -> Array:
    """Tell which labels are the most likely classes, in the shape of the labels."""
    predicted = np.argmax(y_pred, -1)
    shape = labels.shape
    if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    matches = (labels == predicted).astype(floatx())
    return matches.reshape(shape) if matches.size == np.prod(shape, dtype=int) else matches


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Whether the one-hot target's class is among the `k` most likely ones.

    Shapes: both (..., classes), output (...). Source: Keras `top_k_categorical_accuracy`.
    """
    return sparse_top_k_categorical_accuracy(np.argmax(as_array(y_true), -1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """Whether the target number is among the `k` most likely classes.

    A class that is as likely as the last of them is among them.

    Parameters
    ----------
    y_true : class numbers, (...) or (..., 1).
    y_pred : probabilities (..., classes), or numbers of classes, most likely first.
    k : how many classes may contain the target.
    from_sorted_ids : whether predictions are numbers of classes.

    Returns
    -------
    Ones and zeros in the shape of the targets.

    Source: Keras `sparse_top_k_categorical_accuracy`.
    """
    y_true, y_pred = as_array(y_true), as_array(y_pred)
    rows = y_pred.reshape(-1, y_pred.shape[-1])
    labels = y_true.reshape(-1, 1)
    if from_sorted_ids:
        found = (labels == rows[:, :k]).any(axis=1)
    else:
        of_target = np.take_along_axis(rows, labels.astype(np.int64), axis=1)
        found = np.count_nonzero(rows > of_target, axis=1) < k
    return found.astype(floatx()).reshape(y_true.shape)


class Accuracy(_MeanOf):
    """How often predictions equal targets. Source: Keras `Accuracy`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "accuracy"}
    _direction = "up"


class BinaryAccuracy(_MeanOf):
    """How often predictions are on the target's side of a threshold.

    Source: Keras `BinaryAccuracy`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(binary_accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "binary_accuracy"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "threshold")
    _direction = "up"

    threshold: float = field(default=0.5, help="Above it a prediction means one.")


class CategoricalAccuracy(_MeanOf):
    """How often the most likely class is the one-hot target's.

    Source: Keras `CategoricalAccuracy`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_accuracy"}
    _direction = "up"


class SparseCategoricalAccuracy(_MeanOf):
    """How often the most likely class is the target number.

    Source: Keras `SparseCategoricalAccuracy`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(sparse_categorical_accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "sparse_categorical_accuracy"}
    _direction = "up"


class TopKCategoricalAccuracy(_MeanOf):
    """How often the one-hot target's class is among the most likely ones.

    Source: Keras `TopKCategoricalAccuracy`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(top_k_categorical_accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "top_k_categorical_accuracy"}
    _direction = "up"

    k: int = field(default=5, ge=1, help="How many classes may contain the target.")


class SparseTopKCategoricalAccuracy(_MeanOf):
    """How often the target number is among the most likely classes.

    Source: Keras `SparseTopKCategoricalAccuracy`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(sparse_top_k_categorical_accuracy)
    _defaults: ClassVar[dict[str, Any]] = {"name": "sparse_top_k_categorical_accuracy"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_sorted_ids")
    _direction = "up"

    k: int = field(default=5, ge=1, help="How many classes may contain the target.")
    from_sorted_ids: bool = field(
        default=False, help="Whether predictions are numbers of classes, most likely first."
    )
