"""Known values and refusals of the locally connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

LAYOUTS = ["channels_last", "channels_first"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_equal_kernels_everywhere_it_is_a_convolution(layout: Any) -> None:
    options: Any = {"kernel_size": (2, 3), "strides": (1, 2), "data_format": layout}
    conv = layers.Conv2D(3, **options)
    local: Any = layers.LocallyConnected2D(3, **options)
    x = np.random.default_rng(0).normal(size=(2, 4, 7, 5)).astype("float32")
    expected = conv(x)
    local.build(x.shape)
    kernel, bias = conv.get_weights()
    if layout == "channels_first":
        kernel = np.moveaxis(kernel, 2, 0)
    kernels = np.tile(kernel.reshape(-1, 3), (len(local.kernel.value), 1, 1))
    local.set_weights([kernels, np.broadcast_to(bias, local.bias.shape)])
    np.testing.assert_allclose(local(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_implementations_differ_in_where_they_keep_the_weights(layout: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    options: Any = {"filters": 2, "kernel_size": (2, 1), "strides": (1, 2), "data_format": layout}
    dense: Any = layers.LocallyConnected2D(**options, implementation=2)
    expected = dense(x)
    weights = dense._kernel_per_window()
    rows = layers.LocallyConnected2D(**options, implementation=1)
    rows.build(x.shape)
    rows.set_weights([weights, dense.bias.numpy()])
    listed = layers.LocallyConnected2D(**options, implementation=3)
    listed.build(x.shape)
    sparse = np.zeros(listed.kernel.shape, "float32")
    sparse[listed._places] = weights
    listed.set_weights([sparse, dense.bias.numpy()])
    for layer in (rows, listed):
        np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
    assert len({layer.kernel.shape for layer in (dense, rows, listed)}) == 3
    assert rows.kernel.value.size == listed.kernel.value.size < dense.kernel.value.size


def test_every_position_has_its_own_kernel_and_bias() -> None:
    layer = layers.LocallyConnected1D(1, 2, strides=2)
    layer.build((None, 4, 1))
    layer.set_weights([np.array([[[1], [10]], [[100], [1000]]]), np.array([[0.5], [0.25]])])
    found = layer(np.array([1, 2, 3, 4], "float32").reshape(1, 4, 1))
    np.testing.assert_array_equal(found.ravel(), [21.5, 4300.25])


def test_same_windows_are_centred_at_multiples_of_the_stride() -> None:
    layer: Any = layers.LocallyConnected1D(
        1, 2, strides=2, padding="same", implementation=3, use_bias=False, kernel_initializer="ones"
    )
    found = layer(np.array([1, 10, 100, 1000], "float32").reshape(1, 4, 1))
    # The windows are (outside, 1) and (10, 100); those of Conv1D would be (1, 10), (100, 1000).
    np.testing.assert_array_equal(found.ravel(), [1, 110])
    assert layer.kernel.shape == (3,)


def test_what_lies_outside_a_window_does_not_count() -> None:
    layer = layers.LocallyConnected1D(1, 1, implementation=2)
    x = np.array([1, np.nan], "float32").reshape(1, 2, 1)
    np.testing.assert_array_equal(np.isnan(layer(x)).ravel(), [False, True])


def test_keras_2_reads_the_config() -> None:
    config = layers.LocallyConnected1D(1, 1, dtype="float64").get_config()
    assert config["dtype"] == "float64"
    assert config["kernel_initializer"]["config"] == {"seed": None}


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: layers.LocallyConnected1D(2, 2, padding="same"),
            ValueError,
            "`padding`.*'valid'.*`implementation`.*padding='same'",
        ),
        (
            lambda: layers.LocallyConnected2D(2, 2, implementation=4),
            ValueError,
            "`implementation`.*at most 3.*implementation=4",
        ),
        (lambda: layers.LocallyConnected2D(2, (1, 2, 3)), ValueError, "tuple of 2 integers"),
        (lambda: layers.LocallyConnected1D(2, 5)(ones(1, 4, 1)), ValueError, "zero or negative"),
        (
            lambda: layers.LocallyConnected2D(2, 2)(ls.Input((None, 4, 1))),
            ValueError,
            r"fully defined.*\(None, None, 4, 1\)",
        ),
        (
            lambda: ls.ops.locally_connected(ones(1, 4, 2), ones(3, 2, 5), kernel_size=2),
            ValueError,
            r"3 windows of 4 entries.*\(3, 4, filters\).*\(3, 2, 5\)",
        ),
    ],
)
def test_what_is_wrong_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_another_length_than_the_one_built_for_is_refused() -> None:
    layer = layers.LocallyConnected1D(2, 2)
    layer.build((None, 5, 1))
    with pytest.raises(ValueError, match=r"axis 1 .* value 5"):
        layer(ones(1, 6, 1))
