"""What losses are made of, each in one step: a training step spends much of its time on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerscope.ops.elementwise import where
from layerscope.ops.manipulation import expand_dims, one_hot
from layerscope.ops.operation import operation
from layerscope.ops.reductions import sum
from layerscope.tensor import Operators, Shape

Array = Any


def _without_last(shape: Shape, *_: Any, **__: Any) -> Shape:
    return shape[:-1]


def _column(g: Array) -> Array:
    return expand_dims(g, -1) if isinstance(g, Operators) else np.asarray(g)[..., None]


@operation(_without_last, inputs=2)
def squared_error(x1: Array, x2: Array) -> Array:
    """Mean of the squared differences over the last axis, of two arrays of one shape."""
    difference = np.subtract(x1, x2)
    return np.add.reduce(difference * difference, -1) / difference.shape[-1]


squared_error.gradients(
    lambda g, out, a, b: _column(g) * (2.0 / a.shape[-1]) * (a - b),
    lambda g, out, a, b: _column(g) * (2.0 / a.shape[-1]) * (b - a),
)


@operation(lambda *_: (), inputs=2)
def mean_squared_error(x1: Array, x2: Array) -> Array:
    """Mean of the squared differences of all entries of two arrays of one shape."""
    difference = np.subtract(x1, x2).reshape(-1)
    return np.dot(difference, difference) / difference.size


mean_squared_error.gradients(
    lambda g, out, a, b: (g * (2.0 / math.prod(a.shape))) * (a - b),
    lambda g, out, a, b: (g * (2.0 / math.prod(a.shape))) * (b - a),
)


@operation(_without_last, inputs=2)
def sparse_crossentropy(x: Array, labels: Array, epsilon: float) -> Array:
    """``-log(x[label] / sum(x))`` over the last axis, the share limited by `epsilon`.

    Parameters
    ----------
    x : probabilities of the classes, (..., classes).
    labels : class numbers, (...).
    epsilon : distance that the share keeps from zero and one.
    """
    rows = x.reshape(-1, x.shape[-1])
    chosen = rows[np.arange(len(rows)), labels.reshape(-1)].reshape(x.shape[:-1])
    total = np.add.reduce(x, -1)
    # What is not finite anywhere in a row has to show.
    share = chosen / total + (total - total)
    return -np.log(np.minimum(np.maximum(share, epsilon), 1.0 - epsilon))


def _sparse_gradient(g: Array, out: Array, x: Array, labels: Array, epsilon: float) -> Array:
    target = one_hot(labels, x.shape[-1], dtype=x.dtype)
    total = sum(x, axis=-1, keepdims=True)
    share = sum(target * x, axis=-1, keepdims=True) / total
    value = getattr(share, "value", share)
    inside = (value >= epsilon) & (value <= 1.0 - epsilon)
    slope = where(inside, _column(g) / (where(inside, share, 1.0) * total), 0.0)
    return slope * (share - target)


sparse_crossentropy.gradients(_sparse_gradient, None)
