"""Activations and the layers made of them compute and differentiate as Keras's do."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")
jax = pytest.importorskip("jax", reason="the live comparison needs the `oracle` extra")

import layerscope as ls  # noqa: E402

SEEDS = range(int(os.environ.get("LAYERSCOPE_CONFIGURATIONS", "8")))


def uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return float(generator.uniform(low, high))


OPTIONS: dict[str, Any] = {
    "celu": lambda g: {"alpha": uniform(g, 0.2, 2)},
    "elu": lambda g: {"alpha": uniform(g, 0.2, 2)},
    "gelu": lambda g: {"approximate": bool(g.integers(2))},
    "glu": lambda g: {"axis": int(g.integers(-2, 2))},
    "hard_shrink": lambda g: {"threshold": uniform(g, 0, 2)},
    "leaky_relu": lambda g: {"negative_slope": uniform(g, 0, 1)},
    "log_softmax": lambda g: {"axis": int(g.integers(-2, 2))},
    "soft_shrink": lambda g: {"threshold": uniform(g, 0, 2)},
    "softmax": lambda g: {"axis": int(g.integers(-2, 2))},
    "squareplus": lambda g: {"b": uniform(g, 0.5, 6)},
    "threshold": lambda g: {"threshold": uniform(g, -1, 1), "default_value": uniform(g, -2, 2)},
}
#: Keras 3.15's sparsemax is wrong where more than one entry stays positive.
NAMES = sorted({*ls.activations.ACTIVATIONS, "glu", "threshold"} - {"sparsemax"})


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str, seed: int) -> None:
    theirs, ours = getattr(keras.activations, name), ls.activations.get(name)
    generator = np.random.default_rng(seed)
    x = generator.normal(scale=(1.0, 4.0)[seed % 2], size=(4, 6)).astype("float32")
    options = OPTIONS.get(name, lambda _: {})(generator)
    expected = np.asarray(theirs(x, **options))
    found = ours(x, **options)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    weights = generator.normal(size=expected.shape).astype("float32")
    slopes = jax.grad(lambda value: (theirs(value, **options) * weights).sum())(x)
    found = ls.grad(lambda value: ls.ops.sum(ours(value, **options) * weights))(x)
    np.testing.assert_allclose(found, np.asarray(slopes), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*NAMES, "sparsemax", "swish", "hard_swish"])
def test_names_and_configs(name: str) -> None:
    theirs, ours = keras.activations.get(name), ls.activations.get(name)
    assert ls.activations.serialize(ours) == keras.activations.serialize(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_limits(name: str) -> None:
    """Wherever Keras has a number for an extreme input, we have the same."""
    if name in ("glu", "softmax", "log_softmax", "threshold"):
        pytest.skip("mixes entries or has arguments")
    x = np.array([-1e30, -1e4, -90, -20, -1e-6, 0, 1e-6, 20, 90, 1e4, 1e30, np.inf, -np.inf], "f4")
    expected = np.asarray(getattr(keras.activations, name)(x))
    found = ls.activations.get(name)(x)
    numbers = ~np.isnan(expected)
    # Keras loses the tail of squareplus to cancellation and overflows in its square.
    if name == "squareplus":
        numbers &= (np.abs(x) < 1e3) & (x > -10)
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=2e-5, atol=1e-6)


def relu(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "max_value": (None, uniform(generator, 0.5, 3))[generator.integers(2)],
        "negative_slope": uniform(generator, 0, 1) * int(generator.integers(2)),
        "threshold": uniform(generator, 0, 0.4) * int(generator.integers(2)),
    }


def prelu(generator: np.random.Generator) -> dict[str, Any]:
    axes = [None, 1, [1, 2], [2], (1, 2)][generator.integers(5)]
    return {"shared_axes": axes, "alpha_initializer": "uniform"}


def softmax(generator: np.random.Generator) -> dict[str, Any]:
    return {"axis": [-1, 0, 1, 2, (1, 2), [0, -1], [-2, -1]][generator.integers(7)]}


LAYERS: dict[str, Any] = {
    "ReLU": relu,
    "LeakyReLU": lambda g: {"negative_slope": uniform(g, 0, 1)},
    "ELU": lambda g: {"alpha": uniform(g, 0.2, 2)},
    "PReLU": prelu,
    "Softmax": softmax,
}


def comparable(layer: Any) -> dict[str, Any]:
    import json

    config = json.loads(json.dumps(layer.get_config()))
    return {
        key: value
        for key, value in config.items()
        if key not in ("name", "quantization_config") and (key, value) != (
            "activity_regularizer", None)
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    arguments = LAYERS[name](generator)
    theirs, ours = getattr(keras.layers, name)(**arguments), getattr(ls.layers, name)(**arguments)
    x = generator.normal(size=generator.integers(1, 5, 4)).astype("float32")
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    expected = np.asarray(theirs(x))
    found = ours(x)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert ours.compute_output_shape(x.shape) == theirs.compute_output_shape(x.shape)
    assert comparable(ours) == comparable(theirs)
    weights = generator.normal(size=expected.shape).astype("float32")

    def total(variables: list[Any], value: Any) -> Any:
        out, _ = theirs.stateless_call(variables, [], value)
        return (out * weights).sum()

    slopes = jax.grad(total, (0, 1))([one.value for one in theirs.trainable_variables], x)
    with ls.GradientTape() as tape:
        watched = tape.watch(x)
        loss = ls.ops.sum(ours(watched) * weights)
    own = tape.gradient(loss, [*ours.trainable_weights, watched])
    for one, other in zip(own, [*slopes[0], slopes[1]], strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_with_a_mask(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(3, 4)).astype("float32")
    mask = generator.random([(3, 4), (4,), (3, 1)][seed % 3]) < 0.6
    mask = mask.astype("float32") if seed % 2 else mask
    axis = [-1, 0, (0, 1)][generator.integers(3)]
    expected = np.asarray(keras.layers.Softmax(axis)(x, mask=mask))
    found = ls.layers.Softmax(axis)(x, mask=mask)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_thresholded_relu(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, theta = generator.normal(size=(4, 5)).astype("float32"), uniform(generator, 0, 2)
    expected = np.asarray(keras.activations.threshold(x, theta, 0.0))
    np.testing.assert_array_equal(ls.layers.ThresholdedReLU(theta)(x), expected)
