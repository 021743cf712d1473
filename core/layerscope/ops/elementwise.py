"""Operations that treat every entry alone, with NumPy's broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import activations as loops
from layerscope.compiled.tasks import LARGE
from layerscope.ops import shapes
from layerscope.ops.operation import operation
from layerscope.ops.swift import swift

Array = Any

# --- arithmetic -----------------------------------------------------------------------------


def _are_large(x1: Array, x2: Array) -> bool:
    """Tell whether two arrays are worth a compiled loop, which takes float32 of one shape."""
    return (
        type(x1) is type(x2) is np.ndarray
        and x1.size >= LARGE
        and x1.shape == x2.shape
        and x1.dtype == x2.dtype == np.float32
    )


@operation(shapes.broadcast, inputs=2)
def add(x1: Array, x2: Array) -> Array:
    """Sum, elementwise."""
    return loops.added(x1, x2) if _are_large(x1, x2) else np.add(x1, x2)


add.gradients(lambda g, out, a, b: g, lambda g, out, a, b: g)


@operation(shapes.broadcast, inputs=2)
def subtract(x1: Array, x2: Array) -> Array:
    """Difference, elementwise."""
    return np.subtract(x1, x2)


subtract.gradients(lambda g, out, a, b: g, lambda g, out, a, b: -g)


@operation(shapes.broadcast, inputs=2)
def multiply(x1: Array, x2: Array) -> Array:
    """Product, elementwise."""
    return loops.multiplied(x1, x2) if _are_large(x1, x2) else np.multiply(x1, x2)


multiply.gradients(lambda g, out, a, b: g * b, lambda g, out, a, b: g * a)


@operation(shapes.broadcast, inputs=2)
def divide(x1: Array, x2: Array) -> Array:
    """Quotient, elementwise."""
    return np.divide(x1, x2)


divide.gradients(lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b)


@operation(shapes.broadcast, inputs=2)
def floor_divide(x1: Array, x2: Array) -> Array:
    """Quotient rounded down; constant almost everywhere, so without a gradient."""
    return np.floor_divide(x1, x2)


@operation(shapes.broadcast, inputs=2)
def mod(x1: Array, x2: Array) -> Array:
    """Remainder of the division, with the divisor's sign."""
    return np.mod(x1, x2)


mod.gradients(lambda g, out, a, b: g, lambda g, out, a, b: -g * floor_divide(a, b))


@operation(shapes.broadcast, inputs=2)
def power(x1: Array, x2: Array) -> Array:
    """`x1` to the power `x2`, elementwise."""
    return np.power(x1, x2)


power.gradients(
    lambda g, out, a, b: g * b * power(a, b - 1),
    # d/db a^b = a^b log a; where the base is zero the limit is zero.
    lambda g, out, a, b: g * out * log(where(equal(a, 0), 1.0, a)),
)


@operation()
def negative(x: Array) -> Array:
    """Sign changed."""
    return np.negative(x)


negative.gradients(lambda g, out, x: -g)


@operation(shapes.broadcast, inputs=2)
def maximum(x1: Array, x2: Array) -> Array:
    """Larger of the two, elementwise; a tie shares the gradient equally."""
    return np.maximum(x1, x2)


@operation(shapes.broadcast, inputs=2)
def minimum(x1: Array, x2: Array) -> Array:
    """Smaller of the two, elementwise; a tie shares the gradient equally."""
    return np.minimum(x1, x2)


def _share(g: Array, out: Array, mine: Array, other: Array) -> Array:
    wins = np.equal(_value(out), _value(mine))
    tie = np.equal(_value(mine), _value(other))
    return g * np.where(tie, 0.5, wins).astype(_value(out).dtype)


def _value(x: Array) -> Array:
    return getattr(x, "value", x)


for _extreme in (maximum, minimum):
    _extreme.gradients(
        lambda g, out, a, b: _share(g, out, a, b), lambda g, out, a, b: _share(g, out, b, a)
    )

# --- functions of one value -----------------------------------------------------------------


@operation()
def abs(x: Array) -> Array:
    """Absolute value."""
    return np.abs(x)


abs.gradients(lambda g, out, x: g * sign(x))
absolute = abs


@operation()
def sign(x: Array) -> Array:
    """-1, 0 or 1; constant almost everywhere, so without a gradient."""
    return np.sign(x)


@operation()
def square(x: Array) -> Array:
    """Second power."""
    return np.square(x)


square.gradients(lambda g, out, x: g * 2 * x)


@operation()
def sqrt(x: Array) -> Array:
    """Square root."""
    return np.sqrt(x)


sqrt.gradients(lambda g, out, x: g * 0.5 / out)


@operation()
def rsqrt(x: Array) -> Array:
    """One over the square root."""
    return 1.0 / np.sqrt(x)


rsqrt.gradients(lambda g, out, x: g * -0.5 * out / x)


@operation()
def reciprocal(x: Array) -> Array:
    """One over the value."""
    return np.reciprocal(x)


