"""Convolutions of each channel by itself whose windows slide along a row without gaps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerscope.compiled import products, registers, room
from layerscope.compiled import sliding as loops
from layerscope.compiled.tasks import evenly
from layerscope.ops.windows import Windows, plane

Array = Any

#: Multiplications of a task, and how many tasks there are at most.
_TASK, _MOST = 2**19, 16


def _fits(windows: Windows, channels: int) -> bool:
    return (
        windows.spatial[0] == windows.out[0] == windows.size[0] == 1
        and windows.size[2] in loops.TAPS
        and windows.strides[2] == windows.dilation[2] == 1
        and max(windows.pads[2]) < windows.size[2]
        and min(windows.spatial[2], windows.out[2]) >= registers.ROWS
        and channels % registers.NARROW == 0
    )


def _laid(windows: Windows, turned: bool = False) -> loops.Windows:
    """Return how windows lie, or those of the transpose, as the loops take it."""
    (_, lines, taps), (_, stride, _), (_, dilation, _) = (
        windows.size,
        windows.strides,
        windows.dilation,
    )
    low_line, low = windows.pads[1][0], windows.pads[2][0]
    if turned:
        low_line, low = dilation * (lines - 1) - low_line, taps - 1 - low
    return low_line, low, stride, dilation, lines, taps


def correlated(
    image: Array, kernel: Array, windows: Windows, bias: Array | None = None
) -> Array | None:
    """Correlate every channel with its own kernel, of (1, height, width, channels).

    None: not here.
    """
    if not _fits(windows, image.shape[-1]):
        return None
    return _correlate(image, kernel[0], _laid(windows), windows.out, bias)


def spread(values: Array, kernel: Array, windows: Windows) -> Array | None:
    """Return the transpose of `correlated`: one with the kernel turned by half a turn."""
    if windows.strides[1] != 1 or not _fits(windows, values.shape[-1]):
        return None
    laid = _laid(windows, turned=True)
    return _correlate(values, kernel[0, ::-1, ::-1], laid, windows.spatial, None)


def kernel_gradient(image: Array, values: Array, windows: Windows) -> Array | None:
    """Sum over all windows of every channel's window times its value, in the kernel's shape.

    None: not here.
    """
    if not _fits(windows, image.shape[-1]):
        return None
    taps = math.prod(windows.size)
    parts = _tasks(values.size * taps, len(image) * windows.out[1])
    sums = room.empty((parts, taps, image.shape[-1]))
    loops.correlate_rows_kernel_gradient(parts, plane(image), _laid(windows), plane(values), sums)
    return np.add.reduce(sums, 0).reshape(*windows.size, -1)


def _tasks(multiplications: int, rows: int) -> int:
    """Return into how many parts to cut rows."""
    return evenly(min(multiplications // _TASK, rows, _MOST))


def _correlate(
    x: Array,
    kernel: Array,
    laid: loops.Windows,
    lengths: tuple[int, int, int],
    bias: Array | None,
) -> Array:
    lines, taps, channels = kernel.shape
    out = room.empty((len(x), *lengths, channels))
    first = products.beginning(channels, bias)
    panels = products.panels_of(kernel.reshape(lines * taps, channels))
    tasks = _tasks(out.size * lines * taps, len(x) * lengths[1])
    loops.correlate_rows(tasks, plane(x), laid, panels, first, plane(out))
    return out
