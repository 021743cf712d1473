"""Optimizer updates in one pass over memory; every array is flat and C-contiguous."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _momentum_reference(
    value: np.ndarray,
    grad: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    momentum: float,
    nesterov: bool,
) -> None:
    velocity *= value.dtype.type(momentum)
    velocity -= value.dtype.type(rate) * grad
    if nesterov:
        value += value.dtype.type(momentum) * velocity - value.dtype.type(rate) * grad
    else:
        value += velocity


@compiled(_momentum_reference)
def momentum_update(
    value: np.ndarray,
    grad: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    momentum: float,
    nesterov: bool,
) -> None:
    """SGD with momentum (Sutskever et al. 2013); `value` and `velocity` (n,) are written."""
    for k in range(value.size):
        step = value.dtype.type(rate) * grad[k]
        v = value.dtype.type(momentum) * velocity[k] - step
        velocity[k] = v
        if nesterov:
            value[k] += value.dtype.type(momentum) * v - step
        else:
            value[k] += v


def _rmsprop_reference(
    value: np.ndarray,
    grad: np.ndarray,
    square: np.ndarray,
    mean: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
) -> None:
    kind = value.dtype.type
    square += (grad * grad - square) * kind(1 - rho)
    spread = square
    if centered:
        mean += (grad - mean) * kind(1 - rho)
        spread = square - mean * mean
    step = kind(rate) * grad / np.sqrt(spread + kind(epsilon))
    if momentum:
        velocity *= kind(momentum)
        velocity += step
        step = velocity
    value -= step


@compiled(_rmsprop_reference)
def rmsprop_update(
    value: np.ndarray,
    grad: np.ndarray,
    square: np.ndarray,
    mean: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
) -> None:
    """RMSprop (Tieleman & Hinton 2012); all arrays but `grad` (n,) are written.

    `mean` is left alone unless `centered`, and `velocity` without momentum.
    """
    share = value.dtype.type(1.0 - rho)
    step = value.dtype.type(rate)
    small = value.dtype.type(epsilon)
    kept = value.dtype.type(momentum)
    for k in range(value.size):
        g = grad[k]
        s = square[k] + (g * g - square[k]) * share
        square[k] = s
        if centered:
            m = mean[k] + (g - mean[k]) * share
            mean[k] = m
            s -= m * m
        v = step * g / np.sqrt(s + small)
        if kept:
            v += kept * velocity[k]
            velocity[k] = v
        value[k] -= v


def _adam_reference(
    value: np.ndarray,
    grad: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    kind = value.dtype.type
    mean += (grad - mean) * kind(1 - beta_1)
    square += (grad * grad - square) * kind(1 - beta_2)
    value -= kind(rate) * mean / (np.sqrt(square) + kind(epsilon))


@compiled(_adam_reference)
def adam_update(
    value: np.ndarray,
    grad: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Adam (Kingma & Ba 2014); `value`, `mean` and `square` (n,) are written.

    `rate` already holds the bias correction ``sqrt(1 - beta_2^t) / (1 - beta_1^t)``, as in Keras.
    """
    keep_1 = value.dtype.type(1.0 - beta_1)
    keep_2 = value.dtype.type(1.0 - beta_2)
    step = value.dtype.type(rate)
    small = value.dtype.type(epsilon)
    for k in range(value.size):
        g = grad[k]
        m = mean[k] + (g - mean[k]) * keep_1
        s = square[k] + (g * g - square[k]) * keep_2
        mean[k] = m
        square[k] = s
        value[k] -= step * m / (np.sqrt(s) + small)


def _amsgrad_reference(
    value: np.ndarray,
    grad: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    largest: np.ndarray,
    rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    kind = value.dtype.type
    mean += (grad - mean) * kind(1 - beta_1)
    square += (grad * grad - square) * kind(1 - beta_2)
    np.maximum(largest, square, out=largest)
    value -= kind(rate) * mean / (np.sqrt(largest) + kind(epsilon))


@compiled(_amsgrad_reference)
def amsgrad_update(
    value: np.ndarray,
    grad: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    largest: np.ndarray,
    rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Adam dividing by the largest second moment so far (Reddi et al. 2018)."""
    keep_1 = value.dtype.type(1.0 - beta_1)
    keep_2 = value.dtype.type(1.0 - beta_2)
    step = value.dtype.type(rate)
    small = value.dtype.type(epsilon)
    for k in range(value.size):
        g = grad[k]
        m = mean[k] + (g - mean[k]) * keep_1
        s = square[k] + (g * g - square[k]) * keep_2
        mean[k] = m
        square[k] = s
        largest[k] = np.maximum(largest[k], s)
        value[k] -= step * m / (np.sqrt(largest[k]) + small)
