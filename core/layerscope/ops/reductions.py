"""Operations that summarise along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from layerscope.compiled import reductions as loops
from layerscope.compiled import room
from layerscope.compiled.tasks import LARGE, tasks_of
from layerscope.ops import shapes
from layerscope.ops.elementwise import (
    absolute,
    equal,
    exp,
    log,
    maximum,
    rsqrt,
    sqrt,
    square,
    stop_gradient,
    where,
)
from layerscope.ops.manipulation import (
    broadcast_to,
    cast,
    cumulate_reversed,
    expand_dims,
    reshape,
    transpose,
)
from layerscope.ops.operation import operation
from layerscope.tensor import Operators

Array = Any
Axis = int | Sequence[int] | None


def _restored(value: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Bring a reduced value back to rank so that it broadcasts against `x`."""
    if keepdims or (axis is None and not np.shape(value)):
        return value
    axes = shapes.normalize_axes(axis, len(x.shape))
    return reshape(
        value, tuple(1 if index in axes else length for index, length in enumerate(x.shape))
    )


def _count(x: Array, axis: Axis) -> int:
    return math.prod(x.shape[index] for index in shapes.normalize_axes(axis, len(x.shape)))


def _tuple(axis: Axis) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


#: Fewer entries behind the axes are added up sooner one by one.
_WIDE = 8
_SINGLE, _ONE = np.dtype(np.float32), np.float32(1)


def _around(x: Array, axis: Axis) -> tuple[int, int, int] | None:
    """Return the entries before, along and behind the axes, where a compiled loop takes them.

    It does with large arrays in single precision and axes side by side that are not the last.
    """
    if type(x) is not np.ndarray or x.dtype != _SINGLE or x.size < LARGE or axis is None:
        return None
    return _middle(x.shape, _tuple(axis)) if x.flags.c_contiguous else None


@lru_cache(maxsize=256)
def _middle(shape: tuple[int, ...], axis: Any) -> tuple[int, int, int] | None:
    axes = sorted(shapes.normalize_axes(axis, len(shape)))
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        return None
    before, along, behind = shapes.around(shape, axes[0], axes[-1])
    return (before, along, behind) if before > 1 and behind >= _WIDE else None


_shape_left = lru_cache(maxsize=256)(shapes.reduction)


def _reduced(
    loop: Any, x: Array, around: tuple[int, int, int], axis: Axis, keepdims: bool, *more: Any
) -> Array:
    """Return what a loop makes of the middle axis, in the shape that a reduction has."""
    out = np.empty((around[0], around[2]), x.dtype)
    loop(tasks_of(x.size), x.reshape(around), out, *more)
    shape: Any = _shape_left(x.shape, _tuple(axis), bool(keepdims))
    return out.reshape(shape)


@operation(shapes.reduction)
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over `axis`."""
    if around := _around(x, axis):
        return _reduced(loops.sum_middle, x, around, axis, keepdims, _ONE)
    return np.sum(x, axis=_tuple(axis), keepdims=keepdims)


sum.gradients(
    lambda g, out, x, axis=None, keepdims=False: broadcast_to(
        _restored(g, x, axis, keepdims), x.shape
    )
)


@operation(shapes.reduction)
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over `axis`."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.size:
        return np.mean(x, axis=_tuple(axis), keepdims=keepdims)
    if around := _around(x, axis):
        return _reduced(loops.sum_middle, x, around, axis, keepdims, np.float32(around[1]))
    # What NumPy does, without the time it takes to get there.
    return np.add.reduce(x, _tuple(axis), keepdims=keepdims) / _count(x, axis)


def _mean_gradient(
    g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False
) -> Array:
    if axis is None and not isinstance(g, Operators):
        return np.full(x.shape, g * (1.0 / x.size), x.dtype)
    return broadcast_to(_restored(g, x, axis, keepdims) * (1.0 / _count(x, axis)), x.shape)


mean.gradients(_mean_gradient)


@operation(shapes.reduction)
def var(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Variance over `axis` (divided by the count, not the count minus one)."""
    return np.var(x, axis=_tuple(axis), keepdims=keepdims)


var.gradients(
    lambda g, out, x, axis=None, keepdims=False: (
        _restored(g, x, axis, keepdims)
        * (x - mean(x, axis=axis, keepdims=True))
        * (2.0 / _count(x, axis))
    )
)


