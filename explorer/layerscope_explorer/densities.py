"""The exact distribution an initializer draws from, to lay over what it did draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers
from layerscope.initializers import TRUNCATED_STDDEV

__all__ = ["density_of", "moments_of", "point_mass_of"]

Density = tuple[NDArray[np.float32], NDArray[np.float32]]

_TRUNCATED_MASS = math.erf(2.0 / math.sqrt(2.0))


def density_of(initializer: Any, shape: tuple[int, ...], n: int = 201) -> Density | None:
    """Return `(x, pdf)` of the distribution each weight is drawn from, float32 `(n,)` each.

    None when there is no such curve: for a single value (see `point_mass_of`), for `Identity`
    and `STFT`, and for initializers that draw in a way of their own, a user's subclass among them.

    Parameters
    ----------
    initializer
        An initializer of the core, or any other callable.
    shape
        Shape of the weight, which decides the fans.
    n
        Number of points. A distribution with a sharp end starts or stops with pdf 0 there.
    """
    if not _is_known(initializer) or point_mass_of(initializer, shape) is not None:
        return None
    match initializer:
        case initializers.RandomNormal(mean=mean, stddev=stddev):
            return _normal(mean, stddev, n)
        case initializers.TruncatedNormal(mean=mean, stddev=stddev):
            return _truncated_normal(mean, stddev, n)
        case initializers.RandomUniform(minval=low, maxval=high):
            return _uniform(min(low, high), max(low, high), n)
        case initializers.Orthogonal(gain=gain):
            return _orthogonal(gain, shape, n)
    if hasattr(initializer, "variance") and hasattr(initializer, "distribution"):
        return _variance_scaled(initializer.distribution, initializer.variance(shape), n)
    return None


def point_mass_of(initializer: Any, shape: tuple[int, ...]) -> float | None:
    """Return the one value the initializer fills a weight of this shape with, if there is one.

    A distribution of no width (a normal with `stddev=0`) counts as its mean.
    """
    if not _is_known(initializer):
        return None
    match initializer:
        case initializers.Zeros() | initializers.Orthogonal(gain=0):
            return 0.0
        case initializers.Ones():
            return 1.0
        case initializers.Constant(value=value):
            return float(value) if np.ndim(value) == 0 else None
        case initializers.RandomNormal(mean=mean, stddev=0):
            return float(mean)
        case initializers.TruncatedNormal(mean=mean, stddev=0):
            return float(mean)
        case initializers.RandomUniform(minval=low, maxval=high) if low == high:
            return float(low)
    return None


def moments_of(density: tuple[NDArray[Any], NDArray[Any]]) -> tuple[float, float]:
    """Return the mean and standard deviation of a density given as points `(x, pdf)`.

    The curve is taken as straight between its points, and integrated exactly.
    """
    x = np.asarray(density[0], dtype=np.float64)
    pdf = np.asarray(density[1], dtype=np.float64)
    if x.size < 2:
        return float("nan"), float("nan")
    # Simpson's rule is exact for the cubic x^2 * (straight line) between two points.
    width = np.diff(x)
    middle, middle_pdf = 0.5 * (x[1:] + x[:-1]), 0.5 * (pdf[1:] + pdf[:-1])

    def integral(power: int, origin: float) -> float:
        ends = pdf * (x - origin) ** power
        inner = 4.0 * middle_pdf * (middle - origin) ** power
        return float((width * (ends[1:] + ends[:-1] + inner)).sum() / 6.0)

    mass = integral(0, 0.0)
    if not mass > 0.0:
        return float("nan"), float("nan")
    mean = integral(1, 0.0) / mass
    return mean, math.sqrt(max(0.0, integral(2, mean) / mass))


def _is_known(initializer: Any) -> bool:
    """Whether what is drawn is decided by the core's own code, not by a subclass's."""
    if not callable(initializer):
        return False
    draw = type(initializer).__call__
    return getattr(draw, "__module__", "") == initializers.__name__


def _normal(mean: float, std: float, n: int) -> Density:
    z = np.linspace(-4.5, 4.5, n)
    pdf = np.exp(-0.5 * z * z) / (std * math.sqrt(2.0 * math.pi))
    return _density(mean + std * z, pdf)


def _truncated_normal(mean: float, std: float, n: int) -> Density:
    z = np.linspace(-2.0, 2.0, n - 2)
    pdf = np.exp(-0.5 * z * z) / (std * math.sqrt(2.0 * math.pi) * _TRUNCATED_MASS)
    return _density(*_with_sharp_ends(mean + std * z, pdf))


def _uniform(low: float, high: float, n: int) -> Density:
    x = np.linspace(low, high, n - 2)
    return _density(*_with_sharp_ends(x, np.full(n - 2, 1.0 / (high - low))))


def _variance_scaled(distribution: str, variance: float, n: int) -> Density:
    """Scaled to the fans: Keras `VarianceScaling`; Glorot & Bengio 2010, He et al. 2015."""
    if distribution == "uniform":
        limit = math.sqrt(3.0 * variance)
        return _uniform(-limit, limit, n)
    if distribution == "untruncated_normal":
        return _normal(0.0, math.sqrt(variance), n)
    return _truncated_normal(0.0, math.sqrt(variance) / TRUNCATED_STDDEV, n)


def _orthogonal(gain: float, shape: tuple[int, ...], n: int) -> Density | None:
    """One coordinate of a uniformly random unit vector in m dimensions, times the gain.

    With m the larger side of the flattened matrix, the vectors drawn are columns (or rows) of a
    Haar-distributed orthogonal matrix (Mezzadri 2007, "How to generate random matrices from the
    classical compact groups"), each uniform on the unit sphere. A coordinate t is z_1 / |z| for
    independent unit normals z_1 ... z_m, so t^2 follows Beta(1/2, (m - 1)/2), and t itself has
    density proportional to (1 - t^2)^((m - 3) / 2) on [-1, 1].
    """
    m = max(math.prod(shape[:-1]), shape[-1]) if len(shape) >= 2 else 0
    if m < 2:
        return None
    log_scale = math.lgamma(0.5 * m) - math.lgamma(0.5 * (m - 1)) - 0.5 * math.log(math.pi)
    if m <= 3:
        # Points gather at the ends, where the density of m = 2 is infinite.
        t = np.sin(np.linspace(-0.5 * math.pi, 0.5 * math.pi, n)[1:-1])
    else:
        reach = min(1.0, 4.5 / math.sqrt(m))
        t = np.linspace(-reach, reach, n)[1:-1]
    pdf = np.exp(log_scale + 0.5 * (m - 3) * np.log1p(-t * t))
    gain = abs(gain)
    return _density(*_with_sharp_ends(gain * t, pdf / gain))


def _with_sharp_ends(
    x: NDArray[np.float64], pdf: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.concatenate((x[:1], x, x[-1:])), np.concatenate(([0.0], pdf, [0.0]))


def _density(x: NDArray[np.float64], pdf: NDArray[np.float64]) -> Density:
    return x.astype(np.float32), pdf.astype(np.float32)
