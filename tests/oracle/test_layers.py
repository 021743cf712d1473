"""The core layers, and models, compute, differentiate and describe themselves as Keras's do."""

from __future__ import annotations

import json

import numpy as np
import pytest

import layerscope as ls
from oracle.families import compared_layers
from oracle.layer_comparison import (
    Arguments,
    Configuration,
    Draw,
    comparable,
    comparison_of,
    each_configuration,
)
from oracle.reference import choose, close, keras, low_rank, numbers, numpy_of


def parts(generator: np.random.Generator) -> Arguments:
    return {
        "activation": choose(generator, None, "relu", "tanh", "sigmoid", "softmax"),
        "use_bias": choose(generator, True, True, False),
        "bias_initializer": "uniform",
    }


def dense(generator: np.random.Generator) -> Configuration:
    shape = numbers(generator, 1, 6, int(generator.integers(2, 5)))
    arguments = {"units": int(generator.integers(1, 8)), **parts(generator)}
    # Keras builds without the factor it is given.
    return arguments | low_rank(generator, factor=False), shape


def reshape(generator: np.random.Generator) -> Configuration:
    target = choose(generator, (6, 2), (-1, 4), (3, -1, 2), (12,), (-1,))
    return {"target_shape": target}, (int(generator.integers(1, 4)), 3, 4)


def flatten(generator: np.random.Generator) -> Configuration:
    layout = choose(generator, None, "channels_last", "channels_first")
    return {"data_format": layout}, numbers(generator, 1, 5, int(generator.integers(1, 5)))


def activation(generator: np.random.Generator) -> Configuration:
    name = choose(generator, *sorted(set(ls.activations.ACTIVATIONS) - {"sparsemax"}))
    return {"activation": name}, numbers(generator, 1, 5, 3)


def dropout(generator: np.random.Generator) -> Configuration:
    noise_shape = choose(generator, None, (None, 1), (3, 4))
    rate = round(float(generator.uniform(0, 0.9)), 3)
    return {"rate": rate, "noise_shape": noise_shape, "seed": 3}, (3, 4)


CONFIGURATIONS: dict[str, Draw] = {
    "Dense": dense,
    "Reshape": reshape,
    "Flatten": flatten,
    "Activation": activation,
    "Dropout": dropout,
}


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()
    compared.check_config()


def test_every_layer_is_compared() -> None:
    built_in = {
        name
        for name, cls in vars(ls.layers).items()
        if isinstance(cls, type) and issubclass(cls, ls.Layer) and name == cls.__name__
    }
    compared = compared_layers()
    # What Keras 3 does not have cannot be compared with it layer by layer.
    missing = {name for name in built_in - compared if hasattr(keras.layers, name)}
    assert missing == {"Layer", "InputLayer", "Wrapper"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": "l2"},
        {"kernel_constraint": "max_norm", "bias_constraint": "non_neg"},
        {"kernel_initializer": "he_normal", "trainable": False, "dtype": "float64"},
    ],
)
def test_parts_in_configs(arguments: Arguments) -> None:
    ours, theirs = ls.layers.Dense(2, **arguments), keras.layers.Dense(2, **arguments)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    copy = keras.layers.deserialize(ls.layers.serialize(ours))
    assert comparable(copy.get_config()) == comparable(theirs.get_config())


@pytest.mark.parametrize("deferred", [False, True])
def test_sequential_config_loads_there_and_back(deferred: bool) -> None:
    entry = [] if deferred else [ls.Input((6, 6, 1))]
    ours = ls.Sequential(
        [*entry, ls.layers.Conv2D(2, 3, activation="relu"), ls.layers.Flatten(), ls.layers.Dense(3)]
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    expected = ours(x)
    there = keras.models.model_from_json(ours.to_json())
    there(x)
    there.set_weights(ours.get_weights())
    close(numpy_of(there(x)), expected)
    back = ls.saving.deserialize_keras_object(json.loads(there.to_json()))
    back(x)
    back.set_weights(ours.get_weights())
    np.testing.assert_array_equal(back(x), expected)


def test_functional_config_loads_there_and_back() -> None:
    a, b = ls.Input((3,), name="a"), ls.Input((3,), name="b")
    shared = ls.layers.Dense(2, activation="tanh", name="shared")
    ours = ls.Model([a, b], [shared(a), ls.layers.Dense(1, name="out")(shared(b))])
    x = np.random.default_rng(0).normal(size=(2, 2, 3)).astype("float32")
    expected = ours([x[0], x[1]])
    there = keras.models.model_from_json(ours.to_json())
    there.set_weights(ours.get_weights())
    for found, wanted in zip(there([x[0], x[1]]), expected, strict=True):
        close(numpy_of(found), wanted)
    back = ls.saving.deserialize_keras_object(json.loads(there.to_json()))
    back.set_weights(ours.get_weights())
    for found, wanted in zip(back([x[0], x[1]]), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_bare_operation_in_a_config_is_refused() -> None:
    a, b = keras.Input((3,)), keras.Input((3,))
    theirs = keras.Model([a, b], keras.layers.Dense(2)(a + b))
    with pytest.raises(ValueError, match=r"holds operation 'add\w*' .*Wrap the operation"):
        ls.models.model_from_json(theirs.to_json())
