"""Operations of neural networks that are more than arithmetic: activations and softmax.

Rectifiers compare so that a NaN falls on the side that keeps it. Where a product of an infinite
and a vanishing factor would be NaN, the infinite one is limited first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled import activations as loops
from layerscope.compiled import dropout as random_loops
from layerscope.compiled import room
from layerscope.compiled import softmax as row_loops
from layerscope.compiled.tasks import tasks_of
from layerscope.config import float_type_for
from layerscope.ops import shapes
from layerscope.ops.elementwise import abs, clip, exp, maximum, minimum, rsqrt, square, tanh, where
from layerscope.ops.manipulation import cast, split
from layerscope.ops.operation import float_result, operation
from layerscope.ops.reductions import sum
from layerscope.ops.swift import swift

Array = Any

#: Beyond this distance from zero every S-shaped function has reached its limits, to the last bit.
_FAR = 1e4

# --- rectifiers -----------------------------------------------------------------------------


@operation()
def relu(x: Array) -> Array:
    """``max(x, 0)``; the gradient at zero is zero."""
    return loops.relu(x)


relu.gradients(swift("relu_gradient", lambda g, out, x: g * (out > 0), of_output=True))


@operation()
def relu6(x: Array) -> Array:
    """``min(max(x, 0), 6)``; the gradient at zero and six is zero."""
    return loops.clipped(x, 0, 6)


relu6.gradients(
    swift("relu6_gradient", lambda g, out, x: g * ((out > 0) * (out < 6)), of_output=True)
)


@operation()
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """``x`` where that is not negative, ``negative_slope * x`` elsewhere."""
    if negative_slope == 0:
        return loops.relu(x)
    return loops.leaky_relu(x, negative_slope)


leaky_relu.gradients(
    swift(
        "leaky_relu_gradient",
        lambda g, out, x, negative_slope=0.2: where(x >= 0, g, negative_slope * g),
        parameters=lambda negative_slope=0.2: (negative_slope,),
    )
)


@operation(shapes.broadcast, inputs=2)
def prelu(x: Array, alpha: Array) -> Array:
    """``max(x, 0) + alpha * min(x, 0)``; the gradient at zero is zero."""
    return np.maximum(x, 0) + alpha * np.minimum(x, 0)


prelu.gradients(
    lambda g, out, x, alpha: g * ((x > 0) + alpha * (x < 0)),
    lambda g, out, x, alpha: g * minimum(x, 0),
)


@operation()
def threshold(x: Array, threshold: float, default_value: float) -> Array:
    """``x`` where it is above `threshold`, `default_value` elsewhere."""
    return np.where(np.less_equal(x, threshold), default_value, x)


threshold.gradients(lambda g, out, x, threshold, default_value: g * (x > threshold))


@operation()
def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` moved towards zero by `threshold`, zero where it would cross it."""
    return x - np.clip(x, -threshold, threshold)


@operation()
def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x``, but zero up to a distance of `threshold` from zero."""
    return np.where(np.less_equal(np.abs(x), threshold), 0, x)


for _shrink in (soft_shrink, hard_shrink):
    _shrink.gradients(lambda g, out, x, threshold=0.5: g * (abs(x) > threshold))


@operation()
def tanh_shrink(x: Array) -> Array:
    """``x - tanh(x)``."""
    return x - np.tanh(x)


tanh_shrink.gradients(lambda g, out, x: g * square(tanh(x)))


def hard_tanh(x: Array) -> Array:
    """``x`` limited to [-1, 1]."""
    return clip(x, -1.0, 1.0)


@operation()
def hard_sigmoid(x: Array) -> Array:
    """``x / 6 + 1 / 2`` limited to [0, 1]."""
    return loops.hard_sigmoid(x)


hard_sigmoid.gradients(
    swift("hard_sigmoid_gradient", lambda g, out, x: g * where(abs(x) <= 3, 1 / 6, 0.0))
)


def sparse_sigmoid(x: Array) -> Array:
    """``(x + 1) / 2`` limited to [0, 1]."""
    return clip(x, -1.0, 1.0) * 0.5 + 0.5


@operation()
def hard_silu(x: Array) -> Array:
    """``x * hard_sigmoid(x)``."""
    return loops.hard_silu(x)


hard_silu.gradients(
    swift("hard_silu_gradient", lambda g, out, x: g * where(abs(x) < 3, x / 3 + 0.5, x > 0))
)
hard_swish = hard_silu


@operation()
def sparse_plus(x: Array) -> Array:
    """Zero up to -1, ``x`` from 1 on, and the parabola ``(x + 1)**2 / 4`` between."""
    return np.where(np.greater_equal(x, 1), x, np.square(np.clip(x, -1, 1) + 1) / 4)


sparse_plus.gradients(lambda g, out, x: g * sparse_sigmoid(x))

# --- exponential units ----------------------------------------------------------------------


def _unit_gradient(parameters: Callable[..., tuple[float, float, float]]) -> Any:
    """Return the gradient of an exponential unit with the parameters its options make."""

    def rule(g: Array, out: Array, x: Array, **options: float) -> Array:
        above, below, rate = parameters(**options)
        return g * where(x > 0, above, below * rate * exp(rate * minimum(x, 0)))

    return swift("exponential_unit_gradient", rule, parameters=parameters)


@operation()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` where that is positive, ``alpha * (exp(x) - 1)`` elsewhere."""
    return loops.exponential_unit(x, 1.0, alpha, 1.0)


