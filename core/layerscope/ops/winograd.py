"""Convolutions with kernels of 3 x 3 by Winograd's filtering, where that saves time.

What takes in something infinite or NaN, or overflows on the way, is not answered here: those whose
windows it is not in would be wrong, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import products, registers, room
from layerscope.compiled import winograd as loops
from layerscope.compiled.tasks import evenly
from layerscope.ops.windows import Windows, plane

Array = Any

#: A batch of tiles is to stay in a core's second cache, but to be some blocks of a product. For the
#: kernel's gradient it is the depth of a product, and the longer the better.
_BATCH_BYTES, _GRADIENT_BATCH_BYTES, _FEW = 192 * 2**10, 768 * 2**10, 2
#: Products for a window, and for all windows and one entry of the kernel, below which mapping takes
#: longer than it saves.
_OF_A_WINDOW, _OF_ALL = 2**9, 2**20
#: How many parts of a batch have sums of their own at most, and the windows that are worth some.
_PARTS, _PART = 8, 256


def fits(windows: Windows, batch: int, channels: int, filters: int) -> bool:
    """Return whether a convolution without groups is to be done here."""
    return (
        windows.size == (1, 3, 3)
        and windows.strides == windows.dilation == (1, 1, 1)
        and windows.spatial[0] == windows.out[0] == 1
        and not (channels % registers.NARROW or filters % registers.NARROW)
        and channels * filters >= _OF_A_WINDOW
        and batch * windows.count * channels * filters >= _OF_ALL
    )


def correlated(
    image: Array, kernel: Array, windows: Windows, bias: Array | None = None
) -> Array | None:
    """Product of every window with the kernel, as (batch, *windows, filters); None: not here."""
    if image.shape[-1] != kernel.shape[3] or not fits(windows, len(image), *kernel.shape[3:]):
        return None
    low = windows.pads[1][0], windows.pads[2][0]
    return _convolve(image, kernel[0], low, windows.out, bias)


def spread(
    values: Array, kernel: Array, windows: Windows, channels: int, bias: Array | None = None
) -> Array | None:
    """Sum of multiples of the kernel, one for every window, or None: not here.

    It is a convolution with the kernel turned by half a turn.
    """
    if channels != kernel.shape[3] or not fits(windows, len(values), *kernel.shape[3:]):
        return None
    low = 2 - windows.pads[1][0], 2 - windows.pads[2][0]
    turned = kernel[0, ::-1, ::-1].swapaxes(2, 3)
    return _convolve(values, turned, low, windows.spatial, bias)


def kernel_gradient(image: Array, values: Array, kernel: Array, windows: Windows) -> Array | None:
    """Sum over all windows of the window times its value, in the kernel's shape; None: not here."""
    channels, filters = kernel.shape[3:]
    if image.shape[-1] != channels or not fits(windows, len(image), channels, filters):
        return None
    at_once, pieces = _batches(len(image), channels, windows.out, _GRADIENT_BATCH_BYTES)
    parts = evenly(min(pieces, len(image) * windows.count // _PART, _PARTS))
    rows = products.whole_rows(channels)
    sums = room.empty((parts, loops.PLACES, rows, filters))
    low = windows.pads[1][0], windows.pads[2][0]
    loops.add_up(parts, plane(image), *low, plane(values), at_once, sums)
    grad = np.empty(kernel.shape[1:], np.float32)
    seen = np.zeros((min(channels, _PARTS), registers.NARROW), np.float32)
    loops.kernel_gradient(len(seen), sums, grad, seen)
    return None if np.isnan(seen).any() else grad.reshape(kernel.shape)


def _batches(
    batch: int, channels: int, out: tuple[int, int, int], size: int = _BATCH_BYTES
) -> tuple[int, int]:
    """Return how many tiles to work through together, and how many such batches there are."""
    tiles = -(-out[1] // 2) * -(-out[2] // 2)
    fitting = max(size // (4 * loops.PLACES * channels), _FEW * registers.ROWS)
    # All are to be as large, in whole blocks.
    at_once = products.whole_rows(-(-tiles // -(-tiles // fitting)))
    return at_once, batch * -(-tiles // at_once)


def _convolve(
    image: Array,
    kernel: Array,
    low: tuple[int, int],
    out: tuple[int, int, int],
    bias: Array | None,
) -> Array | None:
    channels, filters = kernel.shape[2:]
    at_once, tasks = _batches(len(image), channels, out)
    panels = room.empty((loops.PLACES * channels * filters,))
    loops.lay_out_kernel(min(channels, _PARTS), np.ascontiguousarray(kernel), panels)
    first = products.beginning(filters, bias)
    result = room.empty((len(image), *out[1:], filters))
    seen = np.zeros((tasks, registers.NARROW), np.float32)
    loops.convolve(tasks, plane(image), *low, panels, first, result, at_once, seen)
    return None if np.isnan(seen).any() else result.reshape(len(image), *out, filters)
