"""A small batch brought to mean zero and variance one, and the way back, in one call each.

Loops of `layerscope.compiled.normalization`, which threads share, take their sums apart: for a few
hundred entries the steps between would take longer. Sums are kept in double precision.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _standardize_reference(
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    epsilon: float,
    out: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> None:
    with np.errstate(invalid="ignore"):
        mean[:] = x.sum(0, dtype=np.float64) / np.float64(len(x))
        variance[:] = np.square(x - mean, dtype=np.float64).sum(0) / np.float64(len(x))
    factor = (scale / np.sqrt(variance + np.float64(epsilon))).astype(x.dtype)
    np.multiply(x - mean, factor, out=out)
    out += offset


@compiled(_standardize_reference)
def standardize_columns(
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    epsilon: float,
    out: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Compute ``(x - mean) / sqrt(variance + epsilon) * scale + offset`` for each column.

    Shapes: x and out (n, c), C-contiguous; scale, offset, mean and (biased)
    variance (c,). The last three are written.
    """
    n, channels = x.shape
    total = np.zeros(channels, np.float64)
    for i in range(n):
        for c in range(channels):
            total[c] += x[i, c]
    for c in range(channels):
        mean[c] = total[c] / n
        total[c] = 0.0
    for i in range(n):
        for c in range(channels):
            distance = np.float64(x[i, c] - mean[c])
            total[c] += distance * distance
    factor = np.empty_like(mean)
    for c in range(channels):
        variance[c] = total[c] / n
        factor[c] = scale[c] / np.sqrt(np.float64(variance[c]) + epsilon)
    for i in range(n):
        for c in range(channels):
            out[i, c] = (x[i, c] - mean[c]) * factor[c] + offset[c]


def _standardize_gradient_reference(
    grad_out: np.ndarray,
    grad_mean: np.ndarray,
    grad_variance: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    epsilon: float,
    mean: np.ndarray,
    variance: np.ndarray,
    grad_x: np.ndarray,
    grad_scale: np.ndarray,
    grad_offset: np.ndarray,
) -> None:
    n = np.float64(len(x))
    inverse = 1 / np.sqrt(variance + np.float64(epsilon))
    centered = x - mean
    grad_offset[:] = grad_out.sum(0, dtype=np.float64)
    grad_scale[:] = np.multiply(grad_out, centered, dtype=np.float64).sum(0) * inverse
    factor = scale * inverse
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = (factor * grad_offset - grad_mean) / n
        slope = (factor * inverse * grad_scale - 2 * grad_variance) / n
    np.multiply(grad_out, factor.astype(x.dtype), out=grad_x)
    grad_x -= shift.astype(x.dtype)
    grad_x -= centered * slope.astype(x.dtype)


@compiled(_standardize_gradient_reference)
def standardize_columns_gradient(
    grad_out: np.ndarray,
    grad_mean: np.ndarray,
    grad_variance: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    epsilon: float,
    mean: np.ndarray,
    variance: np.ndarray,
    grad_x: np.ndarray,
    grad_scale: np.ndarray,
    grad_offset: np.ndarray,
) -> None:
    """Gradients of `standardize_columns` from those of its three results.

    Shapes: grad_out, x and grad_x (n, c), C-contiguous; all others (c,). The last three are
    written.
    """
    n, channels = x.shape
    sums = np.zeros(channels, np.float64)
    products = np.zeros(channels, np.float64)
    for i in range(n):
        for c in range(channels):
            sums[c] += grad_out[i, c]
            products[c] += np.float64(grad_out[i, c]) * np.float64(x[i, c] - mean[c])
    factor = np.empty_like(mean)
    shift = np.empty_like(mean)
    slope = np.empty_like(mean)
    for c in range(channels):
        inverse = 1.0 / np.sqrt(np.float64(variance[c]) + epsilon)
        grad_offset[c] = sums[c]
        grad_scale[c] = products[c] * inverse
        factor[c] = scale[c] * inverse
        shift[c] = (scale[c] * inverse * sums[c] - grad_mean[c]) / n
        slope[c] = (
            scale[c] * inverse * inverse * inverse * products[c] - 2.0 * grad_variance[c]
        ) / n
    for i in range(n):
        for c in range(channels):
            grad_x[i, c] = grad_out[i, c] * factor[c] - shift[c] - (x[i, c] - mean[c]) * slope[c]
