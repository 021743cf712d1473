"""Functions of one number that LLVM turns into vector instructions inside compiled loops.

Numba's own call the C library for every single number. In single precision these are short
polynomials and quotients of polynomials without a branch, fitted for the smallest relative error;
in other types, and where a loop runs as plain Python, NumPy's functions take their place. A NaN
stays one, and limits are reached exactly.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled.jit import ENABLED, native

#: What may be done to a formula: products and sums may become one instruction.
CONTRACTED = {"contract", "nsz"}
#: The same, and to sums: their order.
SUMMED = {*CONTRACTED, "reassoc"}

_F = np.float32
_I = np.int32

# --- what the functions are, of any type ----------------------------------------------------


def exp(x: Any) -> Any:
    """``e**x``."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """``e**x - 1``, exact near zero."""
    return np.expm1(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + e**-x)``."""
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return np.tanh(x)


def softplus(x: Any) -> Any:
    """``log(1 + e**x)``."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0)


def erf(x: Any) -> Any:
    """Error function."""
    return math.erf(x)


def bell(x: Any) -> Any:
    """``exp(-x**2 / 2)``."""
    return np.exp(-0.5 * (x * x))


def normal_cdf(x: Any, density: Any) -> Any:
    """Probability that a standard normal value is below `x`, exact in both tails.

    `density` is the `bell` of x, which who needs the one often needs as well.
    """
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def gelu(x: Any) -> Any:
    """``x`` times the probability that a standard normal value is below `x`, 0 for -inf."""
    return max(x, -1e4) * 0.5 * math.erfc(-x * math.sqrt(0.5))


# --- single precision -----------------------------------------------------------------------


def _in_single_precision(general: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Let compiled loops that call `general` with float32 use the decorated function."""

    def decorate(fast: Callable[..., Any]) -> Callable[..., Any]:
        if ENABLED:
            from numba import types
            from numba.extending import overload

            def chosen(*arguments: Any) -> Callable[..., Any]:
                return fast if arguments[0] == types.float32 else general

            # Numba looks at the signature of what chooses, too.
            chosen.__signature__ = inspect.signature(general)  # type: ignore[attr-defined]
            options: Any = {"error_model": "numpy", "fastmath": CONTRACTED}
            overload(general, jit_options=options)(chosen)
        return fast

    return decorate


@native(fastmath=CONTRACTED)
def _limited(x: Any, low: Any, high: Any) -> Any:
    """Return `x` within limits; comparing this way lets a NaN pass."""
    x = low if x < low else x
    return high if x > high else x


@native(fastmath=CONTRACTED)
def _reduced(x: Any) -> Any:
    """Return q, -0.3 to 0.42, with ``e**x = 2**n * (1 + q)``, and a float with n at its end."""
    # So large a summand leaves no place behind the point.
    large = _F(12582912.0)
    whole = _F(x * _F(1.4426950408889634) + large)
    n = whole - large
    # The logarithm of two in two parts, the first of so few bits that its product is exact.
    r = x - n * _F(0.693359375) + n * _F(2.12194440e-4)
    # Halves of a polynomial do not wait for each other.
    square = r * r
    p = _F(1.39464509e-3) * square + (_F(8.36658404e-3) * r + _F(0.041666282))
    p = p * square + (_F(0.16666543) * r + _F(0.5))
    return p * square + r, whole.view(np.int32)


@native(fastmath=CONTRACTED)
def _power(whole: Any) -> Any:
    """Return n from the last bits of a float."""
    return _I(whole - _I(0x4B400000))


@native(fastmath=CONTRACTED)
def _power_of_two(n: Any) -> Any:
    return _I((n + _I(127)) << _I(23)).view(np.float32)


@_in_single_precision(exp)
def _exp(x: Any) -> Any:
    q, whole = _reduced(_limited(x, _F(-104.0), _F(89.0)))
    n = _power(whole)
    # In two factors, as neither overflows nor underflows before the result does.
    half = _I(n >> _I(1))
    return (q + _F(1.0)) * _power_of_two(half) * _power_of_two(_I(n - half))


@_in_single_precision(expm1)
def _expm1(x: Any) -> Any:
    q, whole = _reduced(_limited(x, _F(-20.0), _F(89.0)))
    half = _power_of_two(_I(_power(whole) - _I(1)))
    return _F(2.0) * (half * q + (half - _F(0.5)))


