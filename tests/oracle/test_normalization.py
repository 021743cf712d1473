"""Normalization layers compute, differentiate, learn and describe themselves as Keras's do."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")
jax = pytest.importorskip("jax", reason="the live comparison needs the `oracle` extra")

import layerscope as ls  # noqa: E402

SEEDS = range(int(os.environ.get("LAYERSCOPE_CONFIGURATIONS", "8")))

Arguments = dict[str, Any]


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


def batch(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    shape = lengths(generator)
    axis = int(generator.choice([-1, -1, 1, len(shape) - 2, -len(shape)]))
    momentum = float(generator.choice([0.99, 0.5, 0.0]))
    return {"axis": axis, "momentum": momentum, **affine(generator)}, shape


def several_axes(generator: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    shape = lengths(generator, 3)
    return [-1, 1, [1, 2], [-2, -1], [1], (2,)][generator.integers(6)], shape


def layer(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    axis, shape = several_axes(generator)
    return {"axis": axis, **affine(generator)}, shape


def rms(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    # Keras does not reshape the scale, so it only works over the last axes.
    axis, shape = [-1, [-2, -1]][generator.integers(2)], lengths(generator, 3)
    return {"axis": axis, "epsilon": float(generator.choice([1e-6, 0.1]))}, shape


def unit(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    shape = lengths(generator, 3)
    return {"axis": [-1, 1, 0, [1, 2], [0, -1]][generator.integers(5)]}, shape


def group(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    groups, each = (int(n) for n in generator.integers(1, 4, 2))
    shape = list(lengths(generator))
    # Keras miscounts other negative axes.
    axis = int(generator.choice([-1, len(shape) - 1, 1]))
    shape[axis] = groups * each
    groups = int(generator.choice([groups, groups, -1]))
    return {"groups": groups, "axis": axis, **affine(generator)}, tuple(shape)


CONFIGURATIONS = {
    "BatchNormalization": batch,
    "LayerNormalization": layer,
    "RMSNormalization": rms,
    "UnitNormalization": unit,
    "GroupNormalization": group,
}
each_case = pytest.mark.parametrize(
    ("name", "seed"),
    [pytest.param(name, seed, id=f"{name}-{seed}") for name in CONFIGURATIONS for seed in SEEDS],
)


def pair(name: str, seed: int) -> tuple[Any, Any, np.ndarray, np.random.Generator]:
    """Return Keras's layer and ours with the same weights, and data for them."""
    generator = np.random.default_rng([seed, len(name)])
    arguments, shape = CONFIGURATIONS[name](generator)
    theirs, ours = getattr(keras.layers, name)(**arguments), getattr(ls.layers, name)(**arguments)
    x = generator.normal(1.0, 2.0, size=shape).astype("float32")
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    return theirs, ours, x, generator


def close(found: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
    np.testing.assert_allclose(found, expected, rtol=5e-5, atol=5e-6 * scale)


@each_case
@pytest.mark.parametrize("training", [False, True])
def test_forward_and_gradients(name: str, seed: int, training: bool) -> None:
    theirs, ours, x, generator = pair(name, seed)
    options = {"training": training} if name == "BatchNormalization" else {}
    state = [one.value for one in theirs.non_trainable_variables]
    weights = [one.value for one in theirs.trainable_variables]
    projection = generator.normal(size=x.shape).astype("float32")

    def total(variables: list[Any], value: Any) -> Any:
        out, _ = theirs.stateless_call(variables, state, value, **options)
        return (out * projection).sum(), out

    slopes, expected = jax.grad(total, (0, 1), has_aux=True)(weights, x)
    with ls.GradientTape() as tape:
        watched = tape.watch(x)
        out = ours(watched, **options)
        loss = ls.ops.sum(out * projection)
    close(out.numpy(), expected)
    assert out.dtype == np.asarray(expected).dtype
    own = tape.gradient(loss, [*ours.trainable_weights, watched])
    for one, other in zip(own, [*slopes[0], slopes[1]], strict=True):
        close(one, other)


@each_case
def test_config_and_shape(name: str, seed: int) -> None:
    theirs, ours, x, _ = pair(name, seed)
    assert comparable(ours) == comparable(theirs)
    assert ours.compute_output_shape(x.shape) == theirs.compute_output_shape(x.shape)
    assert [one.name for one in ours.weights] == [one.name for one in theirs.weights]
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    for copy in (there, back):
        copy.build(x.shape)
        copy.set_weights(ours.get_weights())
        close(np.asarray(copy(x)), theirs(x))


def comparable(layer: Any) -> dict[str, Any]:
    plain = json.loads(json.dumps(layer.get_config()))
    # Layerscope has no `rms_scaling`, which divides by the wrong quantity.
    left_out = ("name", "quantization_config", "rms_scaling")
    return {
        key: value
        for key, value in plain.items()
        if key not in left_out and (key, value) != ("activity_regularizer", None)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_normalization_keeps_the_same_averages(seed: int) -> None:
    theirs, ours, x, generator = pair("BatchNormalization", seed)
    for _ in range(2):
        step = x + generator.normal(size=x.shape).astype("float32")
        close(ours(step, training=True), theirs(step, training=True))
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            close(one, other)
    close(ours(x), theirs(x))
    ours.trainable = theirs.trainable = False
    close(ours(x, training=True), theirs(x, training=True))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        close(one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_normalization_with_a_mask(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(3, 4, 2 + seed % 3)).astype("float32")
    mask = generator.random((3, 4)) < 0.7
    theirs, ours = (one.layers.BatchNormalization(momentum=0.5) for one in (keras, ls))
    close(ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        close(one, other)


@pytest.mark.parametrize("shape", [(8, 3), (8, 4, 4, 3)])
def test_two_training_steps_of_a_model(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(1.0, 3.0, size=shape).astype("float32")
    y = generator.normal(size=(*shape[:-1], 2)).astype("float32")
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
