"""Known values and refusals of the convolutional long short-term memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.layers.recurrent_cell import _DroppingCell

GENERATOR = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape).astype("float32")


def test_over_images_of_one_pixel_it_is_an_lstm() -> None:
    x = draw(2, 4, 3)
    dense, convolved = layers.LSTM(units=5), layers.ConvLSTM2D(filters=5, kernel_size=1)
    expected = dense(x)
    convolved.build((2, 4, 1, 1, 3))
    kernel, recurrent, bias = dense.get_weights()
    convolved.set_weights([kernel[None, None], recurrent[None, None], bias])
    found = convolved(x[:, :, None, None])
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"dropout": 0.5}])
def test_steps_taken_at_once_and_one_by_one_are_the_same(options: Any) -> None:
    x, mask = draw(2, 4, 5, 2), np.array([[True, False, True, True], [False, True, False, False]])
    options |= {"filters": 3, "kernel_size": 2, "return_sequences": True, "return_state": True}
    together, single = layers.ConvLSTM1D(**options), layers.ConvLSTM1D(**options, unroll=True)
    expected = single(x, mask=mask)
    together.build(x.shape)
    together.set_weights(single.get_weights())
    for one, other in zip(together(x, mask=mask), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_channels_may_come_first() -> None:
    x = draw(2, 3, 4, 5, 2)
    options: Any = {"filters": 3, "kernel_size": 2, "padding": "same", "return_sequences": True}
    last = layers.ConvLSTM2D(**options)
    first = layers.ConvLSTM2D(**options, data_format="channels_first")
    expected = last(x)
    first.build((2, 3, 2, 4, 5))
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(
        first(np.moveaxis(x, -1, 2)), np.moveaxis(expected, -1, 2), rtol=1e-5, atol=1e-6
    )


def test_the_forget_gate_begins_open() -> None:
    layer = layers.ConvLSTM1D(filters=2, kernel_size=1, bias_initializer="zeros")
    layer.build((None, 3, 4, 1))
    np.testing.assert_array_equal(layer.cell.bias.numpy(), [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_dropout_is_drawn_once_for_all_steps_and_per_gate(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate: Any = {kind: 0.5}
    layer = layers.ConvLSTM1D(filters=2, kernel_size=1, seed=0, return_sequences=True, **rate)
    x = np.ones((1, 3, 8, 4), "float32")
    np.testing.assert_array_equal(layer(x), layer(x, training=False))
    first, second = layer(x, training=True), layer(x, training=True)
    assert (first != second).any()
    drawn = []
    original = _DroppingCell._mask

    def watched(cell: Any, name: str, value: Any) -> Any:
        drawn.append(original(cell, name, value))
        return drawn[-1]

    monkeypatch.setattr(_DroppingCell, "_mask", watched)
    layer(x, training=True)
    first, *others = [masks for masks in drawn if masks is not None]
    assert others
    assert all(masks is first for masks in others)
    assert len(first) == 4
    assert {float(factor) for mask in first for factor in np.unique(mask)} == {0.0, 2.0}


def test_the_cell_works_in_an_rnn() -> None:
    x = draw(2, 3, 4, 5, 1)
    layer = layers.ConvLSTM2D(filters=3, kernel_size=2, return_state=True)
    expected = layer(x)
    general = layers.RNN(layers.ConvLSTM2DCell(filters=3, kernel_size=2), return_state=True)
    general.build(x.shape)
    general.set_weights(layer.get_weights())
    for one, other in zip(general(x), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert general.compute_output_shape(x.shape) == layer.compute_output_shape(x.shape)
    symbolic = general(ls.Input((3, 4, 5, 1)))
    assert [one.shape for one in symbolic] == [(None, 3, 4, 3)] * 3
    other = layers.deserialize(layers.serialize(general))
    assert other.get_config() == general.get_config()


def test_cells_may_be_stacked() -> None:
    x = draw(2, 3, 5, 5, 1)
    first, second = layers.ConvLSTM2DCell(3, 2), layers.ConvLSTM2DCell(2, 2)
    stacked = layers.RNN([first, second], return_state=True, return_sequences=True)
    found, *states = stacked(x)
    inner = layers.RNN(first, return_sequences=True)(x)
    expected = layers.RNN(second, return_sequences=True)(inner)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    shape, *shapes = stacked.compute_output_shape(x.shape)
    assert shape == found.shape
    assert shapes == [[one.shape for one in own] for own in states]


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: layers.ConvLSTM2D(filters=2, kernel_size=2)(ones(1, 3, 3, 1)),
            "ndim=5, found ndim=4",
        ),
        (lambda: layers.ConvLSTM1D(filters=2, kernel_size=5)(ones(1, 2, 3, 1)), "zero or negative"),
        (
            lambda: layers.ConvLSTM2D(filters=2, kernel_size=2, strides=2, dilation_rate=2),
            r"strides=\(2, 2\) and dilation_rate=\(2, 2\)",
        ),
        (
            lambda: layers.ConvLSTM1D(filters=2, kernel_size=2)(ls.Input((3, None, 1))),
            r"static input shapes for the spatial dimension.*\(None, None, 1\)",
        ),
        (
            lambda: layers.ConvLSTM1D(filters=2, kernel_size=2)(ls.Input((3, 4, None))),
            "channel dimension",
        ),
        (lambda: layers.ConvLSTM3D(filters=2, kernel_size=(2, 2)), "tuple of 3 integers"),
        (
            lambda: layers.ConvLSTM1D(filters=2, kernel_size=1, stateful=True)(ls.Input((3, 4, 1))),
            "batch size must be static",
        ),
    ],
)
def test_what_is_wrong_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("layout", "axis"), [("channels_last", -1), ("channels_first", 2)])
def test_other_channels_than_built_for_are_explained(layout: Any, axis: int) -> None:
    layer = layers.ConvLSTM2D(filters=2, kernel_size=1, data_format=layout)
    shape = [1, 2, 3, 3, 3]
    layer(ones(*shape))
    shape[axis] = 7
    with pytest.raises(ValueError, match=f"axis {axis % 5} .* value 3"):
        layer(ones(*shape))