elu.gradients(_unit_gradient(lambda alpha=1.0: (1.0, alpha, 1.0)))

#: Klambauer et al. 2017: with these, activations of mean 0 and variance 1 keep both.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SELU = (_SELU_SCALE, _SELU_SCALE * _SELU_ALPHA, 1.0)


@operation()
def selu(x: Array) -> Array:
    """``scale * elu(x, alpha)`` with the two constants of Klambauer et al. 2017."""
    return loops.exponential_unit(x, *_SELU)


selu.gradients(_unit_gradient(lambda: _SELU))


@operation()
def celu(x: Array, alpha: float = 1.0) -> Array:
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``."""
    return loops.exponential_unit(x, 1.0, alpha, 1 / alpha)


celu.gradients(_unit_gradient(lambda alpha=1.0: (1.0, alpha, 1 / alpha)))

# --- S-shaped functions and what is made of them --------------------------------------------


@operation()
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``."""
    return loops.sigmoid(x)


sigmoid.gradients(swift("sigmoid_gradient", lambda g, out, x: g * out * (1 - out), of_output=True))


@operation()
def log_sigmoid(x: Array) -> Array:
    """``-log(1 + exp(-x))``."""
    return -softplus(np.negative(x))


log_sigmoid.gradients(lambda g, out, x: g * sigmoid(-x))


@operation()
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    return loops.softplus(x)


softplus.gradients(swift("softplus_gradient", lambda g, out, x: g * sigmoid(x)))


@operation()
def squareplus(x: Array, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``."""
    upper = (np.abs(x) + np.hypot(x, b**0.5)) / 2
    # Below zero x and the root cancel; the product of both solutions is b / 4.
    return np.where(np.less(x, 0), b / 4 / np.maximum(upper, 1e-30), upper)


def _squareplus_gradient(g: Array, out: Array, x: Array, b: float = 4) -> Array:
    x = clip(x, -1e17, 1e17)
    return g * (0.5 + 0.5 * x * rsqrt(x * x + b))


squareplus.gradients(_squareplus_gradient)


@operation()
def softsign(x: Array) -> Array:
    """``x / (1 + abs(x))``."""
    return loops.softsign(x)


softsign.gradients(swift("softsign_gradient", lambda g, out, x: g * square(1 / (1 + abs(x)))))


@operation()
def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    return loops.silu(x)


def _silu_gradient(g: Array, out: Array, x: Array) -> Array:
    gate = sigmoid(x)
    return g * (gate + clip(x, -_FAR, _FAR) * gate * (1 - gate))


silu.gradients(swift("silu_gradient", _silu_gradient))
swish = silu


@operation()
def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))``."""
    return loops.mish(x)


def _mish_gradient(g: Array, out: Array, x: Array) -> Array:
    gate = tanh(softplus(x))
    return g * (gate + clip(x, -_FAR, _FAR) * sigmoid(x) * (1 - gate * gate))


mish.gradients(swift("mish_gradient", _mish_gradient))


@operation()
def erf(x: Array) -> Array:
    """Error function: ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to x."""
    # SciPy takes longer to import than all of Layerscope.
    from scipy import special

    return special.erf(x)


erf.gradients(
    # From 30 on the exponential is zero, and the square of x does not overflow.
    lambda g, out, x: g * (2 / math.sqrt(math.pi)) * exp(-square(clip(x, -30.0, 30.0)))
)


@operation()
def normal_cdf(x: Array) -> Array:
    """Probability that a standard normal value is below x, exact in both tails."""
    return loops.normal_cdf_formula(x)


def _normal_density(x: Array) -> Array:
    return math.sqrt(0.5 / math.pi) * exp(-0.5 * square(clip(x, -40.0, 40.0)))


normal_cdf.gradients(lambda g, out, x: g * _normal_density(x))


def _gelu_argument(x: Array) -> Array:
    x = clip(x, -_FAR, _FAR)
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)


@operation()
def gelu(x: Array, approximate: bool = True) -> Array:
    """``x`` times the probability that a standard normal value is below x (or nearly so).

    The approximation is ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.
    """
    return loops.gelu_tanh(x) if approximate else loops.gelu(x)


def _gelu_gradient(g: Array, out: Array, x: Array, approximate: bool = True) -> Array:
    near = clip(x, -_FAR, _FAR)
    if not approximate:
        return g * (normal_cdf(x) + near * _normal_density(x))
    gate = sigmoid(2 * _gelu_argument(x))
    slope = math.sqrt(8 / math.pi) * (1 + 0.134145 * near * near)
    return g * (gate + near * slope * gate * (1 - gate))


_GELU = swift("gelu_gradient", _gelu_gradient, parameters=lambda approximate=False: ())
_GELU_TANH = swift("gelu_tanh_gradient", _gelu_gradient, parameters=lambda approximate=True: ())

