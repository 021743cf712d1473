"""Metrics of segmentation: overlap of predicted and true regions."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope.config import epsilon, standardize_dtype
from layerscope.configurable import field
from layerscope.metrics.metric import Array, Metric, as_array


def _dtype(value: Any) -> str:
    """Return the type counted in, whole numbers unless another is asked for."""
    return "int32" if value in (None, "int") else standardize_dtype(value)


def _class_ids(value: Any) -> list[int]:
    """Return the numbers of classes.

    Raises
    ------
    ValueError
        If they are no list of numbers of classes.
    """
    try:
        ids = [operator.index(one) for one in value]
    except TypeError:
        ids = [-1]
    if min(ids, default=0) < 0:
        raise ValueError(
            "Argument `target_class_ids` must be a list of class numbers, which are integers from "
            f"0 on. Received: target_class_ids={value!r}"
        )
    return ids


class _ClassOverlap(Metric):
    """Counts how often each class is taken for which, and averages the overlaps of some.

    As in Keras, what is of none of the classes, neither from 0 nor below `num_classes`, counts
    nothing.

    Attributes
    ----------
    total_cm : confusion matrix, true classes in rows and predicted ones in columns.
    """

    _last: ClassVar[tuple[str, ...]] = (
        "name", "dtype", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis",
    )  # fmt: skip
    _direction = "up"

    dtype: str = field(default=None, kw_only=True, converter=_dtype, help="Type counted in.")
    num_classes: int = field(ge=1, help="Number of classes.")
    ignore_class: int | None = field(
        kw_only=True, default=None, help="True class that counts nothing."
    )
    sparse_y_true: bool = field(
        kw_only=True, default=True, help="Whether targets are class numbers, not one-hot."
    )
    sparse_y_pred: bool = field(
        kw_only=True, default=True, help="Whether predictions are class numbers, not probabilities."
    )
    axis: int = field(
        kw_only=True, default=-1, help="Where the classes are, if not given by numbers."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = self._averaged()
        if ids and max(ids) >= self.num_classes:
            raise ValueError(
                f"Target class id {max(ids)} is out of range, which is [0, {self.num_classes})."
            )
        shape = (self.num_classes, self.num_classes)
        self.total_cm = self.add_variable(shape, dtype=self.dtype, name="total_confusion_matrix")

    def _averaged(self) -> Sequence[int]:
        """Return the classes whose overlaps are averaged."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true = self._numbers(y_true, self.sparse_y_true)
        predicted = self._numbers(y_pred, self.sparse_y_pred)
        weight = np.broadcast_to(self._weight(sample_weight), true.shape)
        counted = (true >= 0) & (true < self.num_classes)
        counted &= (predicted >= 0) & (predicted < self.num_classes)
        if self.ignore_class is not None:
            counted &= true != self.ignore_class
        matrix = np.zeros(self.total_cm.shape, self.dtype)
        np.add.at(matrix, (true[counted], predicted[counted]), weight[counted])
        self.total_cm.assign_add(matrix)

    def _numbers(self, values: Any, sparse: bool) -> Array:
        values = as_array(values)
        if not sparse:
            values = np.argmax(values, axis=self.axis)
        return values.astype(np.int64).reshape(-1)

    def _weight(self, sample_weight: Any) -> Array:
        weight = as_array(1 if sample_weight is None else sample_weight)
        if hasattr(sample_weight, "dtype") and weight.dtype.kind == "f" and "int" in self.dtype:
            warnings.warn(
                "You are passing weight as `float`, but dtype is `int`: casting cuts the fractions "
                "off. Pass integer weights, or a float `dtype` to the metric.",
                stacklevel=4,
            )
        weight = weight.astype(self.dtype)
        return weight.reshape(-1) if weight.ndim > 1 else weight

    def result(self) -> Any:
        matrix = self.total_cm.value
        right = np.diag(matrix)
        either = matrix.sum(axis=0) + matrix.sum(axis=1) - right
        ids = list(self._averaged())
        right, either = right[ids].astype("float32"), either[ids].astype("float32")
        present = either > 1e-9
        overlap = np.where(present, right / (either + epsilon()), 0)
        return np.float32(overlap.sum() / (np.count_nonzero(present) + epsilon()))


class _OverlapOfSome(_ClassOverlap):
    """Averages the overlaps of the classes it is given."""

    target_class_ids: Any = field(converter=_class_ids, help="Classes whose overlaps are averaged.")

    def _averaged(self) -> Sequence[int]:
        return self.target_class_ids


class IoU(_OverlapOfSome):
    """Intersection over union of predicted and true regions, averaged over some classes.

    Classes that occur neither in targets nor in predictions do not count. Source: Jaccard 1912;
    Keras `IoU`.

    Examples
    --------
    >>> import layerscope as ls
    >>> metric = ls.metrics.IoU(num_classes=2, target_class_ids=[0])
    >>> round(float(metric([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333
    """


class BinaryIoU(_OverlapOfSome):
    """Intersection over union of what is above a threshold and what is not.

    Source: Keras `BinaryIoU`.
    """

    _last: ClassVar[tuple[str, ...]] = ("target_class_ids", "threshold", "name", "dtype")
    _defaults: ClassVar[dict[str, Any]] = {"target_class_ids": (0, 1)}

    num_classes = 2
    ignore_class = None
    sparse_y_true = True
    sparse_y_pred = True
    axis = -1

    threshold: float = field(default=0.5, help="From it on a prediction means one.")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        above = as_array(y_pred, "float32") >= self.threshold
        super().update_state(y_true, above.astype(np.int64), sample_weight)


class MeanIoU(_ClassOverlap):
    """Intersection over union of predicted and true regions, averaged over all classes.

    Source: Keras `MeanIoU`.
    """

    @property
    def target_class_ids(self) -> list[int]:
        """All classes."""
        return list(range(self.num_classes))

    def _averaged(self) -> Sequence[int]:
        return self.target_class_ids


class OneHotIoU(_OverlapOfSome):
    """`IoU` of one-hot targets. Source: Keras `OneHotIoU`."""

    _defaults: ClassVar[dict[str, Any]] = {"sparse_y_pred": False}

    sparse_y_true = False


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot targets. Source: Keras `OneHotMeanIoU`."""

    _defaults: ClassVar[dict[str, Any]] = {"sparse_y_pred": False}

    sparse_y_true = False