@_in_single_precision(sigmoid)
def _sigmoid(x: Any) -> Any:
    q, whole = _reduced(_limited(-x, _F(-86.0), _F(89.0)))
    half = _power_of_two(_I(_power(whole) - _I(1)))
    return _F(1.0) / (_F(2.0) * (half * (q + _F(1.0))) + _F(1.0))


@_in_single_precision(tanh)
def _tanh(x: Any) -> Any:
    # A quotient of polynomials would be shorter, but loses two bits on the way to one.
    e = expm1(_F(-2.0) * abs(x))
    return _F(math.copysign(e / (e + _F(2.0)), x))


@_in_single_precision(erf)
def _erf(x: Any) -> Any:
    z = x * x
    p = _F(-5.63142232e-4)
    p = p * z + _F(4.91755153e-3)
    p = p * z + _F(-0.0267113115)
    p = p * z + _F(0.112801801)
    p = p * z + _F(-0.376123262)
    p = p * z + _F(1.12837912)
    # From one on what is missing to one is small, and so are its errors.
    far = abs(x) * _F(-1.41421356)
    missing = _F(2.0) * normal_cdf(far, bell(far))
    return x * p if z < _F(1.0) else _F(math.copysign(_F(1.0) - missing, x))


@_in_single_precision(softplus)
def _softplus(x: Any) -> Any:
    # log(1 + e) / e between 0 and 1.
    e = exp(-abs(x))
    p = _F(0.123764372)
    p = p * e + _F(0.867193673)
    p = p * e + _F(0.999999981)
    q = _F(0.0310945656)
    q = q * e + _F(0.474059033)
    q = q * e + _F(1.36719173)
    q = q * e + _F(1.0)
    return e * p / q + (_F(0.0) if x < _F(0.0) else x)


@native(fastmath=CONTRACTED)
def _near_power(power: Any) -> Any:
    """Return p, 0.7 to 1.42, with ``2**power = 2**n * p``, and a float with n at its end."""
    large = _F(12582912.0)
    whole = _F(power + large)
    r = power - (whole - large)
    square = r * r
    p = _F(1.32646654e-3) * r + _F(9.6715126e-3)
    p = p * square + (_F(0.0555073389) * r + _F(0.240222421))
    p = p * square + (_F(0.693146978) * r + _F(1.0))
    return p, whole.view(np.int32)


@native(fastmath=CONTRACTED)
def _halves(x: Any) -> Any:
    """Return the power of two that the `bell` of `x` is."""
    # What this product loses grows with the square, as does what rounding the square costs.
    return _F(-0.72134752) * (x * x)


@_in_single_precision(bell)
def _bell(x: Any) -> Any:
    power = _halves(x)
    # So small a power of two is none: there is no exponent for it.
    p, whole = _near_power(_F(-127.0) if power < _F(-127.0) else power)
    return p * _power_of_two(_power(whole))


@native(fastmath=CONTRACTED)
def _beyond(t: Any) -> Any:
    """Return p, q: a standard normal value lies beyond `t` >= 0 by ``bell(t) * p / q``."""
    p = _F(4.11630478e-3)
    p = p * t + _F(0.0406332043)
    p = p * t + _F(0.183235083)
    p = p * t + _F(0.438294893)
    p = p * t + _F(0.5)
    q = _F(0.0103179262)
    q = q * t + _F(0.101858786)
    q = q * t + _F(0.469470482)
    q = q * t + _F(1.20250294)
    q = q * t + _F(1.67447477)
    q = q * t + _F(1.0)
    return p, q


@_in_single_precision(normal_cdf)
def _normal_cdf(x: Any, density: Any) -> Any:
    p, q = _beyond(_limited(abs(x), _F(0.0), _F(15.0)))
    # The quotient does not wait for the density.
    beyond = p / q * density
    return _F(1.0) - beyond if x > _F(0.0) else beyond


@_in_single_precision(gelu)
def _gelu(x: Any) -> Any:
    # Past this point what is taken off would have fewer bits, and is nothing.
    t = abs(x)
    t = t if t < _F(13.1) else _F(0.0)
    above, below = _beyond(t)
    # So near, an exponent is as good as a product. The quotient does not wait for the bell.
    p, whole = _near_power(_halves(t))
    near_bell = _I(_F(p).view(np.int32) + _I(whole << _I(23))).view(np.float32)
    return (_F(0.0) if x < _F(0.0) else x) - t * above / below * near_bell
