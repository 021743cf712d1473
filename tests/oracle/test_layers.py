"""Layers compute, differentiate and describe themselves as Keras's do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")
jax = pytest.importorskip("jax", reason="the live comparison needs the `oracle` extra")

import layerscope as ls  # noqa: E402

N = 50

Arguments = dict[str, Any]


def choose(generator: np.random.Generator, *values: Any) -> Any:
    return values[generator.integers(len(values))]


def parts(generator: np.random.Generator) -> Arguments:
    return {
        "activation": choose(generator, None, "relu", "tanh", "sigmoid", "softmax"),
        "use_bias": choose(generator, True, True, False),
        "bias_initializer": "uniform",
    }


def dense(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    rank = int(generator.integers(2, 5))
    shape = tuple(int(n) for n in generator.integers(1, 6, rank))
    return {"units": int(generator.integers(1, 8)), **parts(generator)}, shape


def image_shape(
    generator: np.random.Generator, smallest: tuple[int, int], channels: int, layout: str
) -> tuple[int, ...]:
    height, width = (int(n + generator.integers(0, 6)) for n in smallest)
    batch = int(generator.integers(1, 4))
    if layout == "channels_first":
        return batch, channels, height, width
    return batch, height, width, channels


def conv2d(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    size = tuple(int(n) for n in generator.integers(1, 5, 2))
    strides, dilation = (1, 1), (1, 1)
    match generator.integers(3):
        case 0:
            strides = tuple(int(n) for n in generator.integers(1, 4, 2))
        case 1:
            dilation = tuple(int(n) for n in generator.integers(1, 4, 2))
    groups = int(choose(generator, 1, 1, 2, 3))
    layout = choose(generator, "channels_last", "channels_last", "channels_first")
    arguments = {
        "filters": groups * int(generator.integers(1, 4)),
        "kernel_size": size,
        "strides": strides,
        "padding": choose(generator, "valid", "same"),
        "data_format": layout,
        "dilation_rate": dilation,
        "groups": groups,
        **parts(generator),
    }
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    channels = groups * int(generator.integers(1, 4))
    return arguments, image_shape(generator, (reach[0], reach[1]), channels, layout)


def max_pooling2d(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    size = tuple(int(n) for n in generator.integers(1, 5, 2))
    layout = choose(generator, "channels_last", "channels_first")
    arguments = {
        "pool_size": size,
        "strides": choose(generator, None, tuple(int(n) for n in generator.integers(1, 4, 2))),
        "padding": choose(generator, "valid", "same"),
        "data_format": layout,
    }
    channels = int(generator.integers(1, 4))
    return arguments, image_shape(generator, (size[0], size[1]), channels, layout)


def reshape(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    target = choose(generator, (6, 2), (-1, 4), (3, -1, 2), (12,), (-1,))
    return {"target_shape": target}, (int(generator.integers(1, 4)), 3, 4)


def flatten(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    rank = int(generator.integers(1, 5))
    layout = choose(generator, None, "channels_last", "channels_first")
    return {"data_format": layout}, tuple(int(n) for n in generator.integers(1, 5, rank))


def activation(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    name = choose(generator, "linear", "relu", "tanh", "sigmoid", "softmax")
    return {"activation": name}, tuple(int(n) for n in generator.integers(1, 5, 3))


def dropout(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    return {"rate": float(generator.uniform(0, 0.9)), "seed": 3}, (3, 4)


CONFIGURATIONS = {
    "Dense": (dense, N),
    "Conv2D": (conv2d, N),
    "MaxPooling2D": (max_pooling2d, N),
    "Reshape": (reshape, 10),
    "Flatten": (flatten, 10),
    "Activation": (activation, 10),
    "Dropout": (dropout, 5),
}
CASES = [
    pytest.param(name, seed, id=f"{name}-{seed}")
    for name, (_, count) in CONFIGURATIONS.items()
    for seed in range(count)
]
FEW = [one for one in CASES if int(str(one.values[1])) < 10]
each_case = pytest.mark.parametrize(("name", "seed"), CASES)


def pair(name: str, seed: int) -> tuple[Any, Any, np.ndarray, np.random.Generator]:
    """Return Keras's layer and ours with the same weights, and data for them."""
    generator = np.random.default_rng([seed, len(name)])
    arguments, shape = CONFIGURATIONS[name][0](generator)
    theirs, ours = getattr(keras.layers, name)(**arguments), getattr(ls.layers, name)(**arguments)
    x = generator.normal(size=shape).astype("float32")
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    return theirs, ours, x, generator


