"""Convolutions of each channel by itself whose windows slide along a row without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import products, registers, room
from layerscope.compiled import sliding as loops
from layerscope.ops.windows import Windows

Array = Any

#: Multiplications of a task, and how many tasks there are at most.
_TASK, _MOST = 2**19, 16


def _fits(windows: Windows, channels: int) -> bool:
    columns = windows.out[2] if windows.spatial[2] > windows.out[2] else windows.spatial[2]
    return (
        windows.spatial[0] == windows.out[0] == windows.size[0] == 1
        and windows.size[2] in loops.TAPS
        and windows.strides[2] == windows.dilation[2] == 1
        and max(windows.pads[2]) < windows.size[2]
        and columns >= registers.ROWS
        and channels % registers.NARROW == 0
    )


def correlated(
    image: Array, kernel: Array, windows: Windows, bias: Array | None = None
) -> Array | None:
    """Correlate every channel with its own kernel, of (1, height, width, channels).

    None: not here.
    """
    if not _fits(windows, image.shape[-1]):
        return None
    lows = windows.pads[1][0], windows.pads[2][0]
    return _correlate(image, kernel[0], lows, windows.strides[1], windows, windows.out, bias)


def spread(values: Array, kernel: Array, windows: Windows) -> Array | None:
    """Return the transpose of `correlated`: one with the kernel turned by half a turn."""
    if windows.strides[1] != 1 or not _fits(windows, values.shape[-1]):
        return None
    _, lines, taps = windows.size
    low_line = windows.dilation[1] * (lines - 1) - windows.pads[1][0]
    lows = low_line, taps - 1 - windows.pads[2][0]
    return _correlate(values, kernel[0, ::-1, ::-1], lows, 1, windows, windows.spatial, None)


def kernel_gradient(image: Array, values: Array, windows: Windows) -> Array | None:
    """Sum over all windows of every channel's window times its value, in the kernel's shape.

    None: not here.
    """
    if not _fits(windows, image.shape[-1]):
        return None
    _, lines, taps = windows.size
    lows = windows.pads[1][0], windows.pads[2][0]
    parts = _tasks(values.size * lines * taps, len(image) * windows.out[1])
    sums = room.empty((parts, lines * taps, image.shape[-1]))
    loops.correlate_rows_kernel_gradient(
        parts,
        _flat(image),
        *lows,
        windows.strides[1],
        windows.dilation[1],
        _flat(values),
        lines,
        taps,
        sums,
    )
    return np.add.reduce(sums, 0).reshape(*windows.size, -1)


def _flat(x: Array) -> Array:
    """Return a volume of one plane without that axis."""
    return np.ascontiguousarray(x).reshape(len(x), *x.shape[2:])


def _tasks(multiplications: int, rows: int) -> int:
    """Return into how many parts to cut rows: an even number, of equally many rows if possible."""
    tasks = max(1, min(multiplications // _TASK, rows, _MOST))
    return tasks - tasks % 2 if tasks > 1 else 1


def _correlate(
    x: Array,
    kernel: Array,
    lows: tuple[int, int],
    stride: int,
    windows: Windows,
    lengths: tuple[int, int, int],
    bias: Array | None,
) -> Array:
    lines, taps, channels = kernel.shape
    out = room.empty((len(x), *lengths, channels))
    first = np.zeros(channels + registers.WIDE, np.float32)
    if bias is not None:
        first[:channels] = bias
    panels = products.panels_of(kernel.reshape(lines * taps, channels))
    loops.correlate_rows(
        _tasks(out.size * lines * taps, len(x) * lengths[1]),
        _flat(x),
        *lows,
        stride,
        windows.dilation[1],
        panels,
        lines,
        taps,
        first,
        _flat(out),
    )
    return out
