"""Losses of margins: predictions that are right, but not by enough, cost as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.losses.loss import _FunctionLoss, as_broadcast_pair


def _shortfall(y_true: Any, y_pred: Any) -> Any:
    """Return by how much each prediction misses the margin of 1; targets 0 and 1 are -1 and 1."""
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    if np.isin(ops.convert_to_numpy(y_true), (0, 1)).all():
        y_true = 2.0 * y_true - 1.0
    return ops.maximum(1.0 - y_true * y_pred, 0.0)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``max(1 - y_true * y_pred, 0)`` over the last axis.

    Shapes: both (..., n), output (...). Targets are -1 and 1, or 0 and 1.
    Source: Keras `hinge`.
    """
    return ops.mean(_shortfall(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of the square of ``max(1 - y_true * y_pred, 0)`` over the last axis.

    Shapes: both (..., n), output (...). Targets are -1 and 1, or 0 and 1.
    Source: Keras `squared_hinge`.
    """
    return ops.mean(ops.square(_shortfall(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """By how much the right class does not beat the best wrong one by 1.

    Shapes: both (..., classes), targets one-hot; output (...). Source: Keras `categorical_hinge`.
    """
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(_FunctionLoss):
    """By how much predictions miss a margin of 1. Source: Keras `Hinge`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "hinge"}


class SquaredHinge(_FunctionLoss):
    """Square of by how much predictions miss a margin of 1. Source: Keras `SquaredHinge`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(squared_hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "squared_hinge"}


class CategoricalHinge(_FunctionLoss):
    """By how much the right class does not beat the best wrong one by 1.

    Source: Keras `CategoricalHinge`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_hinge)
    _defaults: ClassVar[dict[str, Any]] = {"name": "categorical_hinge"}