reciprocal.gradients(lambda g, out, x: -g * out * out)


@operation()
def exp(x: Array) -> Array:
    """Exponential."""
    return loops.exp(x)


exp.gradients(swift("exp_gradient", lambda g, out, x: g * out, of_output=True))


@operation()
def expm1(x: Array) -> Array:
    """Exponential minus one, exact near zero."""
    return np.expm1(x)


expm1.gradients(lambda g, out, x: g * (out + 1))


@operation()
def log(x: Array) -> Array:
    """Natural logarithm."""
    return np.log(x)


log.gradients(lambda g, out, x: g / x)


@operation()
def log1p(x: Array) -> Array:
    """Natural logarithm of one plus the value, exact near zero."""
    return np.log1p(x)


log1p.gradients(lambda g, out, x: g / (1 + x))


@operation()
def sin(x: Array) -> Array:
    """Sine."""
    return np.sin(x)


@operation()
def cos(x: Array) -> Array:
    """Cosine."""
    return np.cos(x)


sin.gradients(lambda g, out, x: g * cos(x))
cos.gradients(lambda g, out, x: -g * sin(x))


@operation()
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return loops.tanh(x)


tanh.gradients(swift("tanh_gradient", lambda g, out, x: g * (1 - out * out), of_output=True))


@operation()
def floor(x: Array) -> Array:
    """Largest integer not above; constant almost everywhere, so without a gradient."""
    return np.floor(x)


@operation()
def ceil(x: Array) -> Array:
    """Smallest integer not below; constant almost everywhere, so without a gradient."""
    return np.ceil(x)


@operation()
def round(x: Array, decimals: int = 0) -> Array:
    """Rounded to `decimals`, halves to even; constant almost everywhere, so without a gradient."""
    return np.round(x, decimals)


@operation()
def clip(x: Array, x_min: Any, x_max: Any) -> Array:
    """Values limited to ``[x_min, x_max]``; the gradient is zero outside."""
    if _plain_limits(x_min, x_max):
        return loops.clipped(x, x_min, x_max)
    return np.clip(x, x_min, x_max)


def _plain_limits(*limits: Any) -> bool:
    return all(isinstance(limit, (int, float)) for limit in limits)


def _clip_gradient(g: Array, out: Array, x: Array, x_min: Any, x_max: Any) -> Array:
    if _plain_limits(x_min, x_max) and type(g) is type(x) is np.ndarray:
        return loops.clipped_gradient(g, x, x_min, x_max)
    inside = (_value(x) >= x_min) & (_value(x) <= x_max)
    return g * inside.astype(_value(out).dtype)


clip.gradients(_clip_gradient)


@operation()
def stop_gradient(x: Array) -> Array:
    """The value itself, treated as a constant by differentiation."""
    return x


# --- comparisons and logic ------------------------------------------------------------------


@operation(shapes.broadcast, inputs=2, dtype="bool")
def equal(x1: Array, x2: Array) -> Array:
    """Whether the two are equal, elementwise."""
    return np.equal(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def not_equal(x1: Array, x2: Array) -> Array:
    """Whether the two differ, elementwise."""
    return np.not_equal(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def less(x1: Array, x2: Array) -> Array:
    """Whether the first is smaller, elementwise."""
    return np.less(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def less_equal(x1: Array, x2: Array) -> Array:
    """Whether the first is not larger, elementwise."""
    return np.less_equal(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def greater(x1: Array, x2: Array) -> Array:
    """Whether the first is larger, elementwise."""
    return np.greater(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def greater_equal(x1: Array, x2: Array) -> Array:
    """Whether the first is not smaller, elementwise."""
    return np.greater_equal(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def logical_and(x1: Array, x2: Array) -> Array:
    """Whether both are true, elementwise."""
    return np.logical_and(x1, x2)


@operation(shapes.broadcast, inputs=2, dtype="bool")
def logical_or(x1: Array, x2: Array) -> Array:
    """Whether either is true, elementwise."""
    return np.logical_or(x1, x2)


@operation(dtype="bool")
def logical_not(x: Array) -> Array:
    """Whether the value is false."""
    return np.logical_not(x)


@operation(dtype="bool")
def isnan(x: Array) -> Array:
    """Whether the value is not a number."""
    return np.isnan(x)


@operation(dtype="bool")
def isinf(x: Array) -> Array:
    """Whether the value is infinite."""
    return np.isinf(x)


@operation(dtype="bool")
def isfinite(x: Array) -> Array:
    """Whether the value is neither infinite nor NaN."""
    return np.isfinite(x)


@operation(shapes.broadcast, inputs=3)
def where(condition: Array, x1: Array, x2: Array) -> Array:
    """`x1` where the condition holds, `x2` elsewhere."""
    return np.where(condition, x1, x2)


where.gradients(
    None,
    lambda g, out, condition, a, b: where(condition, g, 0.0),
    lambda g, out, condition, a, b: where(condition, 0.0, g),
)
