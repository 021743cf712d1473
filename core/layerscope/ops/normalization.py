"""Values brought to mean zero and variance one, over a batch or within each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.compiled import normalization as compiled_normalization
from layerscope.ops import shapes
from layerscope.ops.elementwise import rsqrt, square
from layerscope.ops.manipulation import reshape
from layerscope.ops.operation import operation
from layerscope.ops.reductions import mean as mean_over
from layerscope.ops.reductions import var as variance_over
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
    """
    factor = rsqrt(variance + epsilon)
    if scale is not None:
        factor = factor * scale
    out = (x - _along(mean, x, axis)) * _along(factor, x, axis)
    return out if offset is None else out + _along(offset, x, axis)


def _normalize_batch_shape(
    x: Shape, scale: Shape, offset: Shape, axis: int = -1, epsilon: float = 1e-3
) -> list[Shape]:
    channels = (x[shapes.normalize_axis(axis, len(x))],)
    return [x, channels, channels]


def _rows(x: Array, axis: int, dtype: Any) -> Array:
    """`x` as a matrix with `axis` along its rows."""
    moved = np.moveaxis(x, axis, -1)
    return np.ascontiguousarray(moved, dtype).reshape(-1, moved.shape[-1])


def _unrows(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Undo `_rows`."""
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
    """
    rows = _rows(x, axis, scale.dtype)
    out = np.empty_like(rows)
    mean, variance = np.empty_like(rows, shape=rows.shape[1:]), np.empty_like(scale)
    compiled_normalization.standardize_columns(
        rows,
        np.ascontiguousarray(scale),
        np.ascontiguousarray(offset),
        float(epsilon),
        out,
        mean,
        variance,
    )
    return _unrows(out, x.shape, axis), mean, variance


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
    grad_x, grad_scale, grad_offset = np.empty_like(rows), np.empty_like(mean), np.empty_like(mean)
    compiled_normalization.standardize_columns_gradient(
        _rows(grad, axis, scale.dtype),
        np.ascontiguousarray(grad_mean, scale.dtype),
        np.ascontiguousarray(grad_variance, scale.dtype),
        rows,
        np.ascontiguousarray(scale),
        float(epsilon),
        mean,
        variance,
        grad_x,
        grad_scale,
        grad_offset,
    )
    return _unrows(grad_x, x.shape, axis), grad_scale, grad_offset


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
    """
    if rms_scaling:
        out = x * rsqrt(variance_over(x, axis=axis, keepdims=True) + epsilon)
    else:
        out = standardize(x, axis=axis, epsilon=epsilon)
    if gamma is not None:
        out = out * _along(gamma, x, axis)
    return out if beta is None else out + _along(beta, x, axis)


def rms_normalization(
    x: Array, scale: Array | None = None, axis: Axes = -1, epsilon: float = 1e-7
) -> Array:
    """Divide each sample by its root mean square over `axis`, then multiply by `scale`."""
    out = x * rsqrt(mean_over(square(x), axis=axis, keepdims=True) + epsilon)
    return out if scale is None else out * _along(scale, x, axis)


__all__ = [
    "batch_normalization", "layer_normalization", "normalize_batch", "rms_normalization",
    "standardize",
]  # fmt: skip
