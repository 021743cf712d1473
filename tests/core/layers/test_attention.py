"""Attention layers compute what their formulas say, and hide what masks hide."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.masks import get_keras_mask
from layerscope.ops.attention import causal_mask, without_future

GENERATOR = np.random.default_rng(0)
QUERY, VALUE, KEY = (GENERATOR.normal(size=shape) for shape in ((2, 4, 3), (2, 5, 3), (2, 5, 3)))


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def filled(layer: Any, *shapes: Any) -> Any:
    """Build a layer and give it random weights."""
    layer.build(*shapes)
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=one.shape) for one in layer.weights])
    return layer


def multi_head(**options: Any) -> Any:
    layer = layers.MultiHeadAttention(2, 3, dtype="float64", **options)
    return filled(layer, QUERY.shape, VALUE.shape, KEY.shape)


def grouped(**options: Any) -> Any:
    layer = layers.GroupedQueryAttention(3, 4, 2, dtype="float64", **options)
    return filled(layer, QUERY.shape, VALUE.shape, KEY.shape)


# --- formulas --------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "shared"), [(multi_head, 1), (grouped, 2)])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("scores", [False, True])
def test_projected_heads(make: Any, shared: int, gated: bool, scores: bool) -> None:
    layer = make(use_gate=gated)
    names = ["query", "key", *(["gate"] if gated else []), "value", "attention_output"]
    kernels = dict(zip(names, layer.get_weights()[::2], strict=True))
    biases = dict(zip(names, layer.get_weights()[1::2], strict=True))

    def project(x: np.ndarray, name: str, head: int) -> np.ndarray:
        return x @ kernels[name][:, head] + biases[name][head]

    expected = np.zeros(QUERY.shape) + biases["attention_output"]
    weights = []
    for head in range(kernels["query"].shape[1]):
        query, key = project(QUERY, "query", head), project(KEY, "key", head // shared)
        weights.append(softmax(query @ key.swapaxes(1, 2) / np.sqrt(3)))
        found = weights[-1] @ project(VALUE, "value", head // shared)
        if gated:
            found = found / (1 + np.exp(-project(QUERY, "gate", head)))
        expected += found @ kernels["attention_output"][head]
    outputs = layer(QUERY, VALUE, KEY, return_attention_scores=scores)
    if scores:
        outputs, given = outputs
        np.testing.assert_allclose(given, np.stack(weights, axis=1), rtol=1e-10)
    np.testing.assert_allclose(outputs, expected, rtol=1e-10)


class StepByStep(layers.MultiHeadAttention):
    """Attends as it would anyway, but says so."""

    def _compute_attention(self, *args: Any, **kwargs: Any) -> Any:
        return super()._compute_attention(*args, **kwargs)


CHANGES: dict[str, Any] = {
    "nothing": lambda layer: None,
    "adapted": lambda layer: layer.query_dense.enable_lora(1),
    "activation": lambda layer: setattr(layer.value_dense, "activation", ls.activations.tanh),
    "no bias": lambda layer: setattr(layer.key_dense, "bias", None),
    "frozen": lambda layer: setattr(layer.output_dense, "trainable", False),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_heads_at_once_and_step_by_step_are_the_same(change: str, dtype: str) -> None:
    found = []
    for kind in (layers.MultiHeadAttention, StepByStep):
        ls.utils.set_random_seed(0)
        layer = filled(kind(2, 3, dtype=dtype), QUERY.shape, VALUE.shape, KEY.shape)
        CHANGES[change](layer)
        with ls.GradientTape() as tape:
            inputs = [tape.watch(x.astype(dtype)) for x in (QUERY, VALUE, KEY)]
            outputs = layer(*inputs)
        gradients = tape.gradient(outputs, [*inputs, *layer.trainable_variables])
        plain = layer(*(x.astype(dtype) for x in (QUERY, VALUE, KEY)))
        known = [one for one in gradients if one is not None]
        found.append([np.asarray(one) for one in (plain, outputs, *known)])
    for at_once, stepwise in zip(*found, strict=True):
        assert at_once.dtype == dtype
        np.testing.assert_allclose(at_once, stepwise, rtol=1e-5, atol=1e-5)


def test_a_penalty_on_what_a_projection_gives_is_heeded() -> None:
    layer = multi_head(activity_regularizer="l2")
    layer(QUERY, VALUE, KEY)
    assert len(layer.losses) == 4


def test_what_heads_are_not_built_for_is_refused() -> None:
    with pytest.raises(ValueError, match="incompatible with the layer"):
        multi_head()(np.zeros((2, 4, 6)), VALUE, KEY)
    with pytest.raises(ValueError, match="incompatible with the layer"):
        multi_head()(QUERY, np.zeros((2, 5, 6)), KEY)


@pytest.mark.parametrize("make", [multi_head, grouped])
@pytest.mark.parametrize("places", [4, 6])
def test_there_are_as_many_keys_as_values(make: Any, places: int) -> None:
    layer, value = make(), np.zeros((2, places, 3))
    with pytest.raises(ValueError, match="as many places in `key` as in `value`"):
        layer(QUERY, value, KEY)
    query, key = np.zeros((1, 2, 1, 3), "float32"), np.zeros((1, 2, 1, 4), "float32")
    with pytest.raises(ValueError, match="as many features in `query` as in `key`"):
        ls.ops.dot_product_attention(query, key, key)


@pytest.mark.parametrize("scaled", [False, True])
def test_products_and_sums_without_projections(scaled: bool) -> None:
    pairs = QUERY[:, :, None] + KEY[:, None]
    scale = np.float64(1.7)
    factor = scale if scaled else 1.0
    scores = {
        "dot": factor * QUERY @ KEY.swapaxes(1, 2),
        "concat": 0.6 * np.tanh(factor * pairs).sum(-1),
    }
    layer: Any
    for mode, expected in scores.items():
        options: Any = {"use_scale": scaled, "score_mode": mode}
        layer = layers.Attention(**options, dtype="float64")
        layer.build([QUERY.shape, VALUE.shape, KEY.shape])
        own = ([scale] if scaled else []) + ([0.6] if mode == "concat" else [])
        layer.set_weights(list(map(np.array, own)))
        np.testing.assert_allclose(layer([QUERY, VALUE, KEY]), softmax(expected) @ VALUE)
    layer = layers.AdditiveAttention(use_scale=scaled, dtype="float64")
    filled(layer, [QUERY.shape, VALUE.shape, KEY.shape])
    each = layer.get_weights()[0] if scaled else np.ones(3)
    expected = softmax((np.tanh(pairs) * each).sum(-1)) @ VALUE
    np.testing.assert_allclose(layer([QUERY, VALUE, KEY]), expected)


def test_as_many_heads_of_keys_as_of_queries_are_multi_head_attention() -> None:
    one, other = multi_head(), layers.GroupQueryAttention(3, 2, 2, dtype="float64")
    other.build(QUERY.shape, VALUE.shape)
    other.set_weights(one.get_weights())
    np.testing.assert_allclose(other(QUERY, VALUE), one(QUERY, VALUE), rtol=1e-12)


def test_attention_along_one_axis_is_that_of_each_slice() -> None:
    query, value = (GENERATOR.normal(size=(2, 3, places, 4)) for places in (5, 6))
    layer = layers.MultiHeadAttention(2, 3, attention_axes=2, dtype="float64")
    filled(layer, query.shape, value.shape)
    flat = layers.MultiHeadAttention(2, 3, dtype="float64")
    flat.build(query[:, 0].shape, value[:, 0].shape)
    flat.set_weights(layer.get_weights())
    found = layer(query, value)
    for index in range(3):
        np.testing.assert_allclose(found[:, index], flat(query[:, index], value[:, index]))


# --- masks -----------------------------------------------------------------------------------

HIDDEN = np.array([[True, True, False, True, False]] * 2)
SQUARE = GENERATOR.normal(size=(1, 5, 3))


def reach(layer: Any, x: np.ndarray, **options: Any) -> np.ndarray:
    """Tell which places each output depends on, (queries, keys)."""
    several = isinstance(layer, layers.Attention)

    def outputs(value: np.ndarray) -> np.ndarray:
        return layer([x, value], **options) if several else layer(x, value, **options)

    before, seen = outputs(x), []
    for place in range(x.shape[1]):
        changed = x.copy()
        changed[:, place] += 1.0
        seen.append((outputs(changed) != before).any((0, 2)))
    return np.stack(seen, axis=1)


def each_layer() -> list[Any]:
    return [
        pytest.param(make, id=name)
        for name, make in {
            "MultiHeadAttention": multi_head,
            "GroupedQueryAttention": grouped,
            "Attention": lambda: layers.Attention(dtype="float64"),
            "AdditiveAttention": lambda: layers.AdditiveAttention(dtype="float64"),
        }.items()
    ]


@pytest.mark.parametrize("make", each_layer())
def test_a_causal_mask_hides_the_future(make: Any) -> None:
    np.testing.assert_array_equal(reach(make(), SQUARE), np.ones((5, 5), bool))
    found = reach(make(), SQUARE, use_causal_mask=True)
    np.testing.assert_array_equal(found, np.tri(5, dtype=bool))


@pytest.mark.parametrize("make", [multi_head, grouped])
@pytest.mark.parametrize("scores", [False, True])
def test_a_window_and_a_mask_hide_what_is_far(make: Any, scores: bool) -> None:
    layer = make(sliding_window=2, dropout=0.5 if scores else 0.0)
    near = np.abs(np.arange(5)[:, None] - np.arange(5)) < 2
    np.testing.assert_array_equal(reach(layer, SQUARE), near)
    mask = np.arange(25).reshape(5, 5) % 3 > 0
    found = reach(layer, SQUARE, attention_mask=mask)
    np.testing.assert_array_equal(found, near & mask)


@pytest.mark.parametrize("make", [multi_head, grouped])
def test_masks_of_the_inputs(make: Any) -> None:
    layer = make()
    found = layer(QUERY, VALUE, value_mask=HIDDEN, key_mask=HIDDEN)
    expected = layer(QUERY, VALUE[:, HIDDEN[0]])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # A mask that comes with an input counts as well.
    masked = layers.Masking(dtype="float64")
    np.testing.assert_allclose(layer(QUERY, masked(VALUE * HIDDEN[..., None])), expected)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_masks_of_queries_and_values(name: str) -> None:
    layer = getattr(layers, name)(dtype="float64")
    shown = np.array([[True, False, True, True]] * 2)
    found = layer([QUERY, VALUE], mask=[shown, HIDDEN])
    expected = layer([QUERY, VALUE[:, HIDDEN[0]]])
    np.testing.assert_allclose(found, expected * shown[..., None], rtol=1e-12)


def test_hidden_scores_have_no_gradient() -> None:
    slope = ls.grad(lambda scores: ls.ops.sum(without_future(scores)))(np.zeros((2, 3, 4)))
    np.testing.assert_array_equal(slope, [np.tri(3, 4)] * 2)


# --- dropout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_dropped_weights_are_zero_and_the_others_larger(name: str) -> None:
    layer = getattr(layers, name)(dropout=0.5, seed=1, dtype="float64")
    _, kept = layer([QUERY, VALUE], return_attention_scores=True)
    outputs, weights = layer([QUERY, VALUE], return_attention_scores=True, training=True)
    assert set(np.unique(np.round(weights / kept, 9))) == {0.0, 2.0}
    np.testing.assert_allclose(outputs, weights @ VALUE)


@pytest.mark.parametrize("make", [multi_head, grouped])
def test_a_seed_repeats_the_dropout(make: Any) -> None:
    layer, again = make(dropout=0.5, seed=3), make(dropout=0.5, seed=3)
    first = layer(QUERY, VALUE, training=True)
    np.testing.assert_array_equal(again(QUERY, VALUE, training=True), first)
    assert (layer(QUERY, VALUE, training=True) != first).any()
    np.testing.assert_array_equal(layer(QUERY, VALUE), make()(QUERY, VALUE))


# --- einsum and reversible embedding ---------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "lengths", "bias_axes", "bias_shape", "shape"),
    [
        ("ab,bc->ac", 4, "c", (4,), (2, 3)),
        ("abc,cde->abde", (None, 4, 2), "de", (4, 2), (2, 5, 3)),
        ("abc,cde->abde", (5, 4, 2), "d", (4, 1), (2, 5, 3)),
        ("...ab,bc->...ac", (None, 4), "c", (4,), (2, 2, 5, 3)),
        ("ab...,bc->ac...", 4, "c", (4, 1, 1), (2, 3, 2, 2)),
        ("abc,bd->adc", (4, None), "d", (4, 1), (2, 5, 3)),
        ("ab,bc->ac", 4, None, (), (2, 3)),
    ],
)
def test_einsum_dense(
    equation: str, lengths: Any, bias_axes: Any, bias_shape: Any, shape: Any
) -> None:
    layer: Any = layers.EinsumDense(equation, lengths, bias_axes=bias_axes, dtype="float64")
    filled(layer, shape)
    x = GENERATOR.normal(size=shape)
    expected = np.einsum(equation, x, layer.kernel)
    if bias_axes:
        assert layer.bias.shape == bias_shape
        expected = expected + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)
    assert layer.compute_output_shape((None, *shape[1:])) == (None, *expected.shape[1:])


def test_scores_are_products_with_the_table() -> None:
    x = GENERATOR.normal(size=(2, 4, 3))
    table = GENERATOR.normal(size=(5, 3))
    tied = layers.ReversibleEmbedding(5, 3, weights=table, dtype="float64")
    np.testing.assert_allclose(tied(x, reverse=True), x @ table.T)
    capped = layers.ReversibleEmbedding(5, 3, logit_soft_cap=0.5, weights=table, dtype="float64")
    np.testing.assert_allclose(capped(x, reverse=True), 0.5 * np.tanh(2 * x @ table.T))
    untied = layers.ReversibleEmbedding(5, 3, tie_weights=False, dtype="float64")
    filled(untied, (2, 4))
    np.testing.assert_allclose(untied(x, reverse=True), x @ untied.reverse_embeddings.numpy())
    exact = layers.ReversibleEmbedding(5, 3, weights=table, reverse_dtype="float64")
    assert exact(np.array([1, 2])).dtype == "float32"
    assert exact(x, reverse=True).dtype == "float64"


def test_zero_is_masked_in_numbers_alone() -> None:
    layer = layers.ReversibleEmbedding(5, 3, mask_zero=True)
    vectors = layer(np.array([[0, 2]]))
    np.testing.assert_array_equal(get_keras_mask(vectors), [[False, True]])
    assert get_keras_mask(layer(np.zeros((1, 3), "float32"), reverse=True)) is None


@pytest.mark.parametrize("scale", [None, 3.0])
def test_attention_at_once_and_step_by_step_is_the_same(scale: float | None) -> None:
    generator = np.random.default_rng(0)
    query, key, value = (
        generator.normal(size=(2, length, 3, width)).astype(np.float32)
        for length, width in ((4, 5), (6, 5), (6, 2))
    )
    attend = partial(ls.ops.dot_product_attention, query, key, value, scale=scale)
    none = np.zeros((), np.float32)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    close(attend(), attend(bias=none))
    close(attend(mask=causal_mask(4, 6)), attend(is_causal=True))
