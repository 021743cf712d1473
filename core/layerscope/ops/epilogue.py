"""Bias and activation of layers that multiply by a kernel, on plain arrays.

For operations that compute a product of their own: ``finish`` turns it into their result, and
``finish_gradient`` the result's gradient into those of product and bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import epilogue as loops
from layerscope.compiled import room
from layerscope.compiled.tasks import repeats, tasks_of, tiled

Array = Any

#: None is no activation.
ACTIVATIONS = (None, "relu", "sigmoid", "tanh")


def finish(out: Array, bias: Array, activation: str | None = None) -> Array:
    """Overwrite a product by ``activation(out + bias)`` and return it.

    Parameters
    ----------
    out : (..., c), C-contiguous and float32 or float64.
    bias : (c,), of the same type.
    activation : one of `ACTIVATIONS`.
    """
    if not out.size:
        return out
    repeated = tiled(bias, repeats(out.size // bias.size, bias.size))
    rows = out.reshape(-1, repeated.size)
    loops.EPILOGUES[activation or "linear"].finish(tasks_of(out.size), rows, repeated)
    return out


def finish_gradient(grad: Array, y: Array, activation: str | None = None) -> tuple[Array, Array]:
    """Return the gradients of product and bias, given that of the result `y`, in one pass.

    All are (..., c) but the bias's gradient, which is (c,) and summed in double precision.
    """
    channels = y.shape[-1]
    if not y.size:
        return np.zeros_like(y), np.zeros(channels, y.dtype)
    width = channels * repeats(y.size // channels, channels)
    grads, rows = (np.ascontiguousarray(array, y.dtype).reshape(-1, width) for array in (grad, y))
    grad_z = room.empty_like(rows)
    partial = np.empty((tasks_of(y.size), width))
    loops.EPILOGUES[activation or "linear"].back(len(partial), grads, rows, grad_z, partial)
    total = partial.sum(0).reshape(-1, channels).sum(0)
    return grad_z.reshape(y.shape), total.astype(y.dtype)


__all__ = ["ACTIVATIONS", "finish", "finish_gradient"]
