"""What losses are made of, each in one step: a training step spends much of its time on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled import crossentropy as loops
from layerscope.ops.elementwise import clip, log, log1p, where
from layerscope.ops.manipulation import broadcast_to, expand_dims, one_hot
from layerscope.ops.operation import operation
from layerscope.ops.reductions import sum
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Operators, Shape

Array = Any


def _without_last(shape: Shape, *_: Any, **__: Any) -> Shape:
    return shape[:-1]


def _single(*_: Any, **__: Any) -> Shape:
    return ()


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


@operation(_single, inputs=2)
def mean_squared_error(x1: Array, x2: Array) -> Array:
    """Mean of the squared differences of all entries of two arrays of one shape."""
    difference = np.subtract(x1, x2).reshape(-1)
    return np.dot(difference, difference) / difference.size


mean_squared_error.gradients(
    lambda g, out, a, b: (g * (2.0 / math.prod(a.shape))) * (a - b),
    lambda g, out, a, b: (g * (2.0 / math.prod(a.shape))) * (b - a),
)


@operation(_without_last, inputs=2)
def binary_crossentropy(x: Array, target: Array, epsilon: float) -> Array:
    """Mean of ``-(target log x + (1 - target) log(1 - x))`` over the last axis.

    Parameters
    ----------
    x : probabilities, limited to ``[epsilon, 1 - epsilon]``.
    target : probabilities of the same shape.
    epsilon : distance that x keeps from zero and one.
    """
    p = np.minimum(np.maximum(x, epsilon), 1.0 - epsilon)
    lost = target * np.log(p) + (1.0 - target) * np.log1p(-p)
    return np.add.reduce(lost, -1) / -x.shape[-1]


def _binary_gradient(g: Array, out: Array, x: Array, target: Array, epsilon: float) -> Array:
    values = getattr(x, "value", x)
    limited = (values < epsilon) | (values > 1.0 - epsilon)
    plain = type(g) is type(x) is type(target) is np.ndarray
    choose = np.where if plain else where
    distance = choose(limited, 1.0, x * (1.0 - x) * x.shape[-1])
    return choose(limited, 0.0, (x - target) * (_column(g) / distance))


def _binary_target_gradient(g: Array, out: Array, x: Array, target: Array, epsilon: float) -> Array:
    p = clip(x, epsilon, 1.0 - epsilon)
    return (log1p(-p) - log(p)) * (_column(g) / x.shape[-1])


binary_crossentropy.gradients(_binary_gradient, _binary_target_gradient)


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


# --- means over everything, in one call ---------------------------------------------------------


def _goes_through_loops(*arrays: Any) -> bool:
    return all(type(array) is np.ndarray and array.dtype == np.float32 for array in arrays)


def _mean_of(loop: Callable[..., None], *given: Any) -> Array:
    mean = np.empty(1)
    loop(*given, mean)
    return np.float32(mean[0])


@operation(_single, inputs=2)
def mean_binary_crossentropy(x: Array, target: Array, epsilon: float) -> Array:
    """Mean of what `binary_crossentropy` gives, of two arrays of one shape.

    Raises
    ------
    ShapeError
        If they have different ones.
    """
    if x.shape != target.shape:
        raise ShapeError(
            "Arguments `x` and `target` must have the same shape. "
            f"Received: x.shape={x.shape}, target.shape={target.shape}"
        )
    if _goes_through_loops(x, target):
        return _mean_of(loops.mean_binary, _flat(x), _flat(target), epsilon)
    return np.mean(binary_crossentropy.forward(x, target, epsilon=epsilon))


def _mean_binary_gradient(g: Array, out: Array, x: Array, target: Array, epsilon: float) -> Array:
    if type(g) is np.ndarray and _goes_through_loops(x, target):
        found = np.empty(x.shape, x.dtype)
        loops.mean_binary_gradient(g.item(), _flat(x), _flat(target), epsilon, _flat(found))
        return found
    return _binary_gradient(_spread(g, x.shape[:-1]), out, x, target, epsilon)


mean_binary_crossentropy.gradients(
    _mean_binary_gradient,
    lambda g, out, x, target, epsilon: _binary_target_gradient(
        _spread(g, x.shape[:-1]), out, x, target, epsilon
    ),
)


@operation(_single, inputs=2)
def mean_sparse_crossentropy(x: Array, labels: Array, epsilon: float) -> Array:
    """Mean of what `sparse_crossentropy` gives.

    Raises
    ------
    ShapeError
        If there is not one label for each row of `x`.
    ValueError
        If a label is the number of no class.
    """
    if labels.shape != x.shape[:-1]:
        raise ShapeError(
            "Argument `labels` must hold one number for each row of `x`. "
            f"Received: x.shape={x.shape}, labels.shape={labels.shape}"
        )
    if not _goes_through_loops(x):
        return np.mean(sparse_crossentropy.forward(x, labels, epsilon=epsilon))
    mean = _mean_of(loops.mean_sparse, _rows(x), labels.reshape(-1), epsilon)
    # To look at the labels each time would take as long as the loop.
    if np.isnan(mean) and labels.size and not 0 <= labels.min() <= labels.max() < x.shape[-1]:
        raise ValueError(
            f"Argument `labels` must hold class numbers from 0 to {x.shape[-1] - 1}. "
            f"Received numbers from {labels.min()} to {labels.max()}."
        )
    return mean


def _mean_sparse_gradient(g: Array, out: Array, x: Array, labels: Array, epsilon: float) -> Array:
    if type(g) is np.ndarray and _goes_through_loops(x):
        found = np.empty(x.shape, x.dtype)
        loops.mean_sparse_gradient(
            g.item(), _rows(x), labels.reshape(-1), epsilon, found.reshape(-1, x.shape[-1])
        )
        return found
    return _sparse_gradient(_spread(g, x.shape[:-1]), out, x, labels, epsilon)


mean_sparse_crossentropy.gradients(_mean_sparse_gradient, None)


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(-1)


def _rows(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def _spread(g: Array, shape: tuple[int, ...]) -> Array:
    """Return the gradient of a mean's parts."""
    part = g / math.prod(shape)
    return broadcast_to(part, shape) if isinstance(g, Operators) else np.broadcast_to(part, shape)
