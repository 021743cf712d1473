"""Normalization layers compute, differentiate, learn and describe themselves as Keras's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    comparable,
    comparison_of,
    each_configuration,
)
from oracle.reference import COUNT, choose, close, double_precision, generator_of, keras


def affine(generator: np.random.Generator) -> Arguments:
    return {
        "epsilon": float(generator.choice([1e-3, 0.1])),
        "center": bool(generator.integers(2)),
        "scale": bool(generator.integers(2)),
        "beta_initializer": "uniform",
        "gamma_initializer": "random_normal",
    }


def lengths(generator: np.random.Generator, smallest: int = 2) -> tuple[int, ...]:
    rank = int(generator.integers(smallest, 6))
    return tuple(int(n) for n in generator.integers(2, 5, rank))


def batch(generator: np.random.Generator) -> Configuration:
    shape = lengths(generator)
    axis = int(generator.choice([-1, -1, 1, len(shape) - 2, -len(shape)]))
    momentum = float(generator.choice([0.99, 0.5, 0.0]))
    return {"axis": axis, "momentum": momentum, **affine(generator), **renorm(generator)}, shape


def renorm(generator: np.random.Generator) -> Arguments:
    if generator.random() < 0.5:
        return {}
    limits = {"rmin": 0.5, "rmax": 1.5, "dmax": 0.3}
    chosen = {name: value for name, value in limits.items() if generator.random() < 0.5}
    return {
        "renorm": True,
        "renorm_clipping": choose(generator, None, chosen),
        "renorm_momentum": float(generator.choice([0.99, 0.3])),
    }


def several_axes(generator: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    shape = lengths(generator, 3)
    return [-1, 1, [1, 2], [-2, -1], [1], (2,)][generator.integers(6)], shape


def layer(generator: np.random.Generator) -> Configuration:
    axis, shape = several_axes(generator)
    return {"axis": axis, **affine(generator)}, shape


def rms(generator: np.random.Generator) -> Configuration:
    # Keras does not reshape the scale, so it only works over the last axes.
    axis, shape = [-1, [-2, -1]][generator.integers(2)], lengths(generator, 3)
    return {"axis": axis, "epsilon": float(generator.choice([1e-6, 0.1]))}, shape


def unit(generator: np.random.Generator) -> Configuration:
    shape = lengths(generator, 3)
    return {"axis": [-1, 1, 0, [1, 2], [0, -1]][generator.integers(5)]}, shape


def group(generator: np.random.Generator) -> Configuration:
    groups, each = (int(n) for n in generator.integers(1, 4, 2))
    shape = list(lengths(generator))
    # Keras miscounts other negative axes.
    axis = int(generator.choice([-1, len(shape) - 1, 1]))
    shape[axis] = groups * each
    groups = int(generator.choice([groups, groups, -1]))
    return {"groups": groups, "axis": axis, **affine(generator)}, tuple(shape)


INNER: dict[str, tuple[Arguments, int]] = {
    "Dense": ({"units": 3, "activation": "tanh"}, 2),
    "Conv1D": ({"filters": 2, "kernel_size": 2, "padding": "same"}, 3),
    "Conv2D": ({"filters": 3, "kernel_size": (1, 2), "use_bias": False}, 4),
    "EinsumDense": ({"equation": "ab,bcd->acd", "output_shape": (2, 3)}, 2),
}


def spectral(generator: np.random.Generator) -> Configuration:
    name = choose(generator, *INNER)
    config, rank = INNER[name]
    shape = tuple(int(n) for n in generator.integers(2, 5, rank))
    steps = int(generator.integers(1, 4))
    return {"layer": {"class_name": name, "config": config}, "power_iterations": steps}, shape


CONFIGURATIONS = {
    "BatchNormalization": batch,
    "LayerNormalization": layer,
    "RMSNormalization": rms,
    "UnitNormalization": unit,
    "GroupNormalization": group,
    "SpectralNormalization": spectral,
}
each_index = pytest.mark.parametrize("index", range(COUNT))


@each_configuration(CONFIGURATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_layer(name: str, index: int, training: bool) -> None:
    knowing = ("BatchNormalization", "SpectralNormalization")
    options = {"training": training} if name in knowing else {}
    compared = comparison_of(CONFIGURATIONS, name, index, **options)
    compared.check_values()
    compared.check_config()


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization", "UnitNormalization"])
@pytest.mark.parametrize("axis", [-1, [1], [-1, 1]])
def test_config_before_and_after_building(name: str, axis: Any) -> None:
    theirs, ours = (getattr(one.layers, name)(axis=axis) for one in (keras, ls))
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    for one in (theirs, ours):
        one.build((2, 3, 4))
    assert comparable(ours.get_config()) == comparable(theirs.get_config())


def batch_normalization(index: int) -> Comparison:
    # In float64: Keras's variance on torch, E[x²] − E[x]², loses digits where the mean is far off.
    return comparison_of(CONFIGURATIONS, "BatchNormalization", index).in_double()


@each_index
@double_precision()
def test_batch_normalization_keeps_the_same_averages(index: int) -> None:
    compared = batch_normalization(index)
    ours, theirs, x = compared.ours, compared.theirs, compared.x
    for _ in range(2):
        step = x + compared.generator.normal(size=x.shape)
        close(ours(step, training=True), theirs(step, training=True))
        close(ours.get_weights(), theirs.get_weights())
    close(ours(x), theirs(x))
    ours.trainable = theirs.trainable = False
    close(ours(x, training=True), theirs(x, training=True))
    close(ours.get_weights(), theirs.get_weights())


@each_index
@double_precision()
def test_batch_normalization_with_a_mask(index: int) -> None:
    generator = generator_of("masked batches", index)
    # With one channel Keras 3.15 fails.
    x = generator.normal(size=(3, 4, 2 + index % 3))
    mask = generator.random((3, 4)) < 0.7
    options = {"momentum": 0.5, "dtype": "float64", **renorm(generator)}
    theirs, ours = (one.layers.BatchNormalization(**options) for one in (keras, ls))
    for _ in range(2):
        close(ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask))
        close(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("shape", [(8, 3), (8, 4, 4, 3)])
def test_two_training_steps_of_a_model(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(1.0, 3.0, size=shape).astype("float32")
    y = generator.normal(size=(*shape[:-1], 2)).astype("float32")
    # Some first weights bring a LeakyReLU's input so near its kink that rounding decides the side.
    keras.utils.set_random_seed(0)
    models = []
    for library in (keras, ls):
        layers = library.layers
        model = library.Sequential(
            [
                layers.Dense(4),
                layers.BatchNormalization(momentum=0.6),
                layers.LeakyReLU(),
                layers.LayerNormalization(),
                layers.Dense(2),
            ]
        )
        model.build(shape)
        model.compile(library.optimizers.SGD(0.1), "mse")
        models.append(model)
    theirs, ours = models
    ours.set_weights(theirs.get_weights())
    for _ in range(2):
        expected, found = (one.train_on_batch(x, y) for one in (theirs, ours))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    expected = np.asarray(theirs.predict(x, verbose=0))
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
