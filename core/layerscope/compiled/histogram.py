"""Counting values: their range and moments in one pass, their bins in another."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _summary_reference(values: np.ndarray, out: np.ndarray) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    out[0] = finite.size
    if finite.size:
        out[1], out[2] = finite.min(), finite.max()
        shifted = finite - out[5]
        out[3], out[4] = shifted.sum(), np.square(shifted).sum()


@compiled(_summary_reference, types=("(f4[::1], f8[::1])", "(f8[::1], f8[::1])"))
def summary(values: np.ndarray, out: np.ndarray) -> None:
    """Count the finite values and sum them and their squares, less ``out[5]``.

    Shapes: values (n,), C-contiguous; out (6,) float64: number of finite values, smallest,
    largest, sum and sum of squares of the differences from ``out[5]``, which is read.
    """
    shift = out[5]
    count = 0
    low, high = np.inf, -np.inf
    total, squares = 0.0, 0.0
    for k in range(values.size):
        value = np.float64(values[k])
        # The difference of a number with itself is 0, of an infinity or NaN it is NaN.
        if value - value == 0.0:
            count += 1
            low = min(low, value)
            high = max(high, value)
            difference = value - shift
            total += difference
            squares += difference * difference
    out[0] = count
    if count:
        out[1] = low
        out[2] = high
        out[3] = total
        out[4] = squares


def _count_reference(values: np.ndarray, low: float, high: float, counts: np.ndarray) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    bins = counts.size
    places = ((finite - low) * (bins / (high - low))).clip(0, bins - 1).astype(np.int64)
    counts += np.bincount(places, minlength=bins)


@compiled(_count_reference, types=("(f4[::1], f8, f8, i8[::1])", "(f8[::1], f8, f8, i8[::1])"))
def count(values: np.ndarray, low: float, high: float, counts: np.ndarray) -> None:
    """Count the finite values in equal bins; those beyond the ends in the outermost.

    Shapes: values (n,), C-contiguous; counts (bins,) int64, added to.
    """
    bins = counts.size
    scale = bins / (high - low)
    # Two rows in turn: runs of equal values would wait for each other's additions.
    twice = np.zeros((2, bins), np.int64)
    for k in range(values.size):
        value = np.float64(values[k])
        if value - value == 0.0:
            place = (value - low) * scale
            if place < 0.0:
                place = 0.0
            elif place > bins - 1:
                place = np.float64(bins - 1)
            twice[k & 1, int(place)] += 1
    for b in range(bins):
        counts[b] += twice[0, b] + twice[1, b]
