"""Convolutional long short-term memory computes, differentiates and describes itself as Keras's.

Known differences, all mistakes of Keras: on JAX the mask of a step does not broadcast against
images unless the layer is unrolled, which in turn ignores `zero_output_for_mask`; on torch an
unrolled layer that goes backwards cannot turn its mask round.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    Draw,
    comparison_of,
    each_configuration,
)
from oracle.reference import ON_TORCH, choose, close, generator_of, keras, numbers, numpy_of


def conv_lstm(rank: int) -> Draw:
    def draw(generator: np.random.Generator) -> Configuration:
        size = numbers(generator, 1, 4 if rank < 3 else 3, rank)
        strides: Any = 1
        dilation: Any = 1
        match generator.integers(3):
            case 0:
                strides = choose(generator, 2, numbers(generator, 1, 4, rank))
            case 1:
                dilation = choose(generator, 2, numbers(generator, 1, 3, rank))
        layout = choose(generator, None, "channels_last", "channels_first")
        arguments: Arguments = {
            "filters": int(generator.integers(1, 4)),
            "kernel_size": choose(generator, size, size[0]),
            "strides": strides,
            "padding": choose(generator, "valid", "same"),
            "data_format": layout,
            "dilation_rate": dilation,
            "activation": choose(generator, "tanh", "relu", None),
            "recurrent_activation": choose(generator, "sigmoid", "hard_sigmoid"),
            "use_bias": choose(generator, True, True, False),
            "unit_forget_bias": choose(generator, True, False),
            "kernel_regularizer": choose(generator, None, "l2"),
            "recurrent_regularizer": choose(generator, None, "l1"),
            "activity_regularizer": choose(generator, None, "l2"),
            "recurrent_constraint": choose(generator, None, "non_neg"),
            "return_sequences": choose(generator, True, False),
            "return_state": choose(generator, True, False),
            "go_backwards": choose(generator, True, False),
            "unroll": choose(generator, True, False),
            "zero_output_for_mask": choose(generator, True, False),
        }
        reach = 2 * (max(size) - 1) + 1
        spatial = numbers(generator, reach, reach + 3 if rank < 3 else reach + 2, rank)
        batch, steps, channels = numbers(generator, 1, 4, 3)
        if layout == "channels_first":
            return arguments, (batch, steps, channels, *spatial)
        return arguments, (batch, steps, *spatial, channels)

    return draw


RANKS = {f"ConvLSTM{rank}D": rank for rank in (1, 2, 3)}
CONFIGURATIONS: dict[str, Draw] = {name: conv_lstm(rank) for name, rank in RANKS.items()}


@each_configuration(CONFIGURATIONS)
def test_forward_and_gradients(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()


@pytest.mark.skipif(not ON_TORCH, reason="Keras on JAX cannot mask images")
@each_configuration(CONFIGURATIONS)
def test_steps_that_are_masked(name: str, index: int) -> None:
    generator = generator_of(name, index)
    arguments, shape = CONFIGURATIONS[name](generator)
    arguments["unroll"] &= not arguments["go_backwards"]
    mask = generator.random(shape[:2]) < 0.6
    compared = Comparison(name, arguments, shape, generator, mask=mask)
    compared.check_values()


@each_configuration(CONFIGURATIONS)
def test_config_is_keras_s_and_loads_there_and_back(name: str, index: int) -> None:
    comparison_of(CONFIGURATIONS, name, index).check_config()


@each_configuration(CONFIGURATIONS)
def test_the_same_dropout_has_the_same_effect(name: str, index: int) -> None:
    generator = generator_of(name, index)
    arguments, shape = CONFIGURATIONS[name](generator)
    rates = {"dropout": choose(generator, 0.0, 0.4), "recurrent_dropout": 0.3}
    compared = Comparison(name, arguments | rates, shape, generator, training=True)
    drawn: dict[Any, list[np.ndarray]] = {}

    def masks(convert: Any, value: Any) -> list[Any]:
        key = tuple(value.shape)
        if key not in drawn:
            drawn[key] = [generator.integers(0, 2, key).astype("float32") / 0.6 for _ in range(4)]
        return [convert(mask) for mask in drawn[key]]

    for cell, convert in (
        (compared.theirs.cell, keras.ops.convert_to_tensor),
        (compared.ours.cell, np.asarray),
    ):
        for kind in ("dropout", "recurrent_dropout"):
            if rates[kind]:
                cell.__dict__[f"get_{kind}_mask"] = functools.partial(masks, convert)
    compared.check_values()


@pytest.mark.parametrize("name", RANKS)
def test_first_states_and_kept_states(name: str) -> None:
    generator = generator_of(name)
    shape = (2, 3, *(4,) * RANKS[name], 2)
    arguments = {"filters": 2, "kernel_size": 2, "return_state": True, "stateful": True}
    compared = Comparison(name, arguments, shape, generator)
    for _ in range(2):
        close(compared.ours(compared.x), compared.theirs(compared.x))
    compared.ours.reset_state()
    compared.theirs.reset_state()
    states = [generator.normal(size=(2, *(3,) * RANKS[name], 2)).astype("float32") for _ in "hc"]
    tensors = [keras.ops.convert_to_tensor(state) for state in states]
    close(
        compared.ours(compared.x, initial_state=states),
        compared.theirs(compared.x, initial_state=tensors),
    )
    close(compared.ours(compared.x), compared.theirs(compared.x))


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_step_of_the_cell(layout: str) -> None:
    generator = np.random.default_rng(0)
    arguments: Any = {"filters": 2, "kernel_size": (2, 3), "data_format": layout}
    theirs = keras.src.layers.rnn.conv_lstm.ConvLSTMCell(rank=2, **arguments)
    ours = ls.layers.ConvLSTM2DCell(**arguments)
    first = layout == "channels_first"
    x = generator.normal(size=(2, 3, 4, 5) if first else (2, 4, 5, 3)).astype("float32")
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    states = [generator.normal(size=(2, 2, 3, 3) if first else (2, 3, 3, 2)) for _ in "hc"]
    states = [state.astype("float32") for state in states]
    tensors = [keras.ops.convert_to_tensor(value) for value in (x, *states)]
    expected = theirs.call(tensors[0], tensors[1:])
    close(ours(x, states), numpy_of(expected))
    close(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("name", RANKS)
def test_positional_order_and_defaults_are_keras_s(name: str) -> None:
    theirs = inspect.signature(getattr(keras.layers, name)).parameters
    ours = inspect.signature(getattr(ls.layers, name)).parameters
    positional = [one.name for one in ours.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]
    for one in theirs.values():
        # Ours says 1 for every axis where Keras says 1.
        default = (1,) * RANKS[name] if one.name in ("strides", "dilation_rate") else one.default
        if one.kind is not one.VAR_KEYWORD:
            found = ours[one.name].default
            assert found == default or found == one.default, one.name


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("ConvLSTM1D", {"filters": 2}, (1, 2, 3, 1)),
        ("ConvLSTM1D", {"filters": 2, "kernel_size": (2, 2)}, (1, 2, 3, 1)),
        ("ConvLSTM1D", {"filters": 2, "kernel_size": 2}, (1, 3, 1)),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "padding": "full"}, (1, 2, 3, 3, 1)),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "dilation_rate": 0}, (1, 2, 3, 3, 1)),
        (
            "ConvLSTM2D",
            {"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2},
            (1, 2, 5, 5, 1),
        ),
        ("ConvLSTM3D", {"filters": 2, "kernel_size": 2, "unroled": True}, (1, 2, 3, 3, 3, 1)),
        ("ConvLSTM3D", {"filters": 2, "kernel_size": 2}, (1, 2, 3, 3, 1)),
    ],
)
def test_mistakes_raise_the_same_type(
    name: str, arguments: Arguments, shape: tuple[int, ...]
) -> None:
    x = np.zeros(shape, "float32")
    with pytest.raises(Exception) as expected:  # noqa: PT011
        getattr(keras.layers, name)(**arguments)(x)
    with pytest.raises(expected.type):
        getattr(ls.layers, name)(**arguments)(x)
