"""Activations and the layers made of them compute and differentiate as Keras's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import Draw, comparison_of, each_configuration
from oracle.reference import COUNT, close, generator_of, gradients_of, keras, numbers, numpy_of


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


each_index = pytest.mark.parametrize("index", range(COUNT))


@each_index
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str, index: int) -> None:
    theirs, ours = getattr(keras.activations, name), ls.activations.get(name)
    generator = generator_of(name, index)
    x = generator.normal(scale=(1.0, 4.0)[index % 2], size=(4, 6)).astype("float32")
    options = OPTIONS.get(name, lambda _: {})(generator)
    expected = numpy_of(theirs(keras.ops.convert_to_tensor(x), **options))
    found = ours(x, **options)
    assert found.dtype == expected.dtype
    close(found, expected)
    weights = generator.normal(size=expected.shape).astype("float32")
    factors = keras.ops.convert_to_tensor(weights)
    (slopes,) = gradients_of(lambda value: keras.ops.sum(theirs(value, **options) * factors), x)
    found = ls.grad(lambda value: ls.ops.sum(ours(value, **options) * weights))(x)
    close(found, slopes, atol=1e-5)


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
    expected = numpy_of(getattr(keras.activations, name)(keras.ops.convert_to_tensor(x)))
    found = ls.activations.get(name)(x)
    known = ~np.isnan(expected)
    # Keras loses the tail of squareplus to cancellation and overflows in its square.
    if name == "squareplus":
        known &= (np.abs(x) < 1e3) & (x > -10)
    np.testing.assert_allclose(found[known], expected[known], rtol=2e-5, atol=1e-6)


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


def of_any_shape(draw: Any) -> Draw:
    return lambda generator: (draw(generator), numbers(generator, 1, 5, 4))


CONFIGURATIONS = {
    "ReLU": of_any_shape(relu),
    "LeakyReLU": of_any_shape(lambda g: {"negative_slope": uniform(g, 0, 1)}),
    "ELU": of_any_shape(lambda g: {"alpha": uniform(g, 0.2, 2)}),
    "PReLU": of_any_shape(prelu),
    "Softmax": of_any_shape(softmax),
}


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()
    compared.check_config()


@each_index
def test_softmax_with_a_mask(index: int) -> None:
    generator = generator_of("masked softmax", index)
    x = generator.normal(size=(3, 4)).astype("float32")
    mask = generator.random([(3, 4), (4,), (3, 1)][index % 3]) < 0.6
    mask = mask.astype("float32") if index % 2 else mask
    axis = [-1, 0, (0, 1)][generator.integers(3)]
    close(ls.layers.Softmax(axis)(x, mask=mask), keras.layers.Softmax(axis)(x, mask=mask))


@each_index
def test_thresholded_relu(index: int) -> None:
    generator = generator_of("ThresholdedReLU", index)
    x, theta = generator.normal(size=(4, 5)).astype("float32"), uniform(generator, 0, 2)
    expected = keras.activations.threshold(keras.ops.convert_to_tensor(x), theta, 0.0)
    close(ls.layers.ThresholdedReLU(theta)(x), expected)