def std(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Standard deviation over `axis`."""
    return sqrt(var(x, axis=axis, keepdims=keepdims))


@operation(shapes.reduction)
def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over `axis`."""
    return np.prod(x, axis=_tuple(axis), keepdims=keepdims)


def _prod_gradient(
    g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False
) -> Array:
    # Product of the others, computed without dividing so that zeros are exact.
    axes = shapes.normalize_axes(axis, len(x.shape))
    kept = tuple(at for at in range(len(x.shape)) if at not in axes)
    moved = transpose(x, (*kept, *axes))
    flat = reshape(moved, (*moved.shape[: len(kept)], -1))
    others = _others(flat) if isinstance(x, np.ndarray) else _differentiable_others(flat)
    back = tuple(np.argsort((*kept, *axes)).tolist())
    return _restored(g, x, axis, keepdims) * transpose(reshape(others, moved.shape), back)


def _others(x: np.ndarray) -> np.ndarray:
    """Product of all entries along the last axis but each one."""
    ones = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], -1), -1)[..., ::-1]
    return before * after


def _differentiable_others(x: Array) -> Array:
    """The same with operations; takes the square of the axis's length in memory."""
    one = np.eye(x.shape[-1], dtype=x.dtype)
    return prod(expand_dims(x, -2) * (1 - one) + one, axis=-1)


prod.gradients(_prod_gradient)


@operation(shapes.reduction)
def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Maximum over `axis`; ties share the gradient equally."""
    if around := _around(x, axis):
        return _reduced(loops.max_middle, x, around, axis, keepdims)
    return np.max(x, axis=_tuple(axis), keepdims=keepdims)


@operation(shapes.reduction)
def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Minimum over `axis`; ties share the gradient equally."""
    return np.min(x, axis=_tuple(axis), keepdims=keepdims)


def _extreme_gradient(
    g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False
) -> Array:
    hit = cast(equal(x, _restored(out, x, axis, keepdims)), x.dtype)
    return _restored(g, x, axis, keepdims) * hit / sum(hit, axis=axis, keepdims=True)


def _max_gradient(
    g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False
) -> Array:
    around = _around(x, axis)
    if around is None or not type(g) is type(out) is np.ndarray or g.dtype != x.dtype:
        return _extreme_gradient(g, out, x, axis, keepdims)
    before, _, behind = around
    grad = room.empty(around, x.dtype)
    flat = [one.reshape(before, behind) for one in (g, out)]
    loops.max_middle_gradient(tasks_of(x.size), *flat, x.reshape(around), grad)
    return grad.reshape(x.shape)


max.gradients(_max_gradient)
min.gradients(_extreme_gradient)
amax, amin = max, min


@operation(shapes.reduction, dtype="int32")
def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest value."""
    return np.argmax(x, axis=axis, keepdims=keepdims).astype("int32")


@operation(shapes.reduction, dtype="int32")
def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest value."""
    return np.argmin(x, axis=axis, keepdims=keepdims).astype("int32")


@operation(shapes.reduction, dtype="bool")
def any(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any value is true."""
    return np.any(x, axis=_tuple(axis), keepdims=keepdims)


@operation(shapes.reduction, dtype="bool")
def all(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all values are true."""
    return np.all(x, axis=_tuple(axis), keepdims=keepdims)


def _cumsum_shape(shape: Any, axis: int | None = None) -> Any:
    return shape if axis is not None else (shapes.size(shape),)


@operation(_cumsum_shape)
def cumsum(x: Array, axis: int | None = None) -> Array:
    """Running sum along `axis`, of the flattened value for None."""
    return np.cumsum(x, axis=axis)


cumsum.gradients(
    lambda g, out, x, axis=None: reshape(
        cumulate_reversed(g, axis=0 if axis is None else axis), x.shape
    )
)


def moments(x: Array, axes: Axis, keepdims: bool = False) -> tuple[Array, Array]:
    """Mean and (biased) variance over `axes`."""
    return mean(x, axis=axes, keepdims=keepdims), var(x, axis=axes, keepdims=keepdims)


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Logarithm of the sum of exponentials, without overflow."""
    top = stop_gradient(max(x, axis=axis, keepdims=True))
    out = log(sum(exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else sum(out, axis=axis)


def norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Euclidean norm over `axis`."""
    return sqrt(sum(square(x), axis=axis, keepdims=keepdims))


def normalize(x: Array, axis: Axis = -1, order: int = 2, epsilon: float = 1e-12) -> Array:
    """Divide by the `order`-norm (1 or 2) along `axis`.

    Raises
    ------
    ValueError
        For another order.
    """
    if order == 2:
        return x * rsqrt(maximum(sum(square(x), axis=axis, keepdims=True), epsilon**2))
    if order == 1:
        return x / maximum(sum(absolute(x), axis=axis, keepdims=True), epsilon)
    raise ValueError(f"Argument `order` must be 1 or 2. Received: order={order!r}")


def count_nonzero(x: Array, axis: Axis = None) -> Array:
    """Number of entries that are not zero."""
    return sum(where(equal(x, 0), 0, 1), axis=axis)


__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "cumsum", "expand_dims",
    "logsumexp", "max", "mean", "min", "moments", "norm", "normalize", "prod", "std", "sum", "var",
]  # fmt: skip
