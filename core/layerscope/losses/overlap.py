"""Losses of regions: how little predicted and true areas overlap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.losses.loss import _FunctionLoss, as_broadcast_pair

Axis = int | tuple[int, ...] | None


def dice(y_true: Any, y_pred: Any, axis: Axis = None) -> Any:
    """One minus twice the overlap by the sum of both areas.

    Shapes: both the same; the output lacks `axis`, and is a scalar for None.
    Source: Dice 1945; Keras `dice`.
    """
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    areas = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - 2.0 * overlap / (areas + epsilon())


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None
) -> Any:
    """One minus the overlap by itself and what is weighted of the rest of both areas.

    Parameters
    ----------
    y_true, y_pred : areas, of the same shape.
    alpha : weight of what is missed.
    beta : weight of what is found wrongly.
    axis : summed over, all axes for None.

    Source: Salehi et al. 2017; Keras `tversky`, where `alpha` and `beta` mean this as well, though
    its documentation has them the other way round.
    """
    y_true, y_pred = as_broadcast_pair(y_true, y_pred)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    wrong = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - overlap / (overlap + alpha * missed + beta * wrong + epsilon())


class Dice(_FunctionLoss):
    """One minus twice the overlap by the sum of both areas. Source: Dice 1945."""

    function: ClassVar[Callable[..., Any]] = staticmethod(dice)
    _defaults: ClassVar[dict[str, Any]] = {"name": "dice"}
    _last: ClassVar[tuple[str, ...]] = ("reduction", "name", "axis", "dtype")

    axis: int | tuple[int, ...] | None = field(default=None, help="Summed over; all for None.")


class Tversky(_FunctionLoss):
    """Like `Dice`, with weights for what is missed and what is found wrongly.

    Source: Salehi et al. 2017.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(tversky)
    _defaults: ClassVar[dict[str, Any]] = {"name": "tversky"}
    _last: ClassVar[tuple[str, ...]] = ("reduction", "name", "axis", "dtype")

    alpha: float = field(default=0.5, help="Weight of what is missed.")
    beta: float = field(default=0.5, help="Weight of what is found wrongly.")
    axis: int | tuple[int, ...] | None = field(default=None, help="Summed over; all for None.")
