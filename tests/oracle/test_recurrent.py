"""Recurrent layers compute, differentiate, keep states and describe themselves as Keras's do.

Not copied from Keras 3.15: `SimpleRNN` forgets its `activity_regularizer`, and its config the
seed; a mask is dropped where states are given, unless it is given too; before the first step that
counts, JAX shows the first state where other backends, and unrolled JAX, show zeros; unrolled JAX
ignores `zero_output_for_mask`; a single cell in a list fails, and so do resetting several, and
`Bidirectional` with kept states that it returns.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.structure import leaves, map_structure
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    Draw,
    comparable,
    each_configuration,
)
from oracle.reference import (
    ON_TORCH,
    choose,
    close,
    generator_of,
    gradients_of,
    keras,
    numbers,
    numpy_of,
)


def cell_arguments(name: str, generator: np.random.Generator) -> Arguments:
    """Return arguments of a cell, of which half can be fused."""
    standard = generator.integers(2)
    arguments: Arguments = {
        "units": int(generator.integers(1, 5)),
        "activation": "tanh" if standard else choose(generator, "relu", "softsign", None),
        "use_bias": choose(generator, True, True, False),
        "kernel_regularizer": choose(generator, None, "l2"),
        "recurrent_regularizer": choose(generator, None, "l1"),
        "bias_constraint": choose(generator, None, "non_neg"),
    }
    if name != "SimpleRNN":
        gates = choose(generator, "hard_sigmoid", "sigmoid")
        arguments["recurrent_activation"] = "sigmoid" if standard else gates
    if name == "GRU":
        arguments["reset_after"] = choose(generator, True, False)
    if name == "LSTM":
        arguments["unit_forget_bias"] = choose(generator, True, False)
    return arguments


def loop_arguments(generator: np.random.Generator) -> Arguments:
    names = ("return_sequences", "return_state", "go_backwards", "unroll", "zero_output_for_mask")
    return {name: choose(generator, True, False) for name in names}


def recurrent(name: str) -> Draw:
    def draw(generator: np.random.Generator) -> Configuration:
        arguments = cell_arguments(name, generator) | loop_arguments(generator)
        if name != "SimpleRNN":
            arguments["activity_regularizer"] = choose(generator, None, "l2")
        return arguments, numbers(generator, 1, 5, 3)

    return draw


NAMES = ("SimpleRNN", "GRU", "LSTM")
CONFIGURATIONS: dict[str, Draw] = {name: recurrent(name) for name in NAMES}


def rnn(generator: np.random.Generator) -> Configuration:
    names = [choose(generator, *NAMES) for _ in range(generator.integers(2, 4))]
    cells = [(f"{name}Cell", cell_arguments(name, generator)) for name in names]
    cell = choose(generator, cells, cells[0])
    return {"cell": cell} | loop_arguments(generator), numbers(generator, 1, 5, 3)


def bidirectional(generator: np.random.Generator) -> Configuration:
    name = choose(generator, *NAMES)
    shared = loop_arguments(generator)
    forward = cell_arguments(name, generator) | shared
    arguments: Arguments = {
        "layer": (name, forward),
        "merge_mode": choose(generator, "sum", "mul", "ave", "concat", None),
    }
    if generator.integers(2):
        # Of the same kind, because states are counted forwards in Keras.
        backward = cell_arguments(name, generator) | shared | {"units": forward["units"]}
        backward["go_backwards"] = not shared["go_backwards"]
        arguments["backward_layer"] = (name, backward)
    else:
        forward["go_backwards"] = False
    return arguments, numbers(generator, 1, 5, 3)


NESTED: dict[str, Draw] = {"RNN": rnn, "Bidirectional": bidirectional}
ALL = CONFIGURATIONS | NESTED
ALSO_COMPARED = {*NESTED, "StackedRNNCells", *(f"{name}Cell" for name in NAMES)}


def made(library: Any, value: Any) -> Any:
    """Return a layer for a pair of name and arguments, and for each in a list of them."""
    if isinstance(value, tuple) and isinstance(value[1], dict):
        return getattr(library.layers, value[0])(**value[1])
    return [made(library, one) for one in value] if isinstance(value, list) else value


class Recurrence(Comparison):
    """A comparison of layers with layers or cells inside."""

    def make(self, library: Any, name: str, arguments: Arguments) -> Any:
        inner = {key: made(library, value) for key, value in arguments.items()}
        return super().make(library, name, inner)


def recurrence_of(name: str, index: int, **options: Any) -> Recurrence:
    generator = generator_of(name, index)
    arguments, shape = ALL[name](generator)
    if "mask" in options:
        options["mask"] = generator.random(shape[:2]) < 0.6
        for one in (arguments, *(value[1] for value in arguments.values() if type(value) is tuple)):
            # Keras on torch cannot turn a mask round there, and on JAX shows what is masked.
            if "unroll" in one:
                one["unroll"] = False
    return Recurrence(name, arguments, shape, generator, **options)


@each_configuration(ALL)
def test_forward_and_gradients(name: str, index: int) -> None:
    compared = recurrence_of(name, index)
    compared.check_values()


@each_configuration(ALL)
def test_steps_that_are_masked(name: str, index: int) -> None:
    compared = recurrence_of(name, index, mask=None)
    compared.check_values()


@pytest.fixture
def _seed_in_config(monkeypatch: pytest.MonkeyPatch) -> None:
    known = keras.layers.SimpleRNN.get_config

    def complete(layer: Any) -> dict[str, Any]:
        return {**known(layer), "seed": layer.cell.seed}

    monkeypatch.setattr(keras.layers.SimpleRNN, "get_config", complete)


@each_configuration(ALL)
@pytest.mark.usefixtures("_seed_in_config")
def test_config_is_keras_s_and_loads_there_and_back(name: str, index: int) -> None:
    recurrence_of(name, index).check_config()


@each_configuration(ALL)
def test_first_states_are_used_and_differentiated(name: str, index: int) -> None:
    compared = recurrence_of(name, index)
    ours, theirs, generator = compared.ours, compared.theirs, compared.generator
    batch = compared.shape[0]
    inner = getattr(ours, "forward_layer", ours)
    once = inner.get_initial_state(batch)
    structure = [*once, *once] if inner is not ours else once
    states = map_structure(
        lambda state: generator.normal(size=state.shape).astype("float32"), structure
    )
    tensors = map_structure(keras.ops.convert_to_tensor, states)
    expected = theirs(compared.x, initial_state=tensors)
    close(ours(compared.x, initial_state=states), expected)
    with ls.GradientTape() as tape:
        watched = map_structure(tape.watch, states)
        outputs = leaves(ours(compared.x, initial_state=watched))
        total = sum((ls.ops.sum(one * one) for one in outputs), start=0.0)
    found = tape.gradient(total, leaves(watched))

    def total_of(*tensors: Any) -> Any:
        waiting = iter(tensors)
        outs = theirs(compared.x, initial_state=map_structure(lambda _: next(waiting), states))
        return sum(keras.ops.sum(one * one) for one in leaves(outs))

    close(found, gradients_of(total_of, *leaves(states)), rtol=1e-4, atol=2e-5)


@each_configuration(CONFIGURATIONS)
def test_the_same_dropout_has_the_same_effect(name: str, index: int) -> None:
    generator = generator_of(name, index)
    arguments, shape = CONFIGURATIONS[name](generator)
    arguments["dropout"] = choose(generator, 0.0, 0.4)
    arguments["recurrent_dropout"] = choose(generator, 0.0, 0.3)
    if name != "SimpleRNN":
        arguments["implementation"] = choose(generator, 1, 2)
        # Keras fails to repeat several masks for what might be a graphics card.
        arguments["use_cudnn"] = False
    compared = Comparison(name, arguments, shape, generator, training=True)
    assert getattr(compared.ours.cell, "implementation", 2) == getattr(
        compared.theirs.cell, "implementation", 2
    )
    drawn: dict[Any, Any] = {}

    def masks(kind: str, value: Any, count: int | None) -> Any:
        if (kind, tuple(value.shape)) not in drawn:
            draws = [
                generator.integers(0, 2, tuple(value.shape)).astype("float32") / 0.6
                for _ in range(count or 1)
            ]
            drawn[kind, tuple(value.shape)] = draws if count else draws[0]
        return drawn[kind, tuple(value.shape)]

    for cell, convert in (
        (compared.theirs.cell, keras.ops.convert_to_tensor),
        (compared.ours.cell, np.asarray),
    ):
        count = getattr(cell, "dropout_mask_count", None)
        for kind, rate in (("dropout", "dropout"), ("recurrent_dropout", "recurrent_dropout")):
            if arguments[rate]:
                cell.__dict__[f"get_{kind}_mask"] = (
                    lambda value, kind=kind, count=count, convert=convert: map_structure(
                        convert, masks(kind, value, count)
                    )
                )
    compared.check_values()


@pytest.mark.parametrize("rate", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("name", NAMES)
def test_as_much_is_dropped(name: str, rate: str) -> None:
    x = np.ones((400, 3, 5), "float32")
    means, deviations = [], []
    arguments = {"units": 5, rate: 0.4, "seed": 1, "return_sequences": True}
    compared = Comparison(name, arguments, x, np.random.default_rng(0), training=True)
    for layer in (compared.ours, compared.theirs):
        out = np.concatenate([numpy_of(layer(x, training=True)) for _ in range(10)])
        means.append(out.mean(0))
        deviations.append(out.std(0))
    np.testing.assert_allclose(*means, atol=0.04)
    np.testing.assert_allclose(*deviations, atol=0.04)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", [*NAMES, "Bidirectional"])
def test_kept_states(name: str, masked: bool) -> None:
    if masked and not ON_TORCH:
        pytest.skip("JAX shows the first state where there is no output to repeat")
    generator = generator_of(name)
    inner: Arguments = {"units": 3, "stateful": True, "return_sequences": True}
    both = name == "Bidirectional"
    arguments: Arguments = {"layer": ("LSTM", inner)} if both else inner | {"return_state": True}
    options: dict[str, Any] = {"mask": generator.random((2, 4)) < 0.5} if masked else {}
    compared = Recurrence(name, arguments, (2, 4, 3), generator, **options)
    for _ in range(2):
        close(compared.ours(compared.x, **options), compared.theirs(compared.x, **options))
    close(
        [state.numpy() for state in compared.ours.states],
        [numpy_of(state.value) for state in compared.theirs.states],
    )
    for attribute in ("weights", "variables", "non_trainable_variables"):
        ours, theirs = (getattr(one, attribute) for one in (compared.ours, compared.theirs))
        assert [one.name for one in ours] == [one.name for one in theirs]
    compared.ours.reset_state()
    compared.theirs.reset_state()
    close(compared.ours(compared.x, **options), compared.theirs(compared.x, **options))


@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("name", [*NAMES, "Stacked"])
def test_a_step_of_a_cell(name: str, index: int) -> None:
    generator = generator_of(name, index)
    batch, features = numbers(generator, 1, 5, 2)
    if name == "Stacked":
        pairs = [(f"{one}Cell", cell_arguments(one, generator)) for one in NAMES]
        theirs, ours = (one.layers.StackedRNNCells(made(one, pairs)) for one in (keras, ls))
    else:
        pair = (f"{name}Cell", cell_arguments(name, generator))
        theirs, ours = made(keras, pair), made(ls, pair)
    theirs.build((batch, features))
    ours.build((batch, features))
    weights = [generator.normal(size=one.shape) for one in ours.weights]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    x = generator.normal(size=(batch, features)).astype("float32")
    states = map_structure(
        lambda state: generator.normal(size=state.shape).astype("float32"),
        ours.get_initial_state(batch),
    )
    expected = theirs(
        keras.ops.convert_to_tensor(x), map_structure(keras.ops.convert_to_tensor, states)
    )
    found = ours(x, states)
    close(found, expected)
    assert map_structure(np.shape, found[1]) == map_structure(np.shape, numpy_of(expected[1]))
    assert (ours.state_size, ours.output_size) == (theirs.state_size, theirs.output_size)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    for copy in (there, back):
        assert comparable(copy.get_config()) == comparable(theirs.get_config())


def lstm(**arguments: Any) -> tuple[str, Arguments]:
    return "LSTM", {"units": 2, **arguments}


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("LSTM", {"units": 0}, {}),
        ("GRU", {"units": 2.5}, {}),
        ("SimpleRNN", {"units": 2, "implementation": 1}, {}),
        ("LSTM", {"units": 2, "time_major": True}, {}),
        ("LSTM", {"units": 2, "use_cudnn": "always"}, {}),
        ("SimpleRNN", {"units": 2, "dropout": None}, {}),
        ("GRU", {"units": 2, "recurrent_activation": "unknown"}, {}),
        ("SimpleRNN", {"units": 2}, {"shape": (2, 3)}),
        ("LSTM", {"units": 2}, {"shape": (2, 0, 3)}),
        ("LSTM", {"units": 2}, {"initial_state": [np.zeros((2, 2), "float32")]}),
        ("RNN", {"cell": 3}, {}),
        ("RNN", {"cell": ("Dense", {"units": 2})}, {}),
        ("RNN", {"cell": [("Dense", {"units": 2})]}, {}),
        ("StackedRNNCells", {"cells": [("Dense", {"units": 2})]}, {}),
        ("Bidirectional", {"layer": 3}, {}),
        ("Bidirectional", {"layer": ("Dense", {"units": 2})}, {}),
        ("Bidirectional", {"layer": lstm(), "merge_mode": "x"}, {}),
        ("Bidirectional", {"layer": lstm(), "backward_layer": lstm()}, {}),
        ("Bidirectional", {"layer": lstm(), "backward_layer": 3}, {}),
        (
            "Bidirectional",
            {"layer": lstm(), "backward_layer": lstm(go_backwards=True, return_state=True)},
            {},
        ),
    ],
)
def test_mistakes_raise_the_same_type(name: str, arguments: Arguments, call: Arguments) -> None:
    options = dict(call)
    x = np.zeros(options.pop("shape", (2, 3, 4)), "float32")

    def attempt(library: Any) -> None:
        inner = {key: made(library, value) for key, value in arguments.items()}
        getattr(library.layers, name)(**inner)(x, **options)

    with pytest.raises(Exception) as expected:  # noqa: PT011
        attempt(keras)
    with pytest.raises(expected.type):
        attempt(ls)


def test_kept_states_need_to_know_the_batch() -> None:
    for library in (keras, ls):
        with pytest.raises(ValueError, match="batch size must be static"):
            library.layers.LSTM(2, stateful=True)(library.Input((3, 4)))
        layer = library.layers.LSTM(2, stateful=True)
        layer(np.zeros((2, 3, 4), "float32"))
        with pytest.raises(ValueError, match="Received batch size: 3"):
            layer(np.zeros((3, 3, 4), "float32"))
        with pytest.raises(AttributeError, match="must be stateful"):
            library.layers.Bidirectional(library.layers.LSTM(2)).reset_state()


@pytest.mark.parametrize("name", ["CuDNNGRU", "CuDNNLSTM"])
def test_layers_for_graphics_cards_have_keras_2_s_weights_and_config(name: str) -> None:
    from oracle.keras2_comparison import keras2

    keras2()
    tensorflow = pytest.importorskip("tensorflow")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_USE_LEGACY_KERAS", "1")
        versions = tensorflow.compat.v1.keras.layers
    arguments = {"units": 3, "return_sequences": True, "bias_regularizer": "l2"}
    theirs, ours = getattr(versions, name)(**arguments), getattr(ls.layers, name)(**arguments)
    theirs.build((None, 4, 2))
    ours.build((None, 4, 2))
    assert [one.shape for one in ours.weights] == [tuple(one.shape) for one in theirs.weights]
    assert [f"{one.name}:0" for one in ours.weights] == [one.name for one in theirs.weights]
    np.testing.assert_array_equal(ours.get_weights()[2], theirs.get_weights()[2])
    written = comparable(theirs.get_config())
    assert written.pop("time_major") is False
    own = comparable(ours.get_config())
    for config in (own, written):
        # Keras 3's policy, and arguments that initializers have there.
        del config["dtype"]
        config["kernel_initializer"] = config["kernel_initializer"]["class_name"]
    assert own == written
    back = type(ours).from_config(theirs.get_config())
    assert comparable(back.get_config()) == comparable(ours.get_config())
    # The layer that any processor has computes the same from the same weights.
    plain = getattr(ls.layers, name.removeprefix("CuDNN"))(3, return_sequences=True)
    plain.build((None, 4, 2))
    weights = [np.random.default_rng(0).normal(size=one.shape) for one in ours.weights]
    ours.set_weights(weights)
    bias = weights[2].reshape(2, -1)
    plain.set_weights([*weights[:2], bias if name == "CuDNNGRU" else bias.sum(0)])
    x = np.random.default_rng(1).normal(size=(2, 4, 2)).astype("float32")
    np.testing.assert_allclose(ours(x), plain(x), rtol=1e-5, atol=1e-6)
