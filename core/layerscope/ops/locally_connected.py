"""Convolution with a kernel of its own for every window, over one to three spatial axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.ops import layout, shapes
from layerscope.ops.conv import finished, spatial_lengths
from layerscope.ops.operation import operation
from layerscope.ops.windows import Windows, restore, volume
from layerscope.tensor import Shape

Array = Any


def _locally_connected_shape(
    x: Shape,
    kernel: Shape,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    data_format: str | None = None,
) -> Shape:
    rank = len(x) - 2
    if rank not in (1, 2, 3) or len(kernel) != 3:
        raise shapes.ShapeError(
            "`locally_connected` takes an input (batch, *spatial, channels) with one to three "
            "spatial axes and a kernel (windows, entries of a window, filters). Received shapes "
            f"{x} and {kernel}."
        )
    size = layout.per_axis(kernel_size, rank)
    spatial = spatial_lengths(x, data_format)
    out = shapes.windows(spatial, size, layout.per_axis(strides, rank), "valid")
    result = finished("locally_connected", x, kernel, out, int(kernel[-1] or 0), data_format)
    channels = x[1] if layout.channels_first(data_format) else x[-1]
    known = [length for length in out if length is not None]
    if channels is not None and len(known) == rank:
        needed = (math.prod(known), math.prod(size) * channels)
        if kernel[:2] != needed:
            raise shapes.ShapeError(
                f"An input of shape {x} has {needed[0]} windows of {needed[1]} entries, for which "
                f"the kernel must have shape ({needed[0]}, {needed[1]}, filters). Received: "
                f"kernel shape {kernel}."
            )
    return result


@operation(_locally_connected_shape, inputs=2)
def locally_connected(
    x: Array,
    kernel: Array,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    data_format: str | None = None,
) -> Array:
    """Product of every window with a matrix of its own, without padding.

    Parameters
    ----------
    x : (batch, *spatial, channels) with one to three spatial axes, or channels second for
        ``"channels_first"``; `data_format` None means the ambient setting.
    kernel : (windows, entries of a window, filters), both in row-major order. The entries are
        (*kernel_size, channels), or (channels, *kernel_size) for ``"channels_first"``.
    kernel_size, strides : one number, or one per spatial axis.

    Returns
    -------
    (batch, *windows, filters), or filters second.
    """
    return _forward(x, kernel, kernel_size, strides, data_format)[0]


@locally_connected.saving
def _forward(
    x: Array,
    kernel: Array,
    kernel_size: Any,
    strides: Any = 1,
    data_format: str | None = None,
) -> tuple[Array, Array]:
    """Return the output and the windows, (windows, batch, entries)."""
    _locally_connected_shape(x.shape, kernel.shape, kernel_size, strides, data_format)
    windows = _windows(x, kernel_size, strides, data_format)
    patches = windows.patches(volume(x, data_format))
    if layout.channels_first(data_format):
        patches = np.moveaxis(patches, -1, 4)
    rows = patches.reshape(len(x), *kernel.shape[:2]).swapaxes(0, 1)
    out = (rows @ kernel).swapaxes(0, 1).reshape(len(x), *windows.out, kernel.shape[-1])
    return restore(out, x.ndim - 2, data_format), rows


@locally_connected.joint_gradient
def _gradient(
    g: Array,
    out: Array,
    x: Array,
    kernel: Array,
    saved: Array,
    kernel_size: Any,
    strides: Any = 1,
    data_format: str | None = None,
) -> tuple[Array, Array]:
    windows = _windows(x, kernel_size, strides, data_format)
    grads = volume(g, data_format).reshape(len(x), len(kernel), kernel.shape[-1]).swapaxes(0, 1)
    rows = (grads @ kernel.swapaxes(1, 2)).swapaxes(0, 1)
    channels = kernel.shape[1] // math.prod(windows.size)
    if layout.channels_first(data_format):
        patches = rows.reshape(len(x), *windows.out, channels, *windows.size)
        patches = np.moveaxis(patches, 4, -1)
    else:
        patches = rows.reshape(len(x), *windows.out, *windows.size, channels)
    grad = restore(windows.sum_patches(patches), x.ndim - 2, data_format)
    return grad, saved.swapaxes(1, 2) @ grads


def _windows(x: Array, kernel_size: Any, strides: Any, data_format: str | None) -> Windows:
    spatial: Any = spatial_lengths(x.shape, data_format)
    size = layout.per_axis(kernel_size, len(spatial))
    return Windows.over(spatial, size, strides, "valid", 1)
