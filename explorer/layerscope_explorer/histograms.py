"""Histograms of any array a layer can produce: quick, deterministic and never misleading."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerscope.compiled import histogram as counting
from layerscope.compiled.team import is_shared_loop_ready
from layerscope_explorer.snapshot import Histogram

__all__ = ["compile_loops", "histogram"]

_LARGEST = float(np.finfo(np.float32).max) / 8.0
# Below this, 60 float32 edges of a view could no longer be told apart or inverted.
_SMALLEST = 1e-30
_RELATIVE_SMALLEST = 1e-4
_FEWEST_BINS = 12
# Beyond this, float32 edges cannot stand half way between two integers.
_LARGEST_COUNTED = 2.0**22


def histogram(
    array: ArrayLike, bins: int = 60, limit: int | None = None, seed: int = 0
) -> Histogram:
    """Bin the finite values of an array: all of them, up to ten million.

    Of a larger array `limit` values are looked at, one at a random position in each of as many
    equal stretches, so that periodic data cannot alias; the same array and `seed` always give the
    same histogram. The view is the data's range, or, when a few values lie very far out, the range
    of the rest: the far values are then counted in the outermost bins, so the area stays 1.

    Parameters
    ----------
    array
        Any shape; numbers or booleans.
    bins
        The most bins to use. Few values get fewer, so that chance alone does not make the
        picture ragged (1.2 times the square root of their number, at least 12); integers that span
        fewer values get one bin per value.
    limit
        How many values to look at; by default ten million, or fewer as long as the counting loops
        are not compiled (see `compile_loops`).
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
    if sample.dtype != np.float32 and sample.dtype != np.float64:
        sample = sample.astype(np.float64)
    if limit is None:
        limit = _MOST if _is_compiled(sample.dtype) else _MOST_IN_NUMPY
    if count > limit:
        sample = sample[_positions(count, limit, seed)]
    sample = np.ascontiguousarray(sample)
    sampled = sample.size
    finite, low, high, mean, std = _summary(sample)
    nonfinite = sampled - finite
    if not finite:
        nothing = np.zeros(bins, dtype=np.float32)
        edges = np.linspace(-1.0, 1.0, bins + 1, dtype=np.float32)
        nan = float("nan")
        return Histogram(nothing, edges, nan, nan, nan, nan, count, sampled, nonfinite)
    if whole and max(abs(low), abs(high)) < _LARGEST_COUNTED:
        edges = _whole_edges(low, high, bins)
    else:
        edges = _edges(sample, low, high, std, bins)
    counts = _densities(sample, edges, finite)
    return Histogram(
        counts, edges.astype(np.float32), mean, std, low, high, count, sampled, nonfinite
    )


#: Values that are all looked at, with the loops compiled and without.
_MOST, _MOST_IN_NUMPY = 10_000_000, 200_000


def compile_loops() -> None:
    """Compile the counting loops, or have them compiled: then large arrays are counted exactly."""
    for kind in (np.float32, np.float64):
        _is_compiled(np.dtype(kind))


#: Fewer values take about as long as calling another thread.
_WORTH_A_PART = 250_000

#: Types of arrays that were found ready. Asking Numba takes as long as counting a layer.
_READY: set[str] = set()


def _is_compiled(dtype: np.dtype[Any]) -> bool:
    """Tell whether the loops are ready for arrays of this type, or will never be compiled."""
    if dtype.char not in _READY:
        values = np.zeros(2, dtype)
        counts, moments = np.zeros((1, 3), np.int64), np.zeros((1, 5))
        summing = is_shared_loop_ready(counting.summary, values, 0.0, moments)
        if not (is_shared_loop_ready(counting.count, values, -1.0, 1.0, counts) and summing):
            return False
        _READY.add(dtype.char)
    return True


def _parts(sample: NDArray[Any]) -> int:
    """Return into how many parts to cut an array that several threads count."""
    return min(max(sample.size // _WORTH_A_PART, 1), 64)


def _summary(sample: NDArray[Any]) -> tuple[int, float, float, float, float]:
    """Return the number of finite values, the smallest, the largest, mean and deviation."""
    # Sums of differences from a value of the data keep their digits where it is far from zero.
    near = next((float(one) for one in sample[:64] if np.isfinite(one)), 0.0)
    parts = np.empty((_parts(sample), 5))
    with np.errstate(all="ignore"):
        counting.summary(len(parts), sample, near, parts)
        finite = int(parts[:, 0].sum())
        if not finite:
            return 0, math.nan, math.nan, math.nan, math.nan
        low, high = float(parts[:, 1].min()), float(parts[:, 2].max())
        if low == high:
            return finite, low, high, low, 0.0
        first, second = parts[:, 3:].sum(0) / finite
        mean, variance = near + first, second - first * first
    if not math.isfinite(mean + variance):
        mean, variance = _scaled_moments(sample, max(abs(low), abs(high)))
    return finite, low, high, float(mean), math.sqrt(max(float(variance), 0.0))


def _scaled_moments(sample: NDArray[Any], scale: float) -> tuple[float, float]:
    """Return mean and variance of values whose squares are too large for float64."""
    scaled = sample[np.isfinite(sample)].astype(np.float64) / scale
    deviation = min(float(scaled.std()) * scale, 1e150)
    return float(scaled.mean()) * scale, deviation * deviation


@lru_cache(maxsize=16)
def _positions(count: int, limit: int, seed: int) -> NDArray[np.intp]:
    """Return one random position in each of `limit` equal stretches of `count` values."""
    jitter = np.random.default_rng(seed).random(limit)
    positions = ((np.arange(limit) + jitter) * (count / limit)).astype(np.intp)
    positions = np.minimum(positions, count - 1)
    positions.flags.writeable = False
    return positions


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
    some = some[np.isfinite(some)]
    if not some.size:
        return low, high
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
    # Of a large array some will do: only the view depends on it.
    thinned = sample[:: max(1, sample.size // 200_000)]
    near = thinned[(thinned >= bottom) & (thinned <= top)]
    if not near.size:
        return low, high
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
    sample: NDArray[Any], edges: NDArray[np.floating[Any]], finite: int
) -> NDArray[np.float32]:
    bins = edges.size - 1
    first, last = float(edges[0]), float(edges[-1])
    parts = np.empty((_parts(sample), bins), np.int64)
    with np.errstate(all="ignore"):
        counting.count(len(parts), sample, first, last, parts)
    return (parts.sum(0) * (bins / (last - first) / finite)).astype(np.float32)
