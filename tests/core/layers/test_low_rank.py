"""Low-rank adaptation: what is trained, what is frozen, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

X = np.random.default_rng(0).normal(size=(4, 6, 6, 6, 3)).astype("float32")
ADAPTED = [
    pytest.param(lambda **o: layers.Dense(2, **o), X, "kernel", id="Dense"),
    pytest.param(lambda **o: layers.Conv1D(2, 3, **o), X[:, :, 0, 0], "kernel", id="Conv1D"),
    pytest.param(lambda **o: layers.Conv2D(2, 3, **o), X[:, :, :, 0], "kernel", id="Conv2D"),
    pytest.param(lambda **o: layers.Conv3D(2, 3, **o), X, "kernel", id="Conv3D"),
    pytest.param(
        lambda **o: layers.Embedding(5, 2, **o), np.arange(4) % 3, "embeddings", id="Embedding"
    ),
    pytest.param(
        lambda **o: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e", **o),
        X[:, :, 0, 0],
        "kernel",
        id="EinsumDense",
    ),
    pytest.param(
        lambda **o: layers.ReversibleEmbedding(5, 2, **o),
        np.arange(4) % 3,
        "embeddings",
        id="ReversibleEmbedding",
    ),
]
each_adapted = pytest.mark.parametrize(("make", "x", "name"), ADAPTED)


@each_adapted
def test_the_product_is_added_and_trained_alone(make: Any, x: Any, name: str) -> None:
    layer = make()
    layer.build(x.shape)
    before = layer(x)
    frozen = getattr(layer, name)
    layer.enable_lora(2, lora_alpha=3.0)
    np.testing.assert_array_equal(layer(x), before)  # the second factor begins as zeros
    a, b = (getattr(layer, f"lora_{name}_{letter}") for letter in "ab")
    b.assign(np.random.default_rng(1).normal(size=b.shape))
    expected = frozen.numpy() + 3.0 / 2 * a.numpy() @ b.numpy()
    np.testing.assert_allclose(getattr(layer, name), expected, rtol=1e-5, atol=1e-6)
    assert (layer(x) != before).any()
    trained = [one.name for one in layer.trainable_weights]
    assert trained == [*(["bias"] if name == "kernel" else []), a.name, b.name]
    values = frozen.numpy()
    model = ls.Sequential([layer])
    model.compile("sgd", "mse")
    model.fit(x, np.zeros_like(before), verbose=0)
    np.testing.assert_array_equal(frozen, values)
    assert not np.array_equal(a.numpy() @ b.numpy() * 1.5 + values, expected)


@each_adapted
def test_thawing_a_layer_leaves_the_weight_frozen(make: Any, x: Any, name: str) -> None:
    layer = make(lora_rank=1)
    layer.build(x.shape)
    trained = [one.name for one in layer.trainable_weights]
    layer.trainable = False
    layer.trainable = True
    assert [one.name for one in layer.trainable_weights] == trained
    assert name not in trained


@each_adapted
def test_config_holds_it_where_it_is(make: Any, x: Any, name: str) -> None:
    layer = make()
    assert not {"lora_rank", "lora_alpha"} & layer.get_config().keys()
    layer.build(x.shape)
    layer.enable_lora(3)
    copy = type(layer).from_config(layer.get_config())
    assert (copy.lora_rank, copy.lora_alpha) == (3, 3.0)
    copy.build(x.shape)
    assert [one.path for one in copy.weights] == [one.path for one in layer.weights]
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(x), layer(x))


def test_the_small_weights_have_the_penalty_of_the_large_one() -> None:
    layer = layers.Dense(2, kernel_regularizer="l2", lora_rank=1)
    layer.build((None, 3))
    assert len(layer.losses) == 2


@each_adapted
def test_what_cannot_be_adapted(make: Any, x: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=f"must build the layer before accessing `{name}`"):
        getattr(make(), name)
    with pytest.raises(ValueError, match="isn't yet built"):
        make().enable_lora(2)
    constrained = {f"{name}_constraint": "max_norm"}
    with pytest.raises(ValueError, match=f"remove the `{name}_constraint` argument"):
        make(**constrained).enable_lora(2)
    with pytest.raises(ValueError, match=f"remove the `{name}_constraint` argument"):
        make(**constrained, lora_rank=2).build(x.shape)
    layer = make(lora_rank=2)
    layer.build(x.shape)
    with pytest.raises(ValueError, match="already enabled"):
        layer.enable_lora(2)
    for rank in (0, 1.5, "x"):
        with pytest.raises(ValueError, match="`lora_rank` must be an integer at least 1"):
            make(lora_rank=rank)
        other = make()
        other.build(x.shape)
        with pytest.raises(ValueError, match="`rank` must be an integer at least 1"):
            other.enable_lora(rank)
    with pytest.raises(ValueError, match="`quantization_config` must be None"):
        make(quantization_config="int8")
