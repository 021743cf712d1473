"""How weights start: moments, bounds, seeds, names."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import initializers, registry
from layerscope.configurable import fields_of
from layerscope.initializers import TRUNCATED_STDDEV, compute_fans

SHAPE = (300, 200)
WRONG: Any = "x"
BUILT_IN = list(registry.subclasses(initializers.Initializer))
RANDOM = [cls for cls in BUILT_IN if hasattr(cls, "_draw_seed")]

#: Standard deviation of what is drawn for SHAPE.
DEVIATIONS: dict[str, float] = {
    "RandomNormal": 0.05,
    "RandomUniform": 0.1 / math.sqrt(12),
    "TruncatedNormal": 0.05 * TRUNCATED_STDDEV,
    "VarianceScaling": math.sqrt(1 / 300),
    "GlorotUniform": math.sqrt(2 / 500),
    "GlorotNormal": math.sqrt(2 / 500),
    "HeUniform": math.sqrt(2 / 300),
    "HeNormal": math.sqrt(2 / 300),
    "LecunUniform": math.sqrt(1 / 300),
    "LecunNormal": math.sqrt(1 / 300),
    "Orthogonal": math.sqrt(1 / 300),
}


@pytest.mark.parametrize("cls", RANDOM)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_and_deviation(cls: Any, dtype: str) -> None:
    values = cls(seed=1)(SHAPE, dtype=dtype)
    assert values.dtype == dtype
    assert values.shape == SHAPE
    expected = DEVIATIONS[cls.__name__]
    # Sixty thousand draws: one percent is more than three standard errors.
    assert values.std() == pytest.approx(expected, rel=0.01)
    assert abs(values.mean()) < 4 * expected / math.sqrt(values.size)


@pytest.mark.parametrize("name", ["GlorotUniform", "HeUniform", "LecunUniform", "RandomUniform"])
def test_uniform_bounds(name: str) -> None:
    values = initializers.get(name)(SHAPE)
    limit = math.sqrt(3) * DEVIATIONS[name]
    assert np.abs(values).max() <= limit * (1 + 1e-6)
    assert np.abs(values).max() > 0.99 * limit


@pytest.mark.parametrize("name", ["GlorotNormal", "HeNormal", "LecunNormal", "TruncatedNormal"])
def test_truncation_at_two_deviations(name: str) -> None:
    values = initializers.get(name)(SHAPE)
    before_the_cut = DEVIATIONS[name] / TRUNCATED_STDDEV
    assert np.abs(values).max() <= 2 * before_the_cut * (1 + 1e-6)
    assert np.abs(values).max() > 1.9 * before_the_cut


def test_untruncated_normal_has_tails() -> None:
    values = initializers.VarianceScaling(distribution="untruncated_normal", seed=0)(SHAPE)
    assert np.abs(values).max() > 3 * math.sqrt(1 / 300)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling(mode: Any, distribution: Any) -> None:
    drawn = initializers.VarianceScaling(2.5, mode, distribution, seed=3)
    fan = {"fan_in": 300, "fan_out": 200, "fan_avg": 250}[mode]
    assert drawn.variance(SHAPE) == pytest.approx(2.5 / fan)
    assert drawn(SHAPE).var() == pytest.approx(2.5 / fan, rel=0.02)


def test_fans() -> None:
    shapes = [(), (7,), (3, 5), (3, 3, 8, 16), (2, 3, 4, 5, 6)]
    assert [compute_fans(shape) for shape in shapes] == [
        (1, 1),
        (7, 7),
        (3, 5),
        (72, 144),
        (120, 144),
    ]
    assert compute_fans((3, 4, 5), input_axes=0, output_axes=(1, 2)) == (3, 20)
    assert compute_fans((2, 3, 4), input_axes=1) == (6, 8)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (2, 2, 3, 5), (5, 5)])
def test_orthogonality(shape: tuple[int, ...]) -> None:
    w = initializers.Orthogonal(gain=2.0, seed=1)(shape).reshape(-1, shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_constants() -> None:
    assert (initializers.Zeros()((2, 3)) == 0).all()
    assert (initializers.Ones()((2, 3)) == 1).all()
    assert (initializers.Constant(0.5)((2, 3)) == 0.5).all()
    np.testing.assert_array_equal(
        initializers.Identity(gain=2.0)((2, 3)), [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    )
    assert initializers.Ones()((2,), dtype="int32").dtype == np.int32


def test_waves_under_a_window() -> None:
    window = np.array([1.0, 2.0, 3.0, 2.0])
    waves = initializers.STFT("imag", window, "spectrum")((4, 1, 3), "float64")
    expected = np.fft.rfft(np.eye(4) * window / 8, axis=1).imag
    np.testing.assert_allclose(waves[:, 0], expected, atol=1e-15)
    # One frequency is the constant one; a window of two steps is zero at both ends.
    np.testing.assert_array_equal(initializers.STFT(window=None)((3, 1, 1)), np.ones((3, 1, 1)))
    np.testing.assert_array_equal(initializers.STFT()((2, 1, 2)), np.zeros((2, 1, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: initializers.STFT(WRONG), "'real' or 'imag', not x"),
        (lambda: initializers.STFT(scaling=WRONG), "scaling=x"),
        (lambda: initializers.STFT(window="hat"), "`window`.*window='hat'"),
        (lambda: initializers.STFT(window="kaiser"), "`window`.*must have parameters"),
        (lambda: initializers.STFT(window=3), "`window` must be.*window=3"),
        (lambda: initializers.STFT()((3, 4)), r"\(3, 4\)"),
        (lambda: initializers.STFT()((3, 2, 4)), r"\(steps, 1, frequencies\)"),
        (lambda: initializers.STFT(window=[1, 2])((3, 1, 4)), "frame_length=3"),
    ],
)
def test_what_has_no_waves(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- seeds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", RANDOM)
def test_seeds(cls: Any) -> None:
    def repeats(one: Any, other: Any) -> bool:
        return bool((one((3, 4)) == other((3, 4))).all())

    seeded, unseeded = cls(seed=7), cls()
    assert repeats(seeded, seeded)
    assert repeats(unseeded, unseeded)  # a seed was fixed when it was made
    assert repeats(cls(seed=7), seeded)
    assert not repeats(cls(), unseeded)
    generator = ls.random.SeedGenerator(7)
    assert not repeats(cls(seed=generator), cls(seed=generator))
    assert unseeded.get_config()["seed"] is None
    assert not repeats(unseeded.clone(), unseeded)
    assert repeats(seeded.clone(), seeded)
    ls.utils.set_random_seed(5)
    first = cls()((3, 4))
    ls.utils.set_random_seed(5)
    np.testing.assert_array_equal(cls()((3, 4)), first)


@pytest.mark.parametrize("cls", RANDOM)
@pytest.mark.parametrize("seed", ["x", 1.5, True, [1]])
def test_bad_seeds(cls: Any, seed: Any) -> None:
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        cls(seed=seed)


# --- names and configs ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BUILT_IN)
def test_declaration(cls: Any) -> None:
    assert cls.formula
    assert cls.__doc__
    for field in fields_of(cls):
        assert field.help.endswith(".")


@pytest.mark.parametrize("cls", BUILT_IN)
def test_config_round_trip(cls: Any) -> None:
    options = {"seed": 4} if cls in RANDOM else {}
    made = cls(**options)
    config = json.loads(json.dumps(initializers.serialize(made)))
    for found in (
        initializers.deserialize(config),
        initializers.get(config),
        cls.from_config(json.loads(json.dumps(made.get_config()))),
        initializers.deserialize({"class_name": cls.__name__, "config": made.get_config()}),
    ):
        assert type(found) is cls
        shape = (3, 1, 4) if cls is initializers.STFT else (3, 4)
        np.testing.assert_array_equal(found(shape), made(shape))


def test_a_seed_generator_survives_the_config() -> None:
    made = initializers.RandomNormal(seed=ls.random.SeedGenerator(3))
    copy = initializers.deserialize(json.loads(json.dumps(initializers.serialize(made))))
    np.testing.assert_array_equal(copy((3,)), made((3,)))


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("uniform", "RandomUniform"),
        ("normal", "RandomNormal"),
        ("zeros", "Zeros"),
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("GlorotUniform", "GlorotUniform"),
        ("glorot_uniform", "GlorotUniform"),
        ("orthogonal", "Orthogonal"),
        ("IdentityInitializer", "Identity"),
        ("truncated_normal", "TruncatedNormal"),
        (initializers.Zeros, "Zeros"),
        (initializers.HeNormal(), "HeNormal"),
    ],
)
def test_names(identifier: Any, name: str) -> None:
    assert type(initializers.get(identifier)).__name__ == name


def test_functions_and_none() -> None:
    def own(shape: Any, dtype: Any = None) -> np.ndarray:
        return np.ones(shape)

    assert initializers.get(own) is own
    assert initializers.get(None) is None


@pytest.mark.parametrize("identifier", ["nope", 3])
def test_unknown_names(identifier: Any) -> None:
    with pytest.raises(ValueError, match=r"Could not interpret initializer.*GlorotUniform"):
        initializers.get(identifier)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: initializers.VarianceScaling(distribution="x"), "'x'"),
        (lambda: initializers.VarianceScaling(mode=WRONG), "fan_avg"),
        (lambda: initializers.VarianceScaling(scale=0), "greater than 0"),
        (lambda: initializers.RandomNormal(stddev=-1), "at least 0"),
        (lambda: initializers.Orthogonal()((3,)), "rank 1"),
        (lambda: initializers.Identity()((2, 2, 2)), "rank 3"),
        (lambda: initializers.Constant(WRONG), "a number"),
        (lambda: initializers.GlorotUniform(input_axes="a"), "Axes must be"),
    ],
)
def test_bad_arguments(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_normal_is_the_older_name_of_the_truncated_one() -> None:
    scaling = initializers.VarianceScaling(distribution="normal")
    assert scaling.distribution == "truncated_normal"
