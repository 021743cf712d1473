"""Weighted sums of a few places of an image, and the way back.

n image, m place in the image, p place in the result, t tap, c channel.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _sample_reference(
    x: np.ndarray, out: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    out[...] = 0
    for t in range(sources.shape[2]):
        out += weights[:, :, t, None] * np.take_along_axis(x, sources[:, :, t, None], axis=1)


@compiled(_sample_reference)
def sample(x: np.ndarray, out: np.ndarray, sources: np.ndarray, weights: np.ndarray) -> None:
    """Combine the places that each place of the result is made of.

    Shapes: x (images, places, channels); out (images, new places, channels), written; sources, the
    places combined, and weights (images, new places, taps).
    """
    n_images, n_places, n_channels = out.shape
    for n in range(n_images):
        for p in range(n_places):
            for c in range(n_channels):
                out[n, p, c] = 0
            for t in range(sources.shape[2]):
                source, weight = sources[n, p, t], weights[n, p, t]
                for c in range(n_channels):
                    out[n, p, c] += weight * x[n, source, c]


def _sample_gradient_reference(
    grad_out: np.ndarray, grad_x: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    for t in range(sources.shape[2]):
        for n in range(len(grad_x)):
            np.add.at(grad_x[n], sources[n, :, t], weights[n, :, t, None] * grad_out[n])


@compiled(_sample_gradient_reference)
def sample_gradient(
    grad_out: np.ndarray, grad_x: np.ndarray, sources: np.ndarray, weights: np.ndarray
) -> None:
    """Hand each gradient back to the places that were combined; the transpose of `sample`.

    Shapes: grad_out (images, new places, channels); grad_x (images, places, channels), added to.
    """
    n_images, n_places, n_channels = grad_out.shape
    for n in range(n_images):
        for p in range(n_places):
            for t in range(sources.shape[2]):
                source, weight = sources[n, p, t], weights[n, p, t]
                for c in range(n_channels):
                    grad_x[n, source, c] += weight * grad_out[n, p, c]
