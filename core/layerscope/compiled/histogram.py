"""Counting values: their range and moments in one pass, their bins in another.

An array is looked at in equal parts, each with a row of its own in the result.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.tasks import in_parts
from layerscope.compiled.team import claim, shared

#: Values looked at together: what is not finite among so many is looked for only where it is.
_BLOCK = 1024
#: Ranges that are widened in turn.
_LANES = 64


@native(fastmath=vm.SUMMED)
def _moments(values: np.ndarray, shift: float) -> tuple[float, float]:
    """Sum the differences from a number, and their squares."""
    total, squares = 0.0, 0.0
    for k in range(values.size):
        difference = np.float64(values[k]) - shift
        total += difference
        squares += difference * difference
    return total, squares


@native()
def _widen(lows: np.ndarray, highs: np.ndarray, values: np.ndarray) -> None:
    """Take finite values into ranges, the values in turn: only so does it use vectors."""
    for begin in range(0, values.size - values.size % _LANES, _LANES):
        for lane in range(_LANES):
            value = values[begin + lane]
            lows[lane] = value if value < lows[lane] else lows[lane]
            highs[lane] = value if value > highs[lane] else highs[lane]
    for k in range(values.size - values.size % _LANES, values.size):
        lows[0] = min(lows[0], values[k])
        highs[0] = max(highs[0], values[k])


@native()
def _finite_first(values: np.ndarray, kept: np.ndarray) -> int:
    """Copy the finite values to the front of another array; return how many there are."""
    count = 0
    for value in values:
        # The difference of a number with itself is 0, of an infinity or NaN it is NaN.
        if value - value == 0.0:
            kept[count] = value
            count += 1
    return count


def _summary_reference(values: np.ndarray, shift: float, out: np.ndarray) -> None:
    for found, row in zip(in_parts(values, len(out)), out, strict=True):
        finite = found[np.isfinite(found)].astype(np.float64)
        row[...] = finite.size, np.inf, -np.inf, 0, 0
        if finite.size:
            row[1:3] = finite.min(), finite.max()
            row[3:] = (finite - shift).sum(), np.square(finite - shift).sum()


@shared(
    _summary_reference,
    types=("(i8, i8, f4[::1], f8, f8[:, ::1])", "(i8, i8, f8[::1], f8, f8[:, ::1])"),
)
def summary(board: int, tasks: int, values: np.ndarray, shift: float, out: np.ndarray) -> None:
    """Count the finite values of each part and sum them and their squares, less `shift`.

    Shapes: values (n,), C-contiguous; out (parts, 5) float64: number of finite values, smallest,
    largest, sum and sum of squares of the differences.
    """
    parts = len(out)
    kept = np.empty(_BLOCK, values.dtype)
    lows, highs = np.empty(_LANES, values.dtype), np.empty(_LANES, values.dtype)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            count = 0
            lows[:], highs[:] = np.inf, -np.inf
            total, squares = 0.0, 0.0
            end = start(values.size, part + 1, parts)
            for begin in range(start(values.size, part, parts), end, _BLOCK):
                block = values[begin : min(begin + _BLOCK, end)]
                first, second = _moments(block, shift)
                if first - first != 0.0:
                    block = kept[: _finite_first(block, kept)]
                    first, second = _moments(block, shift)
                _widen(lows, highs, block)
                count += block.size
                total += first
                squares += second
            out[part, 0], out[part, 1], out[part, 2] = count, lows.min(), highs.max()
            out[part, 3], out[part, 4] = total, squares
        task = claim(board, task, tasks)


@native()
def _places(values: np.ndarray, low: float, scale: float, bins: int, out: np.ndarray) -> None:
    """Write the bin of each value, beyond the last for what is not finite."""
    for k in range(values.size):
        value = np.float64(values[k])
        place = min(max((value - low) * scale, 0.0), bins - 1.0)
        out[k] = np.int32(place) if value - value == 0.0 else bins


def _count_reference(values: np.ndarray, low: float, high: float, counts: np.ndarray) -> None:
    bins = counts.shape[1]
    for found, row in zip(in_parts(values, len(counts)), counts, strict=True):
        finite = found[np.isfinite(found)].astype(np.float64)
        places = ((finite - low) * (bins / (high - low))).clip(0, bins - 1).astype(np.int64)
        row[...] = np.bincount(places, minlength=bins)


@shared(
    _count_reference,
    types=("(i8, i8, f4[::1], f8, f8, i8[:, ::1])", "(i8, i8, f8[::1], f8, f8, i8[:, ::1])"),
)
def count(
    board: int, tasks: int, values: np.ndarray, low: float, high: float, counts: np.ndarray
) -> None:
    """Count the finite values of each part in equal bins; those beyond the ends in the outermost.

    Shapes: values (n,), C-contiguous; counts (parts, bins) int64, written.
    """
    parts, bins = counts.shape
    scale = bins / (high - low)
    places = np.empty(_BLOCK, np.int32)
    # Rows in turn: runs of equal values would wait for each other's additions.
    rows = np.empty((4, bins + 1), np.int64)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            rows[:] = 0
            end = start(values.size, part + 1, parts)
            for begin in range(start(values.size, part, parts), end, _BLOCK):
                block = values[begin : min(begin + _BLOCK, end)]
                _places(block, low, scale, bins, places)
                for k in range(block.size):
                    rows[k & 3, places[k]] += 1
            for b in range(bins):
                counts[part, b] = rows[0, b] + rows[1, b] + rows[2, b] + rows[3, b]
        task = claim(board, task, tasks)
