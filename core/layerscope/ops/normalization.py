"""Values brought to mean zero and variance one, over a batch or within each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from layerscope.compiled import normalization as loops
from layerscope.compiled import room
from layerscope.compiled import standardizing as small
from layerscope.compiled.tasks import LARGE, repeats, tasks_of, tiled
from layerscope.config import float_type_for
from layerscope.ops import layout, shapes
from layerscope.ops.elementwise import rsqrt, square
from layerscope.ops.manipulation import reshape
from layerscope.ops.operation import operation
from layerscope.ops.reductions import mean as mean_over
from layerscope.ops.reductions import sum as sum_over
from layerscope.ops.reductions import var as variance_over
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape

Array = Any
Axes = int | Sequence[int]


def _along(value: Array, x: Array, axis: Axes) -> Array:
    """Reshape `value`, which has the lengths of `axis`, so that it broadcasts against `x`."""
    ndim = len(x.shape)
    axes = shapes.normalize_axes(axis, ndim)
    if sorted(axes) == list(range(ndim - len(axes), ndim)):
        return value
    lengths = (length if index in axes else 1 for index, length in enumerate(x.shape))
    return reshape(value, tuple(lengths))


def _fitted(name: str, value: Array, lengths: Any) -> Array:
    """Return what an argument holds for each entry of some axes, in the shape of these.

    Raises
    ------
    ShapeError
        If there is more or less of it.
    """
    if value.shape == lengths or None in lengths:
        return value
    if math.prod(value.shape) != math.prod(lengths):
        raise _misfit(name, value, lengths)
    return reshape(value, lengths)


def _misfit(name: str, value: Array, lengths: Any) -> ShapeError:
    return ShapeError(
        f"Argument `{name}` must have the shape {lengths} of the axes that it is for. "
        f"Received: {name} of shape {tuple(value.shape)}"
    )


def _wide(rows: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Put short rows side by side, and repeat what there is per column as often."""
    times = repeats(*rows.shape)
    wide = rows if times == 1 else rows.reshape(len(rows) // times, -1)
    return (wide, *(tiled(value, times) for value in values))


def _partial_sums(rows: np.ndarray) -> np.ndarray:
    """Return room for two sums per column of every part of `rows`."""
    return np.empty((tasks_of(rows.size), 2, rows.shape[1]))


def _total(partial: np.ndarray, channels: int) -> np.ndarray:
    """Add up what parts of rows, perhaps put side by side, have summed; shape (2, channels)."""
    return partial.sum(0).reshape(2, -1, channels).sum(1)


@operation(inputs=4)
def scale_and_shift(x: Array, mean: Array, factor: Array, offset: Array, axis: int = -1) -> Array:
    """``(x - mean) * factor + offset`` for each entry of `axis`, of which all others have one."""
    rows = _rows(x, axis, np.result_type(x, factor))
    if not rows.size:
        return _unrows(rows, x.shape, axis)
    values = [np.asarray(value, rows.dtype) for value in (mean, factor, offset)]
    wide, *repeated = _wide(rows, *values)
    out = room.empty_like(wide)
    loops.scale_columns(tasks_of(out.size), wide, *repeated, out)
    return _unrows(out, x.shape, axis)


@scale_and_shift.joint_gradient
def _scale_and_shift_gradient(
    grad: Array, out: Array, x: Array, mean: Array, factor: Array, offset: Array, axis: int = -1
) -> tuple[Array, ...]:
    if type(grad) is not np.ndarray or type(out) is not np.ndarray or not x.size:
        others = tuple(k for k in range(len(x.shape)) if k != axis % len(x.shape))
        scaled = grad * _along(factor, x, axis)
        products = grad * (x - _along(mean, x, axis))
        return scaled, -sum_over(scaled, others), sum_over(products, others), sum_over(grad, others)
    rows = _rows(x, axis, out.dtype)
    values = (np.asarray(value, out.dtype) for value in (mean, factor))
    wide, *repeated = _wide(rows, *values)
    grads = _rows(grad, axis, out.dtype).reshape(wide.shape)
    grad_x, partial = room.empty_like(wide), _partial_sums(wide)
    loops.scale_columns_gradient(len(partial), grads, wide, *repeated, grad_x, partial)
    total, products = _total(partial, rows.shape[1]).astype(out.dtype)
    return _unrows(grad_x, x.shape, axis), -total * factor, products, total


# Written with operations where it is recorded.
scale_and_shift.first_order_only = False


def batch_normalization(
    x: Array,
    mean: Array,
    variance: Array,
    axis: int,
    offset: Array | None = None,
    scale: Array | None = None,
    epsilon: float = 1e-3,
) -> Array:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset`` for each entry of `axis`.

    Parameters
    ----------
    mean, variance, offset, scale : one value per entry of `axis`, for instance moving averages;
        `normalize_batch` takes the statistics from `x` itself.

    Raises
    ------
    ShapeError
        If one of them has more or fewer.
    """
    lengths = (x.shape[axis],)
    mean, variance = _fitted("mean", mean, lengths), _fitted("variance", variance, lengths)
    factor = rsqrt(variance + epsilon)
    if scale is not None:
        factor = factor * _fitted("scale", scale, lengths)
    if offset is None:
        offset = np.zeros(mean.shape, str(mean.dtype))
    else:
        offset = _fitted("offset", offset, lengths)
    return scale_and_shift(x, mean, factor, offset, axis=axis)


def _normalize_batch_shape(
    x: Shape, scale: Shape, offset: Shape, axis: int = -1, epsilon: float = 1e-3
) -> list[Shape]:
    channels = (x[shapes.normalize_axis(axis, len(x))],)
    return [x, channels, channels]


def _in_order(x: Array, dtype: Any) -> np.ndarray:
    """Return `x` in a type and C-contiguous, which NumPy takes long to find that it is already."""
    return x if x.dtype == dtype and x.flags.c_contiguous else np.ascontiguousarray(x, dtype)


def _rows(x: Array, axis: int, dtype: Any) -> Array:
    """`x` as a matrix with `axis` along its rows."""
    last = axis in (-1, x.ndim - 1)
    moved = _in_order(x if last else np.moveaxis(x, axis, -1), dtype)
    return moved if moved.ndim == 2 else moved.reshape(-1, moved.shape[-1])


def _unrows(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Undo `_rows`."""
    if axis in (-1, len(shape) - 1):
        return rows if len(shape) == 2 else rows.reshape(shape)
    lengths = np.moveaxis(np.empty(shape, bool), axis, -1).shape
    return np.moveaxis(rows.reshape(lengths), -1, axis)


@operation(_normalize_batch_shape, inputs=3)
def normalize_batch(
    x: Array, scale: Array, offset: Array, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Array, Array, Array]:
    """Batch normalization by the statistics of `x` itself, as in training.

    Parameters
    ----------
    scale, offset : one value per entry of `axis`.

    Returns
    -------
    Normalized `x`, and the mean and (biased) variance over all other axes.

    Raises
    ------
    ShapeError
        If `scale` or `offset` has another shape.
    """
    rows = _rows(x, axis, scale.dtype)
    lengths = rows.shape[1:]
    if not scale.shape == lengths == offset.shape:
        name, value = ("scale", scale) if scale.shape != lengths else ("offset", offset)
        raise _misfit(name, value, lengths)
    if rows.size < LARGE:
        out = np.empty(rows.shape, rows.dtype)
        mean, variance = np.empty(len(scale), scale.dtype), np.empty(len(scale), scale.dtype)
        small.standardize_columns(
            rows, *_pair(rows, scale, offset), float(epsilon), out, mean, variance
        )
        return _unrows(out, x.shape, axis), mean, variance
    mean, variance, factor = (np.empty(lengths, rows.dtype) for _ in range(3))
    # Near the means, or there would be little left of the distances.
    shift = np.where(np.isfinite(rows[0]), rows[0], rows.dtype.type(0))
    wide, repeated = _wide(rows, shift)
    partial = _partial_sums(wide)
    loops.column_moments(len(partial), wide, repeated, partial)
    loops.finish_moments(
        partial,
        shift,
        len(rows),
        _in_order(scale, rows.dtype),
        float(epsilon),
        mean,
        variance,
        factor,
    )
    wide, *repeated = _wide(rows, mean, factor, offset)
    out = room.empty_like(wide)
    loops.scale_columns(tasks_of(out.size), wide, *repeated, out)
    return _unrows(out, x.shape, axis), mean, variance


def _pair(rows: np.ndarray, first: Array, second: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return two vectors as loops take them beside `rows`."""
    return _in_order(first, rows.dtype), _in_order(second, rows.dtype)


@normalize_batch.joint_gradient
def _normalize_batch_gradient(
    grads: list[Array],
    outs: list[Array],
    x: Array,
    scale: Array,
    offset: Array,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> tuple[Array, Array, Array]:
    (grad, grad_mean, grad_variance), (_, mean, variance) = grads, outs
    rows = _rows(x, axis, scale.dtype)
    n, channels = rows.shape
    if rows.size < LARGE:
        found = np.empty_like(rows), np.empty_like(mean), np.empty_like(mean)
        small.standardize_columns_gradient(
            _rows(grad, axis, scale.dtype), *_pair(rows, grad_mean, grad_variance), rows,
            _in_order(scale, scale.dtype), float(epsilon), mean, variance, *found,
        )  # fmt: skip
        return _unrows(found[0], x.shape, axis), found[1], found[2]
    wide, middle = _wide(rows, mean)
    grads_wide = _rows(grad, axis, scale.dtype).reshape(wide.shape)
    partial = _partial_sums(wide)
    loops.column_products(len(partial), grads_wide, wide, middle, partial)
    total, products = _total(partial, channels)
    inverse = 1 / np.sqrt(variance + np.float64(epsilon))
    grad_scale, factor = products * inverse, scale * inverse
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = (factor * total - grad_mean) / np.float64(n)
        slope = (factor * inverse * grad_scale - 2 * grad_variance) / np.float64(n)
    values = (value.astype(rows.dtype) for value in (factor, shift, slope))
    _, *repeated = _wide(rows, *values)
    grad_x = room.empty_like(wide)
    loops.standardized_columns_gradient(
        tasks_of(wide.size), grads_wide, wide, middle, *repeated, grad_x
    )
    grads_found = grad_scale.astype(scale.dtype), total.astype(scale.dtype)
    return _unrows(grad_x, x.shape, axis), *grads_found


def _standardize(x: Array, axis: Axes, epsilon: float) -> tuple[Array, Array]:
    axes = shapes.normalize_axes(axis, x.ndim)
    centered = x - np.mean(x, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(np.square(centered), axis=axes, keepdims=True) + epsilon)
    centered *= inverse
    return centered, inverse


@operation()
def standardize(x: Array, axis: Axes = -1, epsilon: float = 1e-3) -> Array:
    """``(x - mean) / sqrt(variance + epsilon)``, the (biased) moments taken over `axis`."""
    return _standardize(x, axis, epsilon)[0]


standardize.saving(_standardize)


def _standardize_gradient(
    g: Array, out: Array, x: Array, saved: Array, axis: Axes = -1, epsilon: float = 1e-3
) -> Array:
    plain = isinstance(out, np.ndarray)
    # Where the gradient is recorded in turn, so must be what it is made of.
    inverse = saved if plain else rsqrt(variance_over(x, axis=axis, keepdims=True) + epsilon)
    slope = mean_over(g * out, axis=axis, keepdims=True)
    return (g - mean_over(g, axis=axis, keepdims=True) - out * slope) * inverse


standardize.gradients(_standardize_gradient)


def _last_lengths(x: Array, axis: Axes) -> Any:
    """Return the lengths of `axis` if it is the last axes in order, with entries; else None."""
    shape = x.shape
    first = _first_of_last(layout.hashable(axis), len(shape))
    if first is None:
        return None
    lengths = shape[first:]
    return None if 0 in lengths or None in lengths else lengths


@lru_cache(maxsize=256)
def _first_of_last(axis: int | tuple[int, ...] | None, ndim: int) -> int | None:
    """Return the first of some axes if they are the last in order, else None."""
    axes = shapes.normalize_axes(axis, ndim)
    first = ndim - len(axes)
    return first if axes == tuple(range(first, ndim)) else None


def _normalized_rows(
    x: Array, scale: Array, offset: Array, centered: bool = True, epsilon: float = 1e-7
) -> tuple[Array, Array]:
    dtype = x.dtype if x.dtype == scale.dtype else np.result_type(x, scale)
    rows, scale, offset = _in_order(x, dtype), _in_order(scale, dtype), _in_order(offset, dtype)
    are_rows = x.ndim == 2 and scale.ndim == 1
    if not are_rows:
        rows, scale, offset = _as_rows(rows, scale), scale.reshape(-1), offset.reshape(-1)
    out, moments = room.empty(rows.shape, dtype), np.empty((2, len(rows)), dtype)
    loops.standardize_rows(
        tasks_of(rows.size), rows, scale, offset, float(epsilon), centered, out, moments
    )
    return out if are_rows else out.reshape(x.shape), moments


def _as_rows(x: Array, scale: Array) -> Array:
    """Return `x` as rows with as many entries as `scale` has."""
    return x.reshape(x.size // max(scale.size, 1), scale.size)


@operation(inputs=3)
def normalize_rows(
    x: Array, scale: Array, offset: Array, centered: bool = True, epsilon: float = 1e-7
) -> Array:
    """Normalize over the last axes, as many as `scale` and `offset` have, then apply these.

    Parameters
    ----------
    centered : whether the mean is subtracted, rather than taken to be zero.
    """
    return _normalized_rows(x, scale, offset, centered, epsilon)[0]


normalize_rows.saving(_normalized_rows)


@normalize_rows.joint_gradient
def _normalize_rows_gradient(
    grad: Array,
    out: Array,
    x: Array,
    scale: Array,
    offset: Array,
    saved: Array,
    centered: bool = True,
    epsilon: float = 1e-7,
) -> tuple[Array, Array, Array]:
    if type(grad) is not np.ndarray or type(out) is not np.ndarray:
        return _recorded_rows_gradient(grad, x, scale, centered, epsilon)
    rows, grads, factors = (_in_order(one, out.dtype) for one in (x, grad, scale))
    are_rows = x.ndim == 2 and scale.ndim == 1
    if not are_rows:
        rows, grads, factors = _as_rows(rows, scale), _as_rows(grads, scale), factors.reshape(-1)
    grad_x, partial = room.empty_like(rows), _partial_sums(rows)
    loops.standardize_rows_gradient(
        len(partial), grads, rows, factors, centered, saved, grad_x, partial
    )
    # Most rows are of a single part, which NumPy would take long to add to nothing.
    sums = (partial[0] if len(partial) == 1 else partial.sum(0)).astype(scale.dtype)
    total, products = sums[0], sums[1]
    if are_rows:
        return grad_x, products, total
    return grad_x.reshape(x.shape), products.reshape(scale.shape), total.reshape(scale.shape)


# Written with operations where it is recorded.
normalize_rows.first_order_only = False


def _recorded_rows_gradient(
    grad: Array, x: Array, scale: Array, centered: bool, epsilon: float
) -> tuple[Array, Array, Array]:
    axis = tuple(range(-len(scale.shape), 0))
    distance = x - mean_over(x, axis=axis, keepdims=True) if centered else x
    inverse = rsqrt(mean_over(square(distance), axis=axis, keepdims=True) + epsilon)
    unit, scaled = distance * inverse, grad * scale
    grad_x = scaled - unit * mean_over(scaled * unit, axis=axis, keepdims=True)
    if centered:
        grad_x = grad_x - mean_over(scaled, axis=axis, keepdims=True)
    # The tape sums over the samples.
    return grad_x * inverse, grad * unit, grad


def layer_normalization(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    axis: Axes = -1,
    epsilon: float = 1e-7,
    rms_scaling: bool = False,
) -> Array:
    """Standardize each sample over `axis`, then scale by `gamma` and shift by `beta`.

    Parameters
    ----------
    gamma, beta : the lengths of `axis`, in the order of the axes.
    rms_scaling : whether to divide by the standard deviation without subtracting the mean.

    Raises
    ------
    ShapeError
        If there is more or less of `gamma` or `beta`.
    """
    if rms_scaling:
        out = x * rsqrt(variance_over(x, axis=axis, keepdims=True) + epsilon)
    elif (lengths := _last_lengths(x, axis)) is not None:
        return normalize_rows(x, *_affine(x, lengths, gamma, beta), epsilon=epsilon)
    else:
        out = standardize(x, axis=axis, epsilon=epsilon)
    if gamma is not None:
        out = out * _along(gamma, x, axis)
    return out if beta is None else out + _along(beta, x, axis)


def _affine(x: Array, lengths: Any, gamma: Any, beta: Any) -> tuple[Array, Array]:
    """Return a scale and an offset for the last axes, ones and zeros where there is none."""
    if gamma is None or beta is None:
        dtype = float_type_for(x.dtype)
        gamma = np.ones(lengths, dtype) if gamma is None else gamma
        beta = np.zeros(lengths, dtype) if beta is None else beta
    if gamma.shape == lengths == beta.shape:
        return gamma, beta
    return _fitted("gamma", gamma, lengths), _fitted("beta", beta, lengths)


def rms_normalization(
    x: Array, scale: Array | None = None, axis: Axes = -1, epsilon: float = 1e-7
) -> Array:
    """Divide each sample by its root mean square over `axis`, then multiply by `scale`.

    Parameters
    ----------
    scale : the lengths of `axis`, or what broadcasts against `x`.
    """
    lengths = _last_lengths(x, axis)
    if lengths is not None:
        whole = scale is None or getattr(scale, "shape", ()) == lengths
        factors, zeros = _affine(x, lengths, scale if whole else None, None)
        out = normalize_rows(x, factors, zeros, centered=False, epsilon=epsilon)
        return out if whole else out * scale
    out = x * rsqrt(mean_over(square(x), axis=axis, keepdims=True) + epsilon)
    return out if scale is None else out * _along(scale, x, axis)


__all__ = [
    "batch_normalization", "layer_normalization", "normalize_batch", "rms_normalization",
    "standardize",
]  # fmt: skip
