"""What recurrent layers do beyond the laws of all layers: steps, states, masks and dropout."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, ops
from layerscope.masks import get_keras_mask
from layerscope.structure import leaves, map_structure

NAMES = ("SimpleRNN", "GRU", "LSTM")
STEPS = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def recurrent(name: str, *args: Any, **arguments: Any) -> Any:
    return getattr(layers, name)(*args, **arguments)


# --- two ways to take the steps ----------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"go_backwards": True}, {"use_bias": False}])
@pytest.mark.parametrize("name", [*NAMES, "reset first"])
def test_fused_steps_are_those_taken_one_by_one(
    name: str, arguments: dict[str, Any], masked: bool
) -> None:
    if name == "reset first":
        name, arguments = "GRU", {**arguments, "reset_after": False}
    x = normal(3, 5, 4, dtype="float64")
    results = []
    for unroll in (False, True):
        layer = recurrent(
            name, 2, unroll=unroll, return_sequences=True, return_state=True, dtype="float64",
            bias_initializer="uniform", **arguments,
        )  # fmt: skip
        layer.build(x.shape)
        weights = [normal(*one.shape, seed=1, dtype="float64") for one in layer.weights]
        layer.set_weights(weights)
        first = [normal(3, 2, seed=seed, dtype="float64") for seed in range(len(layer.state_size))]
        with ls.GradientTape() as tape:
            watched = [tape.watch(value) for value in (x, *first)]
            options = {"mask": STEPS} if masked else {}
            outputs = leaves(layer(watched[0], initial_state=watched[1:], **options))
            total = sum((ops.sum(out * normal(*out.shape, seed=2)) for out in outputs), start=0.0)
        gradients = tape.gradient(total, [*watched, *layer.trainable_weights])
        results.append([one.value for one in outputs] + gradients)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_unrolled_steps_can_be_differentiated_twice() -> None:
    layer, x = layers.LSTM(2, unroll=True, dtype="float64"), normal(2, 3, 2, dtype="float64")
    layer(x)

    def slope(x: Any) -> Any:
        with ls.GradientTape() as tape:
            watched = tape.watch(x)
            total = ops.sum(layer(watched))
        return tape.gradient(total, [watched])[0]

    ls.check_gradients(slope, x, rtol=1e-4, atol=1e-6)


def test_a_changed_cell_is_asked_for_every_step() -> None:
    class Doubled(layers.LSTMCell):
        def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
            return super().call(2 * inputs, states, training)

    x = normal(2, 3, 4)
    doubled, plain = layers.RNN(Doubled(3)), layers.LSTM(3)
    doubled(x)
    plain(x)
    plain.set_weights(doubled.get_weights())
    np.testing.assert_allclose(doubled(x), plain(2 * x), rtol=1e-5, atol=1e-6)


def test_a_penalty_on_the_cell_is_one_on_every_step() -> None:
    x = normal(2, 3, 4)
    layer = layers.RNN(layers.GRUCell(2, activity_regularizer="l2"))
    layer(x)
    assert len(layer.losses) == 2 * 3


# --- cells of other people ---------------------------------------------------------------------


class Sum:
    """A cell that is no layer: its state is the sum of all inputs."""

    state_size = 2

    def call(self, inputs: Any, states: Any) -> Any:
        return 10 * inputs, [states[0] + inputs]


class Fibonacci(layers.Layer):
    """A cell with two states of which neither is the output."""

    state_size = (1, 1)
    output_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        before, last = states
        return ops.concatenate([before, last, inputs], axis=-1), (last, before + last)

    def get_initial_state(self, batch_size: int) -> Any:
        return np.zeros((batch_size, 1), "float32"), np.ones((batch_size, 1), "float32")


def test_a_cell_needs_a_call_and_a_size() -> None:
    x = np.arange(6, dtype="float32").reshape(1, 3, 2)
    outputs, state = layers.RNN(Sum(), return_sequences=True, return_state=True)(x)
    np.testing.assert_array_equal(outputs, 10 * x)
    np.testing.assert_array_equal(state, [[6, 9]])


def test_a_cell_may_bring_first_states_and_an_output_of_another_size() -> None:
    layer = layers.RNN(Fibonacci(), return_state=True)
    output, *states = layer(np.zeros((1, 6, 1), "float32"))
    np.testing.assert_array_equal(output, [[5, 8, 0]])
    np.testing.assert_array_equal(np.ravel(states), [8, 13])
    assert layer.compute_output_shape((None, None, 1)) == ((None, 3), (None, 1), (None, 1))
    both = layers.RNN([Fibonacci(), layers.SimpleRNNCell(2)], return_sequences=True)
    assert both(np.zeros((2, 6, 1), "float32")).shape == (2, 6, 2)


def test_a_single_cell_in_a_list_is_that_cell() -> None:
    x = normal(2, 3, 4)
    alone, listed = layers.RNN(layers.LSTMCell(3)), layers.RNN([layers.LSTMCell(3)])
    alone(x)
    listed(x)
    listed.set_weights(alone.get_weights())
    np.testing.assert_array_equal(listed(x), alone(x))


# --- states ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_in_two_parts_is_the_whole(name: str) -> None:
    x = normal(2, 6, 3)
    layer, kept = recurrent(name, 2), recurrent(name, 2, stateful=True)
    expected = layer(x)
    kept.build((2, 3, 3))
    kept.set_weights(layer.get_weights())
    kept(x[:, :4])
    np.testing.assert_allclose(kept(x[:, 4:]), expected, rtol=1e-5, atol=1e-6)
    assert len(kept.weights) == len(layer.weights)
    assert all(state.name == "rnn_state" and not state.trainable for state in kept.states)
    kept.reset_states()
    np.testing.assert_allclose(kept(x), expected, rtol=1e-5, atol=1e-6)


def test_kept_states_of_several_cells() -> None:
    layer = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], stateful=True)
    x = normal(2, 3, 4)
    first = layer(x)
    assert (layer(x) != first).any()
    layer.reset_state()
    np.testing.assert_array_equal(layer(x), first)


def test_gradients_are_those_of_the_call_and_not_of_later_states() -> None:
    x = normal(2, 3, 4)
    layer = layers.SimpleRNN(2, stateful=True)
    layer(x)
    first = [state.numpy() for state in layer.states]
    found = []
    for options in ({}, {"initial_state": first}):
        with ls.GradientTape() as tape:
            total = ops.sum(layer(x, **options) ** 2)
        found.append(tape.gradient(total, layer.trainable_weights))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_states_go_from_one_layer_to_another_in_a_model() -> None:
    source, target = ls.Input((None, 4)), ls.Input((None, 2))
    _, *states = layers.LSTM(3, return_state=True)(source)
    out = layers.LSTM(3, return_sequences=True)(target, initial_state=states)
    model = ls.Model([source, target], out)
    x = [normal(2, 3, 4), normal(2, 5, 2)]
    assert model(x).shape == (2, 5, 3)
    other = ls.Model.from_config(json.loads(json.dumps(model.get_config())))
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other(x), model(x))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x, np.ones((2, 5, 3), "float32"))
    assert all((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))


def test_states_of_several_cells_may_be_given_in_a_flat_list() -> None:
    layer = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])
    x = normal(2, 3, 4)
    states = [[normal(2, 2), normal(2, 2, seed=1)], [normal(2, 3)]]
    np.testing.assert_array_equal(
        layer(x, initial_state=leaves(states)), layer(x, initial_state=states)
    )


# --- masks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_masked_steps_could_as_well_be_missing(name: str) -> None:
    x, steps = normal(1, 5, 3), STEPS[:1]
    layer = recurrent(name, 2, return_state=True)
    short = layer(x[:, steps[0]])
    for one, other in zip(layer(x, mask=steps), short, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    states = [normal(1, 2) for _ in layer.state_size]
    masked = layers.Masking()(np.where(steps[..., None], x, 0))
    with_states = layer(masked, initial_state=states)
    for one, other in zip(with_states, layer(x[:, steps[0]], initial_state=states), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("unroll", [False, True])
def test_outputs_of_masked_steps(unroll: bool) -> None:
    arguments: dict[str, Any] = {
        "return_sequences": True, "unroll": unroll, "activation": None,
        "kernel_initializer": "ones", "recurrent_initializer": "ones",
    }  # fmt: skip
    x, mask = np.ones((1, 5, 1), "float32"), np.array([[0, 1, 0, 1, 0]], bool)
    first = np.full((1, 1), 2, "float32")
    repeated = layers.SimpleRNN(1, **arguments)(x, mask=mask, initial_state=first)
    np.testing.assert_array_equal(repeated.ravel(), [0, 3, 3, 4, 4])
    zero = layers.SimpleRNN(1, **arguments, zero_output_for_mask=True)
    np.testing.assert_array_equal(zero(x, mask=mask, initial_state=first).ravel(), [0, 3, 0, 4, 0])


def test_a_mask_goes_on_with_all_outputs_only() -> None:
    x = layers.Masking()(np.zeros((1, 3, 2), "float32"))
    for return_sequences in (True, False):
        out, *_ = layers.LSTM(2, return_sequences=return_sequences, return_state=True)(x)
        found = get_keras_mask(out)
        assert (found is not None) == return_sequences


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_stays_in_its_sample(name: str) -> None:
    x = normal(2, 4, 3)
    x[0, 2, 1] = np.nan
    found = np.isnan(recurrent(name, 2, return_sequences=True)(x)).all(-1)
    np.testing.assert_array_equal(found, [[False, False, True, True], [False] * 4])


# --- dropout -----------------------------------------------------------------------------------


def same_at_every_step(name: str, **arguments: Any) -> Any:
    return recurrent(
        name, 6, return_sequences=True, activation=None, kernel_initializer="identity",
        recurrent_initializer="zeros", **arguments,
    )  # fmt: skip


def test_what_is_dropped_is_drawn_once_per_call() -> None:
    layer, x = same_at_every_step("SimpleRNN", dropout=0.5, seed=0), np.ones((3, 4, 6), "float32")
    one, other = layer(x, training=True), layer(x, training=True)
    for out in (one, other):
        np.testing.assert_array_equal(out, np.broadcast_to(out[:, :1], out.shape))
        assert set(np.unique(out)) == {0, 2}
    assert (one != other).any()
    np.testing.assert_array_equal(layer(x), x)


def test_calls_in_several_threads_draw_for_themselves() -> None:
    layer = same_at_every_step("SimpleRNN", dropout=0.5, unroll=True)
    layer.build((1, 4, 6))

    def steps_agree(batch: int) -> bool:
        for _ in range(20):
            out = layer(np.ones((batch, 4, 6), "float32"), training=True)
            if (out != out[:, :1]).any():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        contexts = [copy_context() for _ in range(4)]
        assert all(pool.map(lambda run: run[1].run(steps_agree, run[0]), enumerate(contexts, 1)))


def test_a_cell_by_itself_draws_until_it_is_told_to_draw_anew() -> None:
    cell, x = layers.SimpleRNNCell(8, dropout=0.5, seed=0), np.ones((2, 64), "float32")
    first = cell.get_dropout_mask(x)
    assert cell.get_dropout_mask(x) is first
    cell.reset_dropout_mask()
    assert (cell.get_dropout_mask(x) != first).any()


@pytest.mark.parametrize(("implementation", "count"), [(1, 3), (2, 1)])
def test_gates_have_masks_of_their_own_if_asked_for(implementation: int, count: int) -> None:
    # Without a recurrent kernel the blocks of the input's product are what is left.
    cell = layers.GRUCell(200, dropout=0.5, seed=0, implementation=implementation)
    masks = cell.get_dropout_mask(np.ones((1, 50), "float32"))
    assert len({one.tobytes() for one in (masks if isinstance(masks, list) else [masks])}) == count
    assert "implementation" not in cell.get_config()


# --- both directions ---------------------------------------------------------------------------


def test_both_directions_meet_at_the_same_step() -> None:
    layer = layers.Bidirectional(
        layers.SimpleRNN(
            1, return_sequences=True, activation=None, kernel_initializer="ones",
            recurrent_initializer="ones",
        )
    )  # fmt: skip
    x = np.array([1, 2, 3], "float32").reshape(1, 3, 1)
    np.testing.assert_array_equal(layer(x)[0], [[1, 6], [3, 5], [6, 3]])
    mask = np.array([[1, 1, 0]], bool)
    np.testing.assert_array_equal(layer(x, mask=mask)[0], [[1, 3], [3, 2], [0, 0]])


def test_the_layer_that_is_given_stays_as_it_is() -> None:
    inner = layers.LSTM(2, name="reader")
    layer = layers.Bidirectional(inner, trainable=False)
    layer(normal(1, 2, 3))
    assert (inner.built, inner.trainable, inner.name) == (False, True, "reader")
    names = [one.name for one in layer._directions]
    assert names == ["forward_reader", "backward_reader"]


def test_weights_may_be_given_for_both_directions() -> None:
    inner = layers.GRU(2)
    source = layers.Bidirectional(inner)
    x = normal(2, 3, 4)
    expected = source(x)
    layer = layers.Bidirectional(inner, weights=source.get_weights())
    np.testing.assert_array_equal(layer(x), expected)
    assert "weights" not in layer.get_config()


def test_states_are_halved_and_returned_forwards_first() -> None:
    layer = layers.Bidirectional(layers.LSTM(2, return_state=True), merge_mode=None)
    x = normal(2, 3, 4)
    first = [normal(2, 2, seed=seed) for seed in range(4)]
    outputs = layer(x, initial_state=first)
    halves = zip(layer._directions, (first[:2], first[2:]), strict=True)
    forward, backward = (one(x, initial_state=states) for one, states in halves)
    expected = [forward[0], backward[0], *forward[1:], *backward[1:]]
    for one, other in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# --- what Keras leaves undone ------------------------------------------------------------------


def test_a_simple_layer_has_an_activity_penalty_and_keeps_its_seed() -> None:
    layer = layers.SimpleRNN(2, activity_regularizer="l2", seed=3)
    layer(normal(2, 3, 4))
    assert len(layer.losses) == 1
    assert layer.get_config()["seed"] == 3


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "kind", "words"),
    [
        (lambda: layers.LSTM(0), ValueError, "`units`, expected a positive integer, got 0"),
        (lambda: layers.GRU(2, use_cudnn=True)(normal(1, 2, 3)), ValueError, "on the processor"),
        (lambda: recurrent("LSTM", 2, time_major=True), ValueError, "time_major"),
        (lambda: layers.SimpleRNN(2)(normal(2, 3)), ValueError, "expected ndim=3, found ndim=2"),
        (lambda: layers.GRU(2)(normal(2, 0, 3)), IndexError, "at least one step"),
        (
            lambda: layers.LSTM(2)(normal(1, 2, 3), initial_state=[normal(1, 2)]),
            IndexError,
            r"must hold 2 state\(s\).*Received 1",
        ),
        (
            lambda: layers.GRU(2)(normal(1, 2, 3), initial_state=normal(3, 2)),
            ValueError,
            "batch size of the sequences, 1",
        ),
        (
            lambda: layers.GRU(2)(normal(1, 2, 3), mask=np.ones((1, 3), bool)),
            ValueError,
            r"\(batch, steps\) = \(1, 2\)",
        ),
        (
            lambda: layers.LSTMCell(2)(normal(1, 3), [normal(1, 2), normal(1, 3)]),
            ValueError,
            "`states` of layer 'lstm_cell'",
        ),
        (lambda: layers.RNN(layers.Dense(2)), ValueError, "`state_size`"),
        (lambda: layers.RNN(None), ValueError, "`call` method"),
        (lambda: layers.StackedRNNCells([]), ValueError, "at least one cell"),
        (lambda: layers.StackedRNNCells([layers.Dense(2)]), ValueError, "`state_size` attribute"),
        (lambda: layers.CuDNNGRU(2, dropout=0.5), ValueError, "dropout"),
        (
            lambda: layers.CuDNNLSTM(2)(normal(1, 2, 3), mask=np.ones((1, 2), bool)),
            ValueError,
            "Masking is not supported",
        ),
        (
            lambda: layers.Bidirectional(layers.GRU(2))(
                normal(1, 2, 3), initial_state=[normal(1, 2)] * 3
            ),
            ValueError,
            "forwards, then as many backwards",
        ),
        (
            lambda: recurrent("Bidirectional", layers.GRU(2), "max"),
            ValueError,
            "Invalid merge mode",
        ),
    ],
)
def test_mistakes_are_explained(attempt: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        attempt()


def test_states_before_the_first_step_are_zeros() -> None:
    layer = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])
    shapes = map_structure(np.shape, layer.get_initial_state(4))
    assert shapes == [[(4, 2), (4, 2)], [(4, 3)]]
    assert not any(one.any() for one in leaves(layer.get_initial_state(4)))


def test_both_directions_must_agree() -> None:
    def pair(forward: dict[str, Any], backward: dict[str, Any]) -> Any:
        return layers.Bidirectional(
            layers.GRU(2, **forward), backward_layer=layers.GRU(2, **backward)
        )

    with pytest.raises(ValueError, match=r"different `go_backwards`.*forward_layer.*False"):
        pair({}, {})
    with pytest.raises(ValueError, match=r'attribute "return_sequences", got "True".*"False"'):
        pair({"return_sequences": True}, {"go_backwards": True})


def test_both_directions_keep_their_states() -> None:
    x = normal(1, 2, 3)
    layer: Any = layers.Bidirectional(layers.GRU(2, stateful=True))
    first = layer(x)
    forward, backward = layer.states
    np.testing.assert_allclose(np.concatenate([forward, backward], axis=-1), first, rtol=1e-6)
    assert (layer(x) != first).all()
    for reset in (layer.reset_state, layer.reset_states):
        reset()
        np.testing.assert_array_equal(layer(x), first)
    with pytest.raises(AttributeError, match="must be stateful"):
        layers.Bidirectional(layers.GRU(2)).reset_state()


def test_a_model_resets_the_layers_inside_it_that_keep_states() -> None:
    model = ls.Sequential(
        [
            ls.Input(batch_shape=(2, 3, 4)),
            layers.GRU(3, stateful=True, return_sequences=True),
            layers.Bidirectional(layers.LSTM(2)),
        ]
    )
    x = normal(2, 3, 4)
    first, second = model(x), model(x)
    assert not np.allclose(first, second)
    model.reset_state()
    np.testing.assert_array_equal(model(x), first)
