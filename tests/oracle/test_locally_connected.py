"""Locally connected layers and `ThresholdedReLU` do what Keras 2's do; Keras 3 has neither.

Known difference: with ``data_format="channels_first"`` Keras 2 keeps a bias in the shape (windows,
filters) and adds its entries in the order (filters, windows), so that a constraint along an axis
mixes filters. Here the entry [i, k] belongs to window i and filter k.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import layerscope as ls
from oracle.keras2_comparison import Keras2Comparison, check_the_same_mistake, keras2
from oracle.layer_comparison import Arguments, each_configuration
from oracle.reference import choose, generator_of, numbers

RANKS = {"LocallyConnected1D": 1, "LocallyConnected2D": 2}
NAMES = [*RANKS, "ThresholdedReLU"]


def locally_connected(
    rank: int, generator: np.random.Generator
) -> tuple[Arguments, tuple[int, ...]]:
    size = numbers(generator, 1, 5, rank)
    layout = choose(generator, "channels_last", "channels_first")
    implementation = int(choose(generator, 1, 2, 3))
    arguments: Arguments = {
        "filters": int(generator.integers(1, 4)),
        "kernel_size": choose(generator, size, size[0]),
        "strides": choose(generator, 1, 2, numbers(generator, 1, 4, rank)),
        "padding": choose(generator, "valid", "same") if implementation > 1 else "valid",
        "data_format": layout,
        "activation": choose(generator, None, "relu", "tanh", "sigmoid"),
        "use_bias": choose(generator, True, True, False),
        "kernel_regularizer": choose(generator, None, "l1", "l2"),
        "bias_regularizer": choose(generator, None, "l2"),
        "activity_regularizer": choose(generator, None, "l2"),
        "kernel_constraint": choose(generator, None, "unit_norm"),
        "bias_constraint": choose(generator, None, "non_neg"),
        "implementation": implementation,
        "name": "one",
    }
    longest = max(size)
    spatial = numbers(generator, longest, longest + 4, rank)
    batch, channels = numbers(generator, 1, 4, 2)
    if layout == "channels_first":
        return arguments, (batch, channels, *spatial)
    return arguments, (batch, *spatial, channels)


def thresholded_relu(generator: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    theta = round(float(generator.uniform(0, 2)), 3)
    shape = numbers(generator, 1, 5, int(generator.integers(1, 5)))
    return {"theta": choose(generator, theta, 0, 1.0), "name": "one"}, shape


def bias_by_filter(name: str, value: np.ndarray) -> np.ndarray:
    if name != "bias":
        return value
    return np.moveaxis(np.asarray(value), -1, 0).reshape(value.shape)


def comparison(name: str, index: int) -> Keras2Comparison:
    generator = generator_of(name, index)
    if name == "ThresholdedReLU":
        return Keras2Comparison(name, *thresholded_relu(generator), generator)
    arguments, shape = locally_connected(RANKS[name], generator)
    if arguments["data_format"] == "channels_first":
        return Keras2Comparison(name, arguments, shape, generator, bias_by_filter)
    return Keras2Comparison(name, arguments, shape, generator)


@each_configuration(NAMES)
def test_forward_and_gradients(name: str, index: int) -> None:
    compared = comparison(name, index)
    compared.check_forward()
    compared.check_gradients()


@each_configuration(NAMES)
def test_config_is_keras_s_and_loads_there_and_back(name: str, index: int) -> None:
    comparison(name, index).check_config()


@pytest.mark.parametrize("name", NAMES)
def test_positional_order_and_defaults_are_keras_s(name: str) -> None:
    theirs = inspect.signature(getattr(keras2().layers, name)).parameters
    ours = inspect.signature(getattr(ls.layers, name)).parameters
    positional = [one.name for one in ours.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == [one.name for one in theirs.values() if one.kind is not one.VAR_KEYWORD]
    for one in theirs.values():
        if one.kind is not one.VAR_KEYWORD:
            assert ours[one.name].default == one.default, one.name


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("LocallyConnected1D", {"filters": 2, "kernel_size": 2, "padding": "same"}, (1, 4, 2)),
        ("LocallyConnected1D", {"filters": 2, "kernel_size": (2, 2)}, (1, 4, 2)),
        ("LocallyConnected1D", {"filters": 2, "kernel_size": 5}, (1, 4, 2)),
        ("LocallyConnected1D", {"filters": 2, "kernel_size": 2, "implementation": 4}, (1, 4, 2)),
        ("LocallyConnected2D", {"filters": 2, "kernel_size": 2, "padding": "full"}, (1, 4, 4, 2)),
        ("LocallyConnected2D", {"filters": 2, "kernel_size": 2, "strides": -1}, (1, 4, 4, 2)),
        ("LocallyConnected2D", {"filters": 2, "kernel_size": 2}, (1, 4, 2)),
        ("LocallyConnected2D", {"kernel_size": 2}, (1, 4, 4, 2)),
        ("ThresholdedReLU", {"theta": None}, (1, 2)),
        ("ThresholdedReLU", {"theta": -1.0}, (1, 2)),
    ],
)
def test_mistakes_raise_the_same_type(
    name: str, arguments: Arguments, shape: tuple[int, ...]
) -> None:
    check_the_same_mistake(name, arguments, shape)
