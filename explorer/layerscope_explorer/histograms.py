"""Histograms of any array a layer can produce: quick, deterministic and never misleading."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerscope_explorer.snapshot import Histogram

__all__ = ["histogram"]

_LARGEST = float(np.finfo(np.float32).max) / 8.0
# Below this, 60 float32 edges of a view could no longer be told apart or inverted.
_SMALLEST = 1e-30
_RELATIVE_SMALLEST = 1e-4
_FEWEST_BINS = 12
# Beyond this, float32 edges cannot stand half way between two integers.
_LARGEST_COUNTED = 2.0**22


def histogram(array: ArrayLike, bins: int = 60, limit: int = 50_000, seed: int = 0) -> Histogram:
    """Bin the finite values of an array, at most `limit` of them.

    The same array, `limit` and `seed` always give the same histogram. A larger array is sampled
    evenly: one random position in each of `limit` equal stretches, so periodic data cannot alias.
    The view is the data's range, or, when a few values lie very far out, the range of the rest:
    the far values are then counted in the outermost bins, so the area stays 1.

    Parameters
    ----------
    array
        Any shape; numbers or booleans.
    bins
        The most bins to use. Few values get fewer, so that chance alone does not make the
        picture ragged (1.2 times the square root of their number, at least 12); integers that span
        fewer values get one bin per value.
    limit
        How many values to look at.
    seed
        Chooses the sampled positions.

    Returns
    -------
    Histogram
        Mean, std, low and high are those of the sampled finite values (before any clipping to
        the view), NaN when there is none; `counts` is then all zero.
    """
    values = np.asarray(array)
    count = values.size
    whole = values.dtype.kind in "iub"
    sample = values.reshape(-1)
    if count > limit:
        sample = sample[_positions(count, limit, seed)]
    sampled = sample.size
    if sample.dtype != np.float32 and sample.dtype != np.float64:
        sample = sample.astype(np.float64)
    finite = np.isfinite(sample)
    nonfinite = 0
    if not finite.all():
        sample = sample[finite]
        nonfinite = sampled - sample.size
    if not sample.size:
        nothing = np.zeros(bins, dtype=np.float32)
        edges = np.linspace(-1.0, 1.0, bins + 1, dtype=np.float32)
        nan = float("nan")
        return Histogram(nothing, edges, nan, nan, nan, nan, count, sampled, nonfinite)
    low, high = float(sample.min()), float(sample.max())
    mean, std = _moments(sample, low, high)
    if whole and max(abs(low), abs(high)) < _LARGEST_COUNTED:
        edges = _whole_edges(low, high, bins)
    else:
        edges = _edges(sample, low, high, std, bins)
    counts = _densities(sample, edges, low, high)
    return Histogram(
        counts, edges.astype(np.float32), mean, std, low, high, count, sampled, nonfinite
    )


@lru_cache(maxsize=16)
def _positions(count: int, limit: int, seed: int) -> NDArray[np.intp]:
    """Return one random position in each of `limit` equal stretches of `count` values."""
    jitter = np.random.default_rng(seed).random(limit)
    positions = ((np.arange(limit) + jitter) * (count / limit)).astype(np.intp)
    positions = np.minimum(positions, count - 1)
    positions.flags.writeable = False
    return positions


def _moments(sample: NDArray[Any], low: float, high: float) -> tuple[float, float]:
    if low == high:
        return low, 0.0
    # Scaled, because squares of a diverging float32 layer overflow long before the values do.
    scale = max(abs(low), abs(high))
    scaled = sample.astype(np.float64) / scale
    return float(scaled.mean()) * scale, float(scaled.std()) * scale


def _whole_edges(low: float, high: float, bins: int) -> NDArray[np.floating[Any]]:
    """Return edges half way between integers, each bin holding equally many of them."""
    span = high - low + 1.0
    width = max(1.0, np.ceil(span / bins))
    n_bins = int(np.ceil(span / width))
    return low - 0.5 + width * np.arange(n_bins + 1)


def _edges(
    sample: NDArray[Any], low: float, high: float, std: float, bins: int
) -> NDArray[np.floating[Any]]:
    if high - low > 12.0 * std or sample.size < 1000:
        low, high = _without_stragglers(sample, low, high)
    low, high = (min(max(end, -_LARGEST), _LARGEST) for end in (low, high))
    magnitude = max(abs(low), abs(high))
    narrowest = max(_RELATIVE_SMALLEST * magnitude, _SMALLEST)
    if high - low < narrowest:
        return _edges_around(0.5 * (low + high), bins)
    low, high = _tidy(low, high)
    enough = max(_FEWEST_BINS, math.ceil(1.2 * math.sqrt(sample.size)))
    return np.linspace(low, high, min(bins, enough) + 1)


def _without_stragglers(sample: NDArray[Any], low: float, high: float) -> tuple[float, float]:
    """Return a view that leaves out values so far away that they would flatten all others.

    Tukey's fences, eight quartile ranges out (an exponential's tail stays in), but never more
    than half a per cent of the values on each side. A gap remains before the outermost bin, so
    that it reads as "further out" and not as part of the others.
    """
    some = sample[:: max(1, sample.size // 4096)].astype(np.float64)
    last = some.size - 1
    ranks = [int(last * q) for q in (0.005, 0.25, 0.75, 0.995)]
    ordered = np.partition(some, ranks)
    bottom, first, third, top = (float(ordered[rank]) for rank in ranks)
    reach = 8.0 * (third - first)
    if reach <= 0.0:
        return low, high
    bottom, top = min(first - reach, bottom), max(third + reach, top)
    if bottom <= low and top >= high:
        return low, high
    near = sample[(sample >= bottom) & (sample <= top)]
    nearest, furthest = float(near.min()), float(near.max())
    gap = 0.15 * (furthest - nearest)
    return max(low, bottom, nearest - gap), min(high, top, furthest + gap)


def _edges_around(value: float, bins: int) -> NDArray[np.floating[Any]]:
    """Return edges that put a constant in the middle of the middle bin."""
    half = 0.5 * abs(value) if abs(value) > _SMALLEST else 0.5
    width = 2.0 * half / bins
    return value + width * (np.arange(bins + 1) - bins // 2 - 0.5)


def _tidy(low: float, high: float) -> tuple[float, float]:
    """Round a view outward to a 1, 2 or 5 step of about a two-hundredth of its span.

    Bins then stay where they are while training moves the extremes a little.
    """
    target = (high - low) / 200.0
    power = 10.0 ** np.floor(np.log10(target))
    step = power * next(factor for factor in (5.0, 2.0, 1.0) if factor * power <= target * 1.0001)
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step)


def _densities(
    sample: NDArray[Any], edges: NDArray[np.floating[Any]], low: float, high: float
) -> NDArray[np.float32]:
    n_bins = edges.size - 1
    first, last = float(edges[0]), float(edges[-1])
    if low < first or high > last:
        sample = np.clip(sample, first, last)
    per_unit = n_bins / (last - first)
    index = ((sample - first) * per_unit).astype(np.intp)
    np.clip(index, 0, n_bins - 1, out=index)
    tally = np.bincount(index, minlength=n_bins)
    return (tally * (per_unit / sample.size)).astype(np.float32)