gelu.gradients(
    lambda g, out, x, approximate=True: (_GELU_TANH if approximate else _GELU)(
        g, out, x, approximate=approximate
    )
)


def glu(x: Array, axis: int = -1) -> Array:
    """First half of `axis` times the sigmoid of the second half.

    Raises
    ------
    ValueError
        If the length of `axis` is odd.
    """
    length = x.shape[axis]
    if length is None or length % 2:
        raise ValueError(
            f"`glu` halves an axis, so its length must be known and even. Received: axis={axis} of "
            f"an input of shape {tuple(x.shape)}."
        )
    values, gates = split(x, 2, axis=axis)
    return values * sigmoid(gates)


# --- over an axis ---------------------------------------------------------------------------


def _is_of_rows(x: Any, axis: int | tuple[int, ...]) -> bool:
    """Tell whether compiled loops take an array, normalized over its last axis."""
    if type(x) is not np.ndarray or x.dtype != np.float32 or not x.size:
        return False
    return axis in (-1, (-1,), x.ndim - 1, (x.ndim - 1,))


def _through_rows(loop: Callable[..., None], *arrays: Array) -> Array:
    """Return what a compiled loop makes of the rows of arrays of one shape."""
    shape, out = arrays[0].shape, room.empty(arrays[0].shape)
    rows = [*map(np.ascontiguousarray, arrays), out]
    if len(shape) != 2:
        rows = [array.reshape(-1, shape[-1]) for array in rows]
    loop(tasks_of(out.size), *rows)
    return out


@operation()
def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """``exp(x) / sum(exp(x))`` over `axis`."""
    if _is_of_rows(x, axis):
        return _through_rows(row_loops.softmax_rows, x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    e /= np.sum(e, axis=axis, keepdims=True)
    return e


def _softmax_gradient(g: Array, out: Array, x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    if _is_of_rows(g, axis) and _is_of_rows(out, axis):
        return _through_rows(row_loops.softmax_rows_gradient, g, out)
    return out * (g - sum(g * out, axis=axis, keepdims=True))


softmax.gradients(_softmax_gradient)


@operation()
def log_softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Logarithm of the softmax, exact where the softmax underflows."""
    if _is_of_rows(x, axis):
        return _through_rows(row_loops.log_softmax_rows, x)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_gradient(
    g: Array, out: Array, x: Array, axis: int | tuple[int, ...] = -1
) -> Array:
    if _is_of_rows(g, axis) and _is_of_rows(out, axis):
        return _through_rows(row_loops.log_softmax_rows_gradient, g, out)
    return g - exp(out) * sum(g, axis=axis, keepdims=True)


log_softmax.gradients(_log_softmax_gradient)


@operation()
def sparsemax(x: Array, axis: int = -1) -> Array:
    """Nearest point to `x` whose entries along `axis` are not negative and sum to one.

    Source: Martins & Astudillo 2016, algorithm 1. (Keras 3.15 returns other values where more
    than one entry stays positive.)
    """
    # The shift changes nothing but keeps large values exact and spreads a NaN over its row.
    shifted = x - np.max(x, axis=axis, keepdims=True)
    descending = -np.sort(-shifted, axis=axis)
    excess = np.cumsum(descending, axis=axis) - 1
    rank = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
    rank = np.expand_dims(rank, tuple(range(1, x.ndim - axis % x.ndim)))
    support = np.sum(rank * descending > excess, axis=axis, keepdims=True)
    offset = np.take_along_axis(excess, np.maximum(support - 1, 0), axis) / np.maximum(support, 1)
    return np.maximum(shifted - offset.astype(x.dtype), 0)


def _sparsemax_gradient(g: Array, out: Array, x: Array, axis: int = -1) -> Array:
    support = cast(out > 0, x.dtype)
    total = sum(g * support, axis=axis, keepdims=True)
    return support * (g - total / maximum(sum(support, axis=axis, keepdims=True), 1.0))


sparsemax.gradients(_sparsemax_gradient)

# --- at random ------------------------------------------------------------------------------


@operation(dtype=float_result)
def drop(x: Array, keys: Array, rate: float) -> Array:
    """Zero a fraction `rate` of the entries, scale the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    keys : two random whole numbers of 32 bits for every block of entries, which say the ones to
        zero; shape (blocks, 2).
    rate : below one.
    """
    dtype = np.dtype(float_type_for(x.dtype))
    values, out = np.ascontiguousarray(x, dtype), room.empty(x.shape, dtype)
    limit = np.uint32(min(int(rate * 2**32), 2**32 - 1))
    scale = dtype.type(1 / (1 - rate))
    random_loops.drop(tasks_of(x.size), values.reshape(-1), keys, limit, scale, out.reshape(-1))
    return out


# The same entries of the gradient are zeroed.
drop.gradients(lambda g, out, x, keys, rate: drop(g, keys=keys, rate=rate))

__all__ = [
    "celu", "elu", "erf", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6",
    "selu", "shapes", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold",
]  # fmt: skip
