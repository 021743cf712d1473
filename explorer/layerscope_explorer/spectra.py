"""Singular values of a weight, and those that chance would give."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["chance_singular_values", "singular_values"]

Float64Array = NDArray[np.float64]

#: Larger matrices would take longer to decompose than a person waits.
_LARGEST_SIDE = 512
_POINTS = 2001


def singular_values(weight: NDArray[np.floating]) -> Float64Array | None:
    """Return the singular values of a weight as a matrix (inputs, outputs), largest first.

    None for a vector, for what is not finite, and for matrices too large to wait for.
    """
    if weight.ndim < 2:
        return None
    matrix = weight.reshape(-1, weight.shape[-1])
    if min(matrix.shape) > _LARGEST_SIDE or not matrix.size or not np.isfinite(matrix).all():
        return None
    if matrix.shape[0] > 4 * matrix.shape[1] or matrix.shape[1] > 4 * matrix.shape[0]:
        # Of a long matrix the small square of it has the same values, squared.
        small = matrix.T @ matrix if matrix.shape[0] > matrix.shape[1] else matrix @ matrix.T
        squares = np.linalg.eigvalsh(small.astype(np.float64))[::-1]
        return np.sqrt(np.maximum(squares, 0.0))
    return np.linalg.svd(matrix, compute_uv=False).astype(np.float64)


def chance_singular_values(shape: tuple[int, int], std: float) -> Float64Array:
    """Return the singular values to be expected of independent entries, largest first.

    Quantiles of the law of Marchenko and Pastur (1967) for the squares, divided by the longer
    side and the variance: on ((1 - √r)², (1 + √r)²), with r the shorter side over the longer, the
    density is proportional to √((b - x)(x - a)) / x.
    """
    short, long = sorted(shape)
    ratio = short / long
    low, high = (1.0 - math.sqrt(ratio)) ** 2, (1.0 + math.sqrt(ratio)) ** 2
    # Points that are dense at both ends, where the density rises steeply.
    angle = np.linspace(0.0, math.pi, _POINTS)
    x = low + (high - low) * 0.5 * (1.0 - np.cos(angle))
    middle = 0.5 * (x[1:] + x[:-1])
    density = np.sqrt(np.maximum((high - middle) * (middle - low), 0.0)) / np.maximum(middle, 1e-30)
    reached = np.concatenate(([0.0], np.cumsum(density * np.diff(x))))
    reached /= reached[-1]
    shares = (np.arange(short)[::-1] + 0.5) / short
    return std * math.sqrt(long) * np.sqrt(np.interp(shares, reached, x))
