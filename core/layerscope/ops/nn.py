"""Operations of neural networks that are more than arithmetic: activations and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.ops import shapes
from layerscope.ops.elementwise import exp
from layerscope.ops.operation import operation
from layerscope.ops.reductions import sum

Array = Any


@operation()
def relu(x: Array) -> Array:
    """``max(x, 0)``; the gradient at zero is zero."""
    return np.maximum(x, 0)


relu.gradients(lambda g, out, x: g * (out > 0))


@operation()
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``."""
    # Where exp(-x) overflows the quotient is 0, as it should be; tanh(x / 2) would round there.
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-np.asarray(x)))


sigmoid.gradients(lambda g, out, x: g * out * (1 - out))


@operation()
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    return np.logaddexp(x, np.zeros((), np.asarray(x).dtype))


softplus.gradients(lambda g, out, x: g * sigmoid(x))


@operation()
def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """``exp(x) / sum(exp(x))`` over `axis`."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    e /= np.sum(e, axis=axis, keepdims=True)
    return e


softmax.gradients(lambda g, out, x, axis=-1: out * (g - sum(g * out, axis=axis, keepdims=True)))


@operation()
def log_softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Logarithm of the softmax, exact where the softmax underflows."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


log_softmax.gradients(lambda g, out, x, axis=-1: g - exp(out) * sum(g, axis=axis, keepdims=True))

__all__ = ["log_softmax", "relu", "shapes", "sigmoid", "softmax", "softplus"]
