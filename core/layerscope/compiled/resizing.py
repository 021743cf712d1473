"""Interpolation along one axis and the way back.

n what comes before the axis, p position on the new axis, t tap, m what comes after.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _interpolate_reference(
    x: np.ndarray, out: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    out[...] = 0
    for t in range(sources.shape[1]):
        out += weights[:, t, None] * x[:, sources[:, t]]


@compiled(_interpolate_reference)
def interpolate(x: np.ndarray, out: np.ndarray, sources: np.ndarray, weights: np.ndarray) -> None:
    """Combine the entries around each new position.

    Shapes: x (n, length, m); out (n, new length, m), written; sources, the positions combined, and
    weights (new length, taps).
    """
    n_before, n_positions, n_after = out.shape
    for n in range(n_before):
        for p in range(n_positions):
            for m in range(n_after):
                out[n, p, m] = 0
            for t in range(sources.shape[1]):
                source, weight = sources[p, t], weights[p, t]
                for m in range(n_after):
                    out[n, p, m] += weight * x[n, source, m]


def _interpolate_gradient_reference(
    grad_out: np.ndarray, grad_x: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    for t in range(sources.shape[1]):
        for n in range(len(grad_x)):
            np.add.at(grad_x[n], sources[:, t], weights[:, t, None] * grad_out[n])


@compiled(_interpolate_gradient_reference)
def interpolate_gradient(
    grad_out: np.ndarray, grad_x: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    """Hand each gradient back to the entries that were combined; the transpose of `interpolate`.

    Shapes: grad_out (n, new length, m); grad_x (n, length, m), added to.
    """
    n_before, n_positions, n_after = grad_out.shape
    for n in range(n_before):
        for p in range(n_positions):
            for t in range(sources.shape[1]):
                source, weight = sources[p, t], weights[p, t]
                for m in range(n_after):
                    grad_x[n, source, m] += weight * grad_out[n, p, m]
