"""Layers compute what their formulas say, written out for one step, sample or entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

TANH, N = np.tanh, 3


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def blocks(x: np.ndarray, number: int) -> list[np.ndarray]:
    return np.split(x, number, axis=-1)


def filled(layer: Any, shape: tuple[int, ...]) -> Any:
    """Build a layer and give it random weights."""
    layer.build(shape)
    layer.set_weights([normal(*one.shape) for one in layer.weights])
    return layer


# --- recurrent -------------------------------------------------------------------------------


def lstm(x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    kernel, recurrent, bias = weights
    state, carry = states
    i, f, g, o = blocks(x @ kernel + state @ recurrent + bias, 4)
    carry = sigmoid(f) * carry + sigmoid(i) * TANH(g)
    return [sigmoid(o) * TANH(carry), carry]


def gru(x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    kernel, recurrent, (input_bias, state_bias) = weights
    xz, xr, xh = blocks(x @ kernel + input_bias, 3)
    hz, hr, hh = blocks(states[0] @ recurrent + state_bias, 3)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return [z * states[0] + (1 - z) * TANH(xh + r * hh)]


def gru_before(
    x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]
) -> list[np.ndarray]:
    kernel, recurrent, bias = weights
    xz, xr, xh = blocks(x @ kernel + bias, 3)
    uz, ur, uh = blocks(recurrent, 3)
    z, r = sigmoid(xz + states[0] @ uz), sigmoid(xr + states[0] @ ur)
    return [z * states[0] + (1 - z) * TANH(xh + (r * states[0]) @ uh)]


def simple(x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    kernel, recurrent, bias = weights
    return [TANH(x @ kernel + states[0] @ recurrent + bias)]


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments", "step", "states"),
    [
        ("LSTM", {}, lstm, 2),
        ("GRU", {}, gru, 1),
        ("GRU", {"reset_after": False}, gru_before, 1),
        ("SimpleRNN", {}, simple, 1),
    ],
)
def test_recurrent_steps(
    name: str, arguments: dict[str, Any], step: Any, states: int, unroll: bool
) -> None:
    options = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    layer = getattr(layers, name)(N, **arguments, **options, unroll=unroll)
    x = normal(2, 4, 5)
    filled(layer, x.shape)
    outputs, *last = layer(x)
    expected = [np.zeros((2, N))] * states
    for index in range(4):
        expected = step(x[:, index], expected, layer.get_weights())
        np.testing.assert_allclose(outputs[:, index], expected[0], rtol=1e-12)
    np.testing.assert_allclose(last, expected, rtol=1e-12)


def test_only_the_forget_gate_begins_open() -> None:
    for name, blocks_before in (("LSTM", 1), ("CuDNNLSTM", 5)):
        layer = getattr(layers, name)(N)
        layer.build((None, 4, 5))
        bias = layer.get_weights()[2]
        ones = slice(blocks_before * N, (blocks_before + 1) * N)
        assert (bias[ones] == 1).all()
        assert bias.sum() == N
        layer = getattr(layers, name)(N, unit_forget_bias=False)
        layer.build((None, 4, 5))
        assert not layer.get_weights()[2].any()


def test_biases_for_graphics_cards_are_one_behind_the_other() -> None:
    x = normal(2, 4, 5)
    layer: Any = filled(layers.CuDNNGRU(N), x.shape)
    kernel, recurrent, bias = layer.get_weights()
    ordinary = layers.GRU(N)
    ordinary.build(x.shape)
    ordinary.set_weights([kernel, recurrent, bias.reshape(2, 3 * N)])
    np.testing.assert_allclose(layer(x), ordinary(x), rtol=1e-6)


def test_every_gate_drops_other_entries_of_the_state() -> None:
    cell = filled(layers.LSTMCell(N, recurrent_dropout=0.5, seed=1, dtype="float64"), (2, 5))
    x, state, carry = normal(2, 5), normal(2, N), normal(2, N, 1)[..., 0]
    masks = cell.get_recurrent_dropout_mask(state)
    assert len({mask.tobytes() for mask in masks}) > 1
    kernel, recurrent, bias = cell.get_weights()
    dropped = [
        (state * mask) @ part for mask, part in zip(masks, blocks(recurrent, 4), strict=True)
    ]
    _, states = cell(x, [state, carry], training=True)
    nothing = [kernel, np.zeros_like(recurrent), bias + np.concatenate(dropped, axis=-1)]
    np.testing.assert_allclose(states, lstm(x, [state, carry], nothing), rtol=1e-12)


@pytest.mark.parametrize(
    ("mode", "merge"),
    [
        ("sum", np.add),
        ("mul", np.multiply),
        ("ave", lambda one, other: (one + other) / 2),
        ("concat", lambda one, other: np.concatenate([one, other], axis=-1)),
        (None, lambda one, other: (one, other)),
    ],
)
def test_both_directions_are_merged(mode: Any, merge: Any) -> None:
    x = normal(2, 4, 5)
    layer: Any = layers.Bidirectional(layers.GRU(N, return_sequences=True), merge_mode=mode)
    found = filled(layer, x.shape)(x)
    backward = layer.backward_layer(x)[:, ::-1]
    np.testing.assert_allclose(found, merge(layer.forward_layer(x), backward), rtol=1e-6, atol=1e-7)


def test_only_the_first_of_stacked_cells_reverses_the_steps() -> None:
    cells = [layers.LSTMCell(N), layers.GRUCell(2)]
    x = normal(2, 4, 5)
    options: Any = {"go_backwards": True, "return_sequences": True}
    fused: Any = layers.RNN(cells, **options)
    stepwise: Any = layers.RNN(cells, **options, unroll=True)
    np.testing.assert_allclose(fused(x), stepwise(x), rtol=1e-5, atol=1e-7)


# --- normalization ---------------------------------------------------------------------------


def test_a_frozen_normalization_uses_the_averages() -> None:
    layer: Any = layers.BatchNormalization()
    x = 3 + normal(4, N)
    filled(layer, x.shape).set_weights([np.ones(N), np.zeros(N), np.zeros(N), np.ones(N)])
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1 + 1e-3), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(N))


def test_masked_steps_are_no_part_of_the_statistics() -> None:
    layer = layers.BatchNormalization(momentum=0, epsilon=0.0, dtype="float64")
    x, mask = normal(2, 4, N), np.array([[True, True, False, False], [True, True, True, False]])
    outputs = layer(x, mask=mask, training=True)
    counted = x[mask]
    gamma, beta, mean, variance = layer.get_weights()
    np.testing.assert_allclose(mean, counted.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, counted.var(0), rtol=1e-6)
    expected = gamma * (x - counted.mean(0)) / counted.std(0) + beta
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


def test_groups_are_of_neighbouring_channels() -> None:
    layer, x = layers.GroupNormalization(2, epsilon=0.0, dtype="float64"), normal(3, 5, 4)
    outputs = layer(x)
    for group in (slice(0, 2), slice(2, 4)):
        part = x[..., group]
        centred = part - part.mean((1, 2), keepdims=True)
        expected = centred / part.std((1, 2), keepdims=True)
        np.testing.assert_allclose(outputs[..., group], expected, rtol=1e-12)


# --- shapes, activations, parts ---------------------------------------------------------------


def test_borders_are_cut_and_padded_where_they_are_meant() -> None:
    x = np.arange(1.0, 6).reshape(1, 5, 1)
    found: Any = layers.Cropping1D((1, 2))(x)
    assert found.ravel().tolist() == [2, 3]
    found = layers.ZeroPadding1D((1, 2))(x)
    assert found.ravel().tolist() == [0, 1, 2, 3, 4, 5, 0, 0]
    image = np.arange(1.0, 13).reshape(1, 3, 4, 1)
    found = layers.Cropping2D(((1, 0), (0, 3)))(image)
    assert found.ravel().tolist() == [5, 9]
    found = layers.ZeroPadding2D(((1, 0), (0, 2)))(image[:, :1, :1])
    assert found[0, ..., 0].tolist() == [[0, 0, 0], [1, 0, 0]]


def test_axes_are_permuted_as_they_are_named() -> None:
    x = normal(2, 3, 4, 5).astype("float32")
    np.testing.assert_array_equal(layers.Permute((2, 3, 1))(x), x.transpose(0, 2, 3, 1))


def test_the_nearest_entry_is_repeated() -> None:
    x = np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1)
    found: Any = ls.ops.image.resize(x, (1, 3), interpolation="nearest")
    assert found.ravel().tolist() == [1, 2, 2]
    found = ls.ops.image.resize(x, (1, 4), interpolation="nearest")
    assert found.ravel().tolist() == [1, 1, 2, 2]


def test_weights_of_a_locally_connected_layer_are_listed_output_by_output() -> None:
    x = normal(2, 4, 3)
    listed: Any = filled(layers.LocallyConnected1D(2, 2, implementation=3), x.shape)
    windows = layers.LocallyConnected1D(2, 2)
    windows.build(x.shape)
    kernel, bias = listed.get_weights()
    windows.set_weights([kernel.reshape(3, 2, 6).transpose(0, 2, 1), bias])
    np.testing.assert_allclose(listed(x), windows(x), rtol=1e-5)


def test_a_rectifier_s_slope_begins_at_the_threshold() -> None:
    layer: Any = layers.ReLU(max_value=3.0, negative_slope=0.5, threshold=1.0)
    assert layer(np.array([-1.0, 0, 1, 2, 4], "float32")).tolist() == [-1, -0.5, 0, 2, 3]


def test_channels_come_last_before_an_image_is_flattened() -> None:
    x = normal(2, 3, 4, 5)
    found = layers.Flatten(data_format="channels_first")(x)
    np.testing.assert_array_equal(found, x.transpose(0, 2, 3, 1).reshape(2, -1).astype("float32"))


def test_masked_entries_take_no_part_in_a_softmax() -> None:
    x, mask = np.array([[1.0, 2, 30]], "float32"), np.array([[True, True, False]])
    found: Any = layers.Softmax()(x, mask=mask)
    np.testing.assert_allclose(found[:, :2], ls.activations.softmax(x[:, :2]), rtol=1e-6)
    assert found[0, 2] == 0


def test_orthogonality_is_the_mean_over_pairs() -> None:
    rows = np.array([[1.0, 0], [1, 1], [0, 2]])
    # |cos| of the three pairs: 1 / sqrt(2), 0 and 1 / sqrt(2).
    penalty = ls.regularizers.OrthogonalRegularizer(0.3)(rows)
    np.testing.assert_allclose(penalty, 0.3 * np.sqrt(2) / 3, rtol=1e-6)


#: Names of the weights in Keras's order, which `set_weights` and saved files rely on.
WEIGHTS: list[tuple[Any, tuple[int | None, ...], str]] = [
    (layers.Dense(2), (None, 3), "kernel bias"),
    (layers.Dense(2, lora_rank=1), (None, 3), "kernel bias lora_kernel_a lora_kernel_b"),
    (layers.Conv2D(2, 1), (None, 3, 3, 1), "kernel bias"),
    (layers.Conv1DTranspose(2, 1), (None, 3, 1), "kernel bias"),
    (layers.DepthwiseConv1D(1), (None, 3, 1), "kernel bias"),
    (layers.SeparableConv1D(2, 1), (None, 3, 1), "depthwise_kernel pointwise_kernel bias"),
    (layers.LocallyConnected1D(2, 1), (None, 3, 1), "kernel bias"),
    (layers.LSTM(2), (None, 3, 1), "kernel recurrent_kernel bias"),
    (layers.GRU(2), (None, 3, 1), "kernel recurrent_kernel bias"),
    (layers.ConvLSTM1D(2, 1), (None, 3, 3, 1), "kernel recurrent_kernel bias"),
    (layers.LayerNormalization(), (None, 3), "gamma beta"),
    (layers.GroupNormalization(1), (None, 3), "gamma beta"),
    (layers.BatchNormalization(), (None, 3), "gamma beta moving_mean moving_variance"),
    (
        layers.BatchNormalization(renorm=True),
        (None, 3),
        "gamma beta moving_mean moving_variance moving_stddev renorm_mean renorm_stddev",
    ),
]


@pytest.mark.parametrize(
    ("layer", "shape", "names"), WEIGHTS, ids=[type(layer).__name__ for layer, *_ in WEIGHTS]
)
def test_weights_are_in_keras_s_order(layer: Any, shape: Any, names: str) -> None:
    layer.build(shape)
    assert [one.name for one in layer.weights] == names.split()


@pytest.mark.parametrize(
    ("layer", "defaults"),
    [
        (layers.LeakyReLU(), {"negative_slope": 0.3}),
        (layers.ELU(), {"alpha": 1.0}),
        (layers.ThresholdedReLU(), {"theta": 1.0}),
        (layers.ReLU(), {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
        (layers.BatchNormalization(), {"momentum": 0.99, "epsilon": 1e-3, "axis": -1}),
        (layers.LayerNormalization(), {"epsilon": 1e-3}),
        (layers.RMSNormalization(), {"epsilon": 1e-6}),
        (layers.GroupNormalization(), {"groups": 32, "epsilon": 1e-3}),
        (layers.UpSampling2D(), {"size": (2, 2), "interpolation": "nearest"}),
        (layers.MaxPooling1D(), {"pool_size": (2,), "strides": (2,), "padding": "valid"}),
        (layers.GRU(1), {"reset_after": True, "go_backwards": False}),
        (layers.LSTM(1), {"unit_forget_bias": True}),
        (layers.Embedding(1, 1), {"mask_zero": False}),
    ],
)
def test_defaults_are_keras_s(layer: Any, defaults: dict[str, Any]) -> None:
    assert {name: getattr(layer, name) for name in defaults} == defaults
