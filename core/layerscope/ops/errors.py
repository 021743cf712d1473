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
    total, share = _total_and_share(x, labels)
    # What is not finite anywhere in a row has to show.
    share += total - total
    return -np.log(np.minimum(np.maximum(share, epsilon), 1.0 - epsilon))


def _sparse_gradient(g: Array, out: Array, x: Array, labels: Array, epsilon: float) -> Array:
    if type(g) is type(x) is np.ndarray:
        return _plain_sparse_gradient(g, x, labels, epsilon)
    target = one_hot(labels, x.shape[-1], dtype=x.dtype)
    total = sum(x, axis=-1, keepdims=True)
    share = sum(target * x, axis=-1, keepdims=True) / total
    inside = _within(getattr(share, "value", share), epsilon)
    slope = where(inside, _column(g) / where(inside, share * total, 1.0), 0.0)
    return slope * (share - target)


def _plain_sparse_gradient(g: Array, x: Array, labels: Array, epsilon: float) -> Array:
    total, share = _total_and_share(x, labels)
    inside = _within(share, epsilon)
    # Per class the same, but for the label's.
    slope = np.where(inside, g / np.where(inside, share * total, 1), 0).astype(x.dtype)
    gradient = np.empty(x.shape, x.dtype)
    gradient[...] = (slope * share)[..., None]
    gradient.reshape(-1, x.shape[-1])[_at(labels)] -= slope.reshape(-1)
    return gradient


def _at(labels: Array) -> tuple[Array, Array]:
    return np.arange(labels.size), labels.reshape(-1)


def _total_and_share(x: Array, labels: Array) -> tuple[Array, Array]:
    chosen = x.reshape(-1, x.shape[-1])[_at(labels)].reshape(x.shape[:-1])
    total = np.add.reduce(x, -1)
    return total, chosen / total


def _within(share: Array, epsilon: float) -> Array:
    return (share >= epsilon) & (share <= 1.0 - epsilon)


sparse_crossentropy.gradients(_sparse_gradient, None)