def test_every_layer_is_compared() -> None:
    built_in = {
        name
        for name, cls in vars(ls.layers).items()
        if isinstance(cls, type) and issubclass(cls, ls.Layer) and name == cls.__name__
    }
    sources = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    # What Keras 3 does not have cannot be compared with it layer by layer.
    missing = {
        name for name in built_in if hasattr(keras.layers, name) and not _is_named(name, sources)
    }
    assert missing - {"Layer", "InputLayer"} == set()


def _is_named(name: str, sources: str) -> bool:
    """Tell whether a layer is named, also as one of a family such as ``Conv{rank}D``."""
    stem = re.sub(r"\dD", "{rank}D", name)
    family = re.sub(r"(Separable|Depthwise|Transpose)", "", name)
    return f'"{name}"' in sources or f'"{stem}"' in sources or family.startswith("Conv")


@each_case
def test_forward_and_gradients(name: str, seed: int) -> None:
    theirs, ours, x, generator = pair(name, seed)
    expected = np.asarray(theirs(x))
    found = ours(x)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert found.dtype == expected.dtype
    assert ours.compute_output_shape(x.shape) == theirs.compute_output_shape(x.shape)
    projection = generator.normal(size=expected.shape).astype("float32")

    def total(variables: list[Any], value: Any) -> Any:
        out, _ = theirs.stateless_call(variables, theirs.non_trainable_variables, value)
        return (out * projection).sum()

    weights = [one.value for one in theirs.trainable_variables]
    expected_weights, expected_x = jax.grad(total, (0, 1))(weights, x)
    with ls.GradientTape() as tape:
        watched = tape.watch(x)
        loss = ls.ops.sum(ours(watched) * projection)
    found_x, *found_weights = tape.gradient(loss, [watched, *ours.trainable_weights])
    for one, other in zip((found_x, *found_weights), (expected_x, *expected_weights), strict=True):
        other = np.asarray(other)
        scale = max(float(np.abs(other).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=5e-6 * scale)


#: What Keras writes and Layerscope has no counterpart for, and what is named anew each time.
NOT_COMPARED = {"quantization_config", "name"}


def comparable(config: Any) -> Any:
    """Return a config as JSON would give it back, without what is not compared."""
    plain = json.loads(json.dumps(config))
    # Some of Keras's layers write down that there is no activity regularizer, some do not.
    return {
        key: value
        for key, value in plain.items()
        if key not in NOT_COMPARED and (key, value) != ("activity_regularizer", None)
    }


@pytest.mark.parametrize(("name", "seed"), FEW)
def test_config_is_keras_s_and_loads_there_and_back(name: str, seed: int) -> None:
    theirs, ours, x, _ = pair(name, seed)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    expected = np.asarray(theirs(x))
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    there.build(x.shape)
    there.set_weights(ours.get_weights())
    np.testing.assert_allclose(np.asarray(there(x)), expected, rtol=1e-6)
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    assert comparable(back.get_config()) == comparable(theirs.get_config())
    back.build(x.shape)
    back.set_weights(theirs.get_weights())
    np.testing.assert_allclose(back(x), expected, rtol=2e-5, atol=2e-6)


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
    found, expected = comparable(ours.get_config()), comparable(theirs.get_config())
    # Keras keeps the default factors of penalties as float32.
    assert _rounded(found) == _rounded(expected)
    copy = keras.layers.deserialize(ls.layers.serialize(ours))
    assert _rounded(comparable(copy.get_config())) == _rounded(expected)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return round(value, 6) if isinstance(value, float) else value


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
    np.testing.assert_allclose(np.asarray(there(x)), expected, rtol=2e-5, atol=1e-6)
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
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=2e-5, atol=1e-6)
    back = ls.saving.deserialize_keras_object(json.loads(there.to_json()))
    back.set_weights(ours.get_weights())
    for found, wanted in zip(back([x[0], x[1]]), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
