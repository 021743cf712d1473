"""Pooling over windows of one, two or three spatial axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from layerscope.compiled import pooling as compiled_pooling
from layerscope.compiled import room
from layerscope.compiled.tasks import tasks_of
from layerscope.config import float_type_for
from layerscope.ops import layout, shapes
from layerscope.ops.operation import float_result, operation
from layerscope.ops.windows import restore, volume
from layerscope.tensor import Shape

Array = Any
Lengths = int | Sequence[int]


def _pool_shape(
    x: Shape,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Shape:
    _check_rank(x)
    first = layout.channels_first(data_format)
    spatial = x[2:] if first else x[1:-1]
    size, stride = _size_and_stride(pool_size, strides, len(spatial))
    out = shapes.windows(spatial, size, stride, padding)
    if any(length == 0 and given != 0 for length, given in zip(out, spatial, strict=True)):
        raise shapes.ShapeError(
            f"Computed output size would be zero or negative. Received: input shape {x}, "
            f"pool_size={size}, strides={stride}, padding={padding!r}."
        )
    return (x[0], x[1], *out) if first else (x[0], *out, x[-1])


def _check_rank(x: Shape) -> None:
    if not 3 <= len(x) <= 5:
        raise shapes.ShapeError(
            "Pooling takes (batch, length, channels), (batch, height, width, channels) or (batch, "
            f"depth, height, width, channels). Received shape {x}."
        )


def _size_and_stride(
    pool_size: Lengths, strides: Lengths | None, rank: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    size = layout.per_axis(pool_size, rank)
    return size, size if strides is None else layout.per_axis(strides, rank)


def _volume(x: Array, data_format: str | None) -> Array:
    """Return images or sequences as contiguous volumes, channels last."""
    return np.ascontiguousarray(volume(x, data_format))


class _Windows:
    """Where the windows of one pooling lie in a volume.

    Attributes
    ----------
    shape : of a value for each window, as a volume.
    places : size, stride and padding before, as the loops take them.
    tasks : into how many the loops are cut.
    """

    def __init__(
        self,
        volume: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str,
    ) -> None:
        unit = (1,) * (3 - len(size))
        size, stride = (*unit, *size), (*unit, *stride)
        low = tuple(
            shapes.window_padding(length, size_, stride_, padding)[0]
            for length, size_, stride_ in zip(volume[1:4], size, stride, strict=True)
        )
        out = shapes.windows(volume[1:4], size, stride, padding)
        self.volume = volume
        self.shape = (volume[0], *(length or 0 for length in out), volume[-1])
        self.places = size, stride, low
        self.tasks = min(tasks_of(math.prod(volume)), max(math.prod(self.shape[:3]), 1))

    def empty_volume(self, dtype: Any) -> Array:
        """Return room for the gradient of the volume, zeros if there is no window to fill it."""
        return (room.empty if math.prod(self.shape) else np.zeros)(self.volume, dtype)


def _windows_over(
    volume: tuple[int, ...],
    rank: int,
    pool_size: Lengths,
    strides: Lengths | None,
    padding: str,
) -> _Windows:
    return _windows(volume, rank, layout.hashable(pool_size), layout.hashable(strides), padding)


@lru_cache(maxsize=256)
def _windows(
    volume: tuple[int, ...],
    rank: int,
    pool_size: int | tuple[int, ...],
    strides: int | tuple[int, ...] | None,
    padding: str,
) -> _Windows:
    return _Windows(volume, *_size_and_stride(pool_size, strides, rank), padding)


@operation(_pool_shape)
def max_pool(
    x: Array,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Maximum over windows; padding never wins, the first of equal values does.

    As in Keras, there is nothing along an axis that no window fits in, which is refused where only
    shapes are known.

    Parameters
    ----------
    x : (batch, one to three spatial axes, channels), or channels second for ``"channels_first"``.
    pool_size, strides : one number, or one per spatial axis; strides None: the pool size.
    padding : ``"valid"`` or ``"same"``.
    """
    _check_rank(x.shape)
    image = _volume(x, data_format)
    windows = _windows_over(image.shape, x.ndim - 2, pool_size, strides, padding)
    out = room.empty(windows.shape, x.dtype)
    if out.size:
        compiled_pooling.max_pool(windows.tasks, image, out, *windows.places)
    return restore(out, x.ndim - 2, data_format)


@max_pool.joint_gradient
def _max_pool_gradient(
    g: Array,
    out: Array,
    x: Array,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> tuple[Array]:
    grad_out, best, image = [_volume(one, data_format) for one in (g, out, x)]
    windows = _windows_over(image.shape, x.ndim - 2, pool_size, strides, padding)
    grad = windows.empty_volume(grad_out.dtype)
    compiled_pooling.max_pool_gradient(windows.tasks, grad_out, best, image, grad, *windows.places)
    return (restore(grad, x.ndim - 2, data_format),)


@operation(_pool_shape, dtype=float_result)
def average_pool(
    x: Array,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Mean over windows; padding does not count.

    Where no window fits in, the result is that of `max_pool`.

    Parameters
    ----------
    x : (batch, one to three spatial axes, channels), or channels second for ``"channels_first"``.
    pool_size, strides : one number, or one per spatial axis; strides None: the pool size.
    padding : ``"valid"`` or ``"same"``.
    """
    _check_rank(x.shape)
    image = _volume(x.astype(float_type_for(x.dtype), copy=False), data_format)
    windows = _windows_over(image.shape, x.ndim - 2, pool_size, strides, padding)
    out = room.empty(windows.shape, image.dtype)
    if out.size:
        compiled_pooling.average_pool(windows.tasks, image, out, *windows.places)
    return restore(out, x.ndim - 2, data_format)


@average_pool.joint_gradient
def _average_pool_gradient(
    g: Array,
    out: Array,
    x: Array,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> tuple[Array]:
    grad_out = _volume(g, data_format)
    windows = _windows_over(volume(x, data_format).shape, x.ndim - 2, pool_size, strides, padding)
    grad = windows.empty_volume(grad_out.dtype)
    compiled_pooling.average_pool_gradient(windows.tasks, grad_out, grad, *windows.places)
    return (restore(grad, x.ndim - 2, data_format),)
