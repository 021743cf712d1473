"""Activations and their gradients, each of one number, and what merges two.

A NaN stays one. Where a product of an infinite and a vanishing factor would be NaN, the infinite
one is limited first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.mapping import Mapped, MappedPair, of_one_number

_F = np.float32
_ZERO, _ONE = _F(0.0), _F(1.0)

#: Beyond this distance from zero every S-shaped function has reached its limits, to the last bit.
FAR = 1e4
_FAR = _F(FAR)

# --- merges ---------------------------------------------------------------------------------


@of_one_number
def _added(a: Any, b: Any) -> Any:
    return a + b


@of_one_number
def _multiplied(a: Any, b: Any) -> Any:
    return a * b


added = MappedPair(_added, np.add, light=True)
multiplied = MappedPair(_multiplied, np.multiply, light=True)

# --- rectifiers -----------------------------------------------------------------------------


@of_one_number
def _relu(x: Any) -> Any:
    return _ZERO if x < _ZERO else x


@of_one_number
def _relu_gradient(g: Any, y: Any) -> Any:
    return g if y > _ZERO else _ZERO


relu = Mapped(_relu, lambda x: np.maximum(x, 0))
relu_gradient = MappedPair(_relu_gradient, lambda g, y: np.where(y > 0, g, 0), light=True)


@of_one_number
def _clipped(x: Any, low: Any, high: Any) -> Any:
    x = low if x < low else x
    return high if x > high else x


@of_one_number
def _clipped_gradient(g: Any, x: Any, low: Any, high: Any) -> Any:
    return g if (x >= low) & (x <= high) else _ZERO


clipped = Mapped(_clipped, np.clip)
clipped_gradient = MappedPair(
    _clipped_gradient, lambda g, x, low, high: np.where((x >= low) & (x <= high), g, 0)
)


@of_one_number
def _relu6_gradient(g: Any, y: Any) -> Any:
    return g if (y > _ZERO) & (y < _F(6.0)) else _ZERO


relu6_gradient = MappedPair(_relu6_gradient, lambda g, y: np.where((y > 0) & (y < 6), g, 0))


@of_one_number
def _leaky_relu(x: Any, slope: Any) -> Any:
    return slope * x if x < _ZERO else x


@of_one_number
def _leaky_relu_gradient(g: Any, x: Any, slope: Any) -> Any:
    return g if x >= _ZERO else slope * g


leaky_relu = Mapped(_leaky_relu, lambda x, slope: np.where(np.less(x, 0), np.multiply(slope, x), x))
leaky_relu_gradient = MappedPair(
    _leaky_relu_gradient, lambda g, x, slope: np.where(x >= 0, g, slope * g)
)


@of_one_number
def _hard_sigmoid(x: Any) -> Any:
    return _clipped(x / _F(6.0) + _F(0.5), _ZERO, _ONE)


@of_one_number
def _hard_sigmoid_gradient(g: Any, x: Any) -> Any:
    return g / _F(6.0) if abs(x) <= _F(3.0) else _ZERO


hard_sigmoid = Mapped(_hard_sigmoid, lambda x: np.clip(np.divide(x, 6) + 0.5, 0, 1))
hard_sigmoid_gradient = MappedPair(
    _hard_sigmoid_gradient, lambda g, x: np.where(np.abs(x) <= 3, g / 6, 0)
)


@of_one_number
def _hard_silu(x: Any) -> Any:
    return (_F(-3.0) if x < _F(-3.0) else x) * _hard_sigmoid(x)


@of_one_number
def _hard_silu_gradient(g: Any, x: Any) -> Any:
    outside = g if x > _ZERO else _ZERO
    return g * (x / _F(3.0) + _F(0.5)) if abs(x) < _F(3.0) else outside


hard_silu = Mapped(_hard_silu, lambda x: np.maximum(x, -3) * np.clip(np.divide(x, 6) + 0.5, 0, 1))
hard_silu_gradient = MappedPair(
    _hard_silu_gradient,
    lambda g, x: np.where(np.abs(x) < 3, g * (np.clip(x, -3, 3) / 3 + 0.5), np.where(x > 0, g, 0)),
)

# --- exponentials ---------------------------------------------------------------------------


@of_one_number
def _exp(x: Any) -> Any:
    return vm.exp(x)


@of_one_number
def _exp_gradient(g: Any, y: Any) -> Any:
    return g * y


exp = Mapped(_exp, np.exp)
exp_gradient = MappedPair(_exp_gradient, lambda g, y: g * y)


@of_one_number
def _exponential_unit(x: Any, above: Any, below: Any, rate: Any) -> Any:
    return above * x if x > _ZERO else below * vm.expm1(rate * x)


@of_one_number
def _exponential_unit_gradient(g: Any, x: Any, above: Any, below: Any, rate: Any) -> Any:
    return g * (above if x > _ZERO else below * rate * vm.exp(rate * x))


#: ``above * x`` where that is positive, ``below * (exp(rate * x) - 1)`` elsewhere.
exponential_unit = Mapped(
    _exponential_unit,
    lambda x, above, below, rate: np.where(
        np.greater(x, 0), np.multiply(above, x), below * np.expm1(rate * np.minimum(x, 0))
    ),
)
exponential_unit_gradient = MappedPair(
    _exponential_unit_gradient,
    lambda g, x, above, below, rate: (
        g * np.where(x > 0, above, below * rate * np.exp(rate * np.minimum(x, 0)))
    ),
)

# --- S-shaped functions and what is made of them --------------------------------------------


def sigmoid_formula(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    # Where exp(-x) overflows the quotient is 0, as it should be; tanh(x / 2) would round there.
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-np.asarray(x)))


def softplus_formula(x: Any) -> Any:
    """``log(1 + exp(x))``."""
    # A NaN passes through, but NumPy would warn of it.
    with np.errstate(invalid="ignore"):
        return np.logaddexp(x, np.zeros((), np.asarray(x).dtype))


@of_one_number
def _sigmoid(x: Any) -> Any:
    return vm.sigmoid(x)


@of_one_number
def _sigmoid_gradient(g: Any, y: Any) -> Any:
    return g * (y * (_ONE - y))


sigmoid = Mapped(_sigmoid, sigmoid_formula)
sigmoid_gradient = MappedPair(_sigmoid_gradient, lambda g, y: g * y * (1 - y))


@of_one_number
def _tanh(x: Any) -> Any:
    return vm.tanh(x)


@of_one_number
def _tanh_gradient(g: Any, y: Any) -> Any:
    return g * (_ONE - y * y)


tanh = Mapped(_tanh, np.tanh)
tanh_gradient = MappedPair(_tanh_gradient, lambda g, y: g * (1 - y * y))


@of_one_number
def _softplus(x: Any) -> Any:
    return vm.softplus(x)


@of_one_number
def _softplus_gradient(g: Any, x: Any) -> Any:
    return g * vm.sigmoid(x)


softplus = Mapped(_softplus, softplus_formula)
softplus_gradient = MappedPair(_softplus_gradient, lambda g, x: g * sigmoid_formula(x))


@of_one_number
def _softsign(x: Any) -> Any:
    x = _clipped(x, _F(-1e17), _F(1e17))
    return x / (_ONE + abs(x))


@of_one_number
def _softsign_gradient(g: Any, x: Any) -> Any:
    slope = _ONE / (_ONE + abs(x))
    return g * (slope * slope)


softsign = Mapped(
    _softsign, lambda x: np.clip(x, -1e17, 1e17) / (1 + np.abs(np.clip(x, -1e17, 1e17)))
)
softsign_gradient = MappedPair(_softsign_gradient, lambda g, x: g * np.square(1 / (1 + np.abs(x))))


@of_one_number
def _above(x: Any) -> Any:
    return -_FAR if x < -_FAR else x


@of_one_number
def _silu(x: Any) -> Any:
    return _above(x) * vm.sigmoid(x)


@of_one_number
def _silu_gradient(g: Any, x: Any) -> Any:
    gate = vm.sigmoid(x)
    return g * (gate + _clipped(x, -_FAR, _FAR) * (gate * (_ONE - gate)))


def _silu_slope(x: Any) -> Any:
    gate = sigmoid_formula(x)
    return gate + np.clip(x, -FAR, FAR) * gate * (1 - gate)


silu = Mapped(_silu, lambda x: np.maximum(x, -FAR) * sigmoid_formula(x))
silu_gradient = MappedPair(_silu_gradient, lambda g, x: g * _silu_slope(x))


@of_one_number
def _mish(x: Any) -> Any:
    # With e = exp(x), tanh(log(1 + e)) is n / (n + 2) for n = e (e + 2).
    e = vm.exp(_F(30.0) if x > _F(30.0) else x)
    n = e * (e + _F(2.0))
    return _above(x) * (n / (n + _F(2.0)))


@of_one_number
def _mish_gradient(g: Any, x: Any) -> Any:
    e = vm.exp(_F(30.0) if x > _F(30.0) else x)
    n = e * (e + _F(2.0))
    gate, rest = n / (n + _F(2.0)), _F(2.0) / (n + _F(2.0))
    # 1 - gate**2 is the product of 1 - gate, which is `rest`, and 1 + gate.
    slope = e / (_ONE + e) * rest * (_ONE + gate)
    return g * (gate + _clipped(x, -_FAR, _FAR) * slope)


def _mish_slope(x: Any) -> Any:
    gate = np.tanh(softplus_formula(x))
    return gate + np.clip(x, -FAR, FAR) * sigmoid_formula(x) * (1 - gate * gate)


mish = Mapped(_mish, lambda x: np.maximum(x, -FAR) * np.tanh(softplus_formula(x)))
mish_gradient = MappedPair(_mish_gradient, lambda g, x: g * _mish_slope(x))

# --- Gaussian error linear units ------------------------------------------------------------

_DENSITY_AT_ZERO = _F(math.sqrt(0.5 / math.pi))


@of_one_number
def _gelu(x: Any) -> Any:
    return vm.gelu(x)


@of_one_number
def _gelu_gradient(g: Any, x: Any) -> Any:
    bell = vm.bell(x)
    return g * (vm.normal_cdf(x, bell) + _clipped(x, -_FAR, _FAR) * (bell * _DENSITY_AT_ZERO))


def normal_cdf_formula(x: Any) -> Any:
    """Probability that a standard normal value is below x, exact in both tails."""
    # SciPy takes longer to import than all of Layerscope.
    from scipy import special

    return special.ndtr(x)


def _gelu_slope(x: Any) -> Any:
    near = np.clip(x, -FAR, FAR)
    density = math.sqrt(0.5 / math.pi) * np.exp(-0.5 * np.square(np.clip(x, -40, 40)))
    return normal_cdf_formula(x) + near * density


gelu = Mapped(_gelu, lambda x: np.maximum(x, -FAR) * normal_cdf_formula(x))
gelu_gradient = MappedPair(_gelu_gradient, lambda g, x: g * _gelu_slope(x))

#: The argument of the sigmoid that is nearly the normal distribution function.
_LINEAR, _CUBIC = math.sqrt(8 / math.pi), math.sqrt(8 / math.pi) * 0.044715
_LINEAR_F, _CUBIC_F, _SLOPE_F = _F(_LINEAR), _F(_CUBIC), _F(3 * _CUBIC)


@of_one_number
def _gelu_tanh(x: Any) -> Any:
    near = _clipped(x, -_FAR, _FAR)
    # sigmoid(2 z) is (1 + tanh(z)) / 2 without its cancellation.
    return _above(x) * vm.sigmoid(near * (_LINEAR_F + _CUBIC_F * (near * near)))


@of_one_number
def _gelu_tanh_gradient(g: Any, x: Any) -> Any:
    near = _clipped(x, -_FAR, _FAR)
    square = near * near
    gate = vm.sigmoid(near * (_LINEAR_F + _CUBIC_F * square))
    slope = near * (_LINEAR_F + _SLOPE_F * square)
    return g * (gate + slope * (gate * (_ONE - gate)))


def _gelu_tanh_gate(near: Any) -> Any:
    return sigmoid_formula(near * (_LINEAR + _CUBIC * near * near))


def _gelu_tanh_slope(x: Any) -> Any:
    near = np.clip(x, -FAR, FAR)
    gate = _gelu_tanh_gate(near)
    return gate + near * (_LINEAR + 3 * _CUBIC * near * near) * gate * (1 - gate)


gelu_tanh = Mapped(
    _gelu_tanh, lambda x: np.maximum(x, -FAR) * _gelu_tanh_gate(np.clip(x, -FAR, FAR))
)
gelu_tanh_gradient = MappedPair(_gelu_tanh_gradient, lambda g, x: g * _gelu_tanh_slope(x))
