"""Exact densities: they integrate to 1 and are what the initializers draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from layerscope import initializers
from layerscope_explorer.densities import density_of, moments_of, point_mass_of

CASES = [
    (initializers.RandomNormal(mean=0.3, stddev=0.2), (40, 50)),
    (initializers.RandomUniform(minval=-0.2, maxval=0.7), (40, 50)),
    (initializers.TruncatedNormal(mean=-1.0, stddev=0.5), (40, 50)),
    (initializers.VarianceScaling(), (40, 50)),
    (
        initializers.VarianceScaling(scale=2.0, mode="fan_out", distribution="untruncated_normal"),
        (3, 3, 8, 16),
    ),
    (initializers.VarianceScaling(mode="fan_avg", distribution="uniform"), (5, 4, 8)),
    (initializers.GlorotUniform(), (40, 50)),
    (initializers.GlorotNormal(), (3, 3, 8, 16)),
    (initializers.HeNormal(), (3, 3, 8, 16)),
    (initializers.HeUniform(), (40, 50)),
    (initializers.LecunNormal(), (40, 50)),
    (initializers.LecunUniform(), (3, 3, 8, 16)),
    (initializers.Orthogonal(gain=1.5), (4, 4)),
    (initializers.Orthogonal(), (3, 3, 8, 16)),
    (initializers.Orthogonal(gain=0.5), (16, 64)),
]
IDS = [f"{type(initializer).__name__}-{shape}" for initializer, shape in CASES]


def exact(initializer, shape, n=201):
    density = density_of(initializer, shape, n)
    assert density is not None
    return density


def drawn(initializer, shape, n=60_000):
    # Initializers repeat themselves for the same seed, so each draw gets its own.
    kind, config = type(initializer), initializer.get_config()
    times = math.ceil(n / math.prod(shape))
    draws = [kind(**{**config, "seed": seed})(shape).ravel() for seed in range(times)]
    return np.concatenate(draws).astype(np.float64)


@pytest.mark.parametrize(("initializer", "shape"), CASES, ids=IDS)
def test_integrates_to_one(initializer, shape):
    x, pdf = exact(initializer, shape)
    assert x.shape == pdf.shape == (201,)
    assert x.dtype == pdf.dtype == np.float32
    assert (np.diff(x) >= 0).all()
    assert abs(integrate.trapezoid(pdf.astype(float), x.astype(float)) - 1.0) < 2e-3


@pytest.mark.parametrize(("initializer", "shape"), CASES, ids=IDS)
def test_is_what_the_initializer_draws(initializer, shape):
    x, pdf = (part.astype(np.float64) for part in exact(initializer, shape))
    values = drawn(initializer, shape)
    mean, std = moments_of((x, pdf))
    assert abs(values.mean() - mean) < 0.02 * std
    assert abs(values.std() / std - 1.0) < 0.02
    # The largest distance between both distribution functions (Kolmogorov-Smirnov).
    reached = integrate.cumulative_trapezoid(pdf, x, initial=0.0)
    distance = stats.kstest(values, lambda at: np.interp(at, x, reached)).statistic
    assert distance < 0.012


@pytest.mark.parametrize("fan", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("kind", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_is_scale_over_fan(fan, kind):
    n = {"fan_in": 9 * 4, "fan_out": 9 * 6, "fan_avg": 9 * 5}[fan]
    initializer = initializers.VarianceScaling(scale=1.7, mode=fan, distribution=kind)
    _, std = moments_of(exact(initializer, (3, 3, 4, 6)))
    assert std == pytest.approx(math.sqrt(1.7 / n), rel=3e-3)


def test_truncated_normal_stops_at_two_standard_deviations():
    x, pdf = exact(initializers.TruncatedNormal(stddev=0.1), (4, 4))
    assert (x[0], x[-1]) == pytest.approx((-0.2, 0.2))
    assert (pdf[0], pdf[-1]) == (0.0, 0.0)
    middle = np.argmax(pdf)
    assert pdf[middle] == pytest.approx(stats.truncnorm.pdf(0.0, -2, 2, scale=0.1), rel=1e-4)


@pytest.mark.parametrize("m", [2, 3, 4, 64, 4096])
def test_orthogonal_spread_is_one_over_root_m(m):
    _, std = moments_of(exact(initializers.Orthogonal(), (m, 2), 2001))
    assert std == pytest.approx(1.0 / math.sqrt(m), rel=0.02)


@pytest.mark.parametrize(
    ("initializer", "value"),
    [
        (initializers.Zeros(), 0.0),
        (initializers.Ones(), 1.0),
        (initializers.Constant(0.25), 0.25),
        (initializers.RandomNormal(mean=2.0, stddev=0.0), 2.0),
        (initializers.TruncatedNormal(mean=2.0, stddev=0.0), 2.0),
        (initializers.RandomUniform(minval=0.5, maxval=0.5), 0.5),
        (initializers.Orthogonal(gain=0.0), 0.0),
    ],
)
def test_single_values_are_point_masses(initializer, value):
    assert point_mass_of(initializer, (4, 4)) == value
    assert density_of(initializer, (4, 4)) is None


class Own(initializers.RandomNormal):
    def __call__(self, shape, dtype=None):
        return np.ones(shape, dtype="float32")


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        (initializers.Identity(), (4, 4)),
        (Own(), (4, 4)),
        (lambda shape, dtype=None: np.zeros(shape), (4, 4)),
        (None, (4, 4)),
        (initializers.Orthogonal(), (4,)),
        (initializers.Orthogonal(), (1, 1)),
    ],
)
def test_what_has_no_formula_has_none(initializer, shape):
    assert density_of(initializer, shape) is None
    assert point_mass_of(initializer, shape) is None


def concrete_initializers():
    kinds = {kind for kind in vars(initializers).values() if isinstance(kind, type)}
    return sorted(
        (
            kind
            for kind in kinds
            if issubclass(kind, initializers.Initializer) and not kind.__name__.startswith("_")
        ),
        key=lambda kind: kind.__name__,
    )


@pytest.mark.parametrize("kind", concrete_initializers(), ids=lambda kind: kind.__name__)
def test_every_initializer_of_the_core_has_an_answer(kind):
    if kind in (initializers.Initializer, initializers.Identity, initializers.STFT):
        return
    has_density = density_of(kind(), (8, 8)) is not None
    has_point = point_mass_of(kind(), (8, 8)) is not None
    assert has_density != has_point
