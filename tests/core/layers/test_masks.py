"""Masks: which layers pass them on, what merging makes of them, and when they are forgotten."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers, masks, ops
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.tensor import KerasTensor

#: One masked step, then one that counts.
X = np.array([[[0.0, 0.0], [1.0, 1.0]]], "float32")
MASK = np.array([[False, True]])

PASS_ON: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "relu"},
    "ActivityRegularization": {"l2": 0.1},
    "AlphaDropout": {"rate": 0.1},
    "BatchNormalization": {},
    "Dense": {"units": 2},
    "Dropout": {"rate": 0.1},
    "ELU": {},
    "GaussianDropout": {"rate": 0.1},
    "GaussianNoise": {"stddev": 0.1},
    "GroupNormalization": {"groups": 1},
    "Identity": {},
    "LayerNormalization": {},
    "LeakyReLU": {},
    "Masking": {},
    "PReLU": {},
    "ReLU": {},
    "Softmax": {},
    "SpatialDropout1D": {"rate": 0.1},
    "TimeDistributed": {"layer": {"class_name": "Dense", "config": {"units": 2}}},
    "UnitNormalization": {},
}
DROP: dict[str, dict[str, Any]] = {
    "AveragePooling1D": {"pool_size": 2},
    "Conv1D": {"filters": 2, "kernel_size": 1},
    "Cropping1D": {"cropping": (0, 1)},
    "Flatten": {},
    "GlobalAveragePooling1D": {},
    "GlobalMaxPooling1D": {},
    "Lambda": {"function": "square"},
    "MaxPooling1D": {"pool_size": 2},
    "Permute": {"dims": (2, 1)},
    "Reshape": {"target_shape": (4,)},
    "RMSNormalization": {},
    "UpSampling1D": {"size": 2},
    "ZeroPadding1D": {"padding": 1},
}
CASES = [
    pytest.param(getattr(layers, name), arguments, passes, id=name)
    for table, passes in ((PASS_ON, True), (DROP, False))
    for name, arguments in table.items()
]
WAYS = ["eager", "tape", "training", "sequential", "functional", "symbolic", "explicit"]


def masked_output(way: str, layer: Any) -> Any:
    """Return the mask of what `layer` gives for a masked input, reached in one of several ways."""
    masking = layers.Masking()
    if way == "tape":
        with ls.GradientTape() as tape:
            return get_keras_mask(layer(masking(tape.watch(X))))
    if way == "training":
        return get_keras_mask(layer(masking(X), training=True))
    if way == "sequential":
        return get_keras_mask(ls.Sequential([masking, layer])(X))
    if way == "explicit":
        return get_keras_mask(ls.Sequential([layer])(X, mask=MASK))
    if way == "eager":
        return get_keras_mask(layer(masking(X)))
    entry = ls.Input((2, 2))
    output = layer(masking(entry))
    if way == "functional":
        return get_keras_mask(ls.Model(entry, output)(X))
    mask = get_keras_mask(output)
    return None if mask is None else ls.Model(entry, mask)(X)


def plain(mask: Any) -> np.ndarray:
    return np.asarray(getattr(mask, "value", mask))


@pytest.mark.filterwarnings("ignore:.*destroy the mask information")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("cls", "arguments", "passes"), CASES)
def test_which_layers_pass_a_mask_on(
    cls: Any, arguments: dict[str, Any], passes: bool, way: str
) -> None:
    found = masked_output(way, cls(**arguments))
    if passes:
        np.testing.assert_array_equal(plain(found), MASK)
        assert plain(found).dtype == bool
    else:
        assert found is None


def test_losing_a_mask_is_warned_about() -> None:
    with pytest.warns(UserWarning, match=r"'flatten' \(of type Flatten\).*destroy the mask"):
        layers.Flatten()(layers.Masking()(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers.GlobalAveragePooling1D()(layers.Masking()(X))
        layers.Flatten()(X)


# --- where masks come from ---------------------------------------------------------------------


def test_masking_zeroes_what_it_masks() -> None:
    x = np.array([[[5.0, 5.0], [5.0, 1.0], [2.0, 2.0]]], "float32")
    layer = layers.Masking(5.0)
    out = layer(x)
    np.testing.assert_array_equal(out, [[[0, 0], [5, 1], [2, 2]]])
    for mask in (get_keras_mask(out), layer.compute_mask(x)):
        np.testing.assert_array_equal(mask, [[False, True, True]])


def test_embedding_masks_zero() -> None:
    ids = np.array([[0, 1, 0, 2, 0]])
    out = layers.Embedding(5, 2, mask_zero=True)(ids)
    np.testing.assert_array_equal(get_keras_mask(out), [[False, True, False, True, False]])
    assert get_keras_mask(layers.Embedding(5, 2)(ids)) is None


def test_a_mask_reaches_layers_of_several_steps() -> None:
    model = ls.Sequential([layers.Masking(), layers.Dense(2), layers.GlobalAveragePooling1D()])
    model(X)
    model.set_weights([np.eye(2), np.zeros(2)])
    np.testing.assert_array_equal(model(X), [[1, 1]])
    entry = ls.Input((2, 2))
    pooled = ls.Model(entry, layers.GlobalAveragePooling1D()(entry))
    np.testing.assert_array_equal(pooled(X), [[0.5, 0.5]])
    np.testing.assert_array_equal(pooled(X, mask=MASK), [[1, 1]])
    np.testing.assert_array_equal(pooled(X, mask=~MASK), [[0, 0]])


# --- merging -----------------------------------------------------------------------------------

ONE = np.array([[True, False, True]])
OTHER = np.array([[True, False, False]])
ONES = np.ones((1, 3, 2), "float32")


@pytest.mark.parametrize(
    ("layer", "expected", "without"),
    [
        (layers.Add(), ONE, None),
        (layers.Subtract(), ONE, None),
        (layers.Multiply(), ONE, None),
        (layers.Average(), ONE, None),
        (layers.Maximum(), ONE, None),
        (layers.Minimum(), ONE, None),
        (layers.Concatenate(-1), ONE, [[True, True, True]]),
        (
            layers.Concatenate(1),
            [[True, False, True, True, False, False]],
            [[True, False, True, True, True, True]],
        ),
        (layers.Dot(2), None, None),
    ],
    ids=lambda value: value.name if isinstance(value, layers.Layer) else "",
)
def test_merging_masks(layer: Any, expected: Any, without: Any) -> None:
    for masks_given, wanted in (([ONE, OTHER], expected), ([ONE, None], without)):
        found = [layer.compute_mask([ONES, ONES], masks_given)]
        inputs = [ONES * 2, ONES * 3]
        for x, mask in zip(inputs, masks_given, strict=True):
            set_keras_mask(x, mask)
        found.append(get_keras_mask(layer(inputs)))
        for mask in found:
            if wanted is None:
                assert mask is None
            else:
                np.testing.assert_array_equal(mask, wanted)
    assert layer.compute_mask([ONES, ONES], [None, None]) is None
    assert layer.compute_mask([ONES, ONES], None) is None


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Multiply(), [10, 7]),
        (layers.Add(), [7, 7]),
        (layers.Average(), [3.5, 3.5]),
        (layers.Maximum(), [5, 7]),
        (layers.Minimum(), [2, 7]),
    ],
    ids=lambda value: value.name if isinstance(value, layers.Layer) else "",
)
def test_values_merged_under_masks(layer: Any, expected: list[float]) -> None:
    one = layers.Masking()(np.array([[[2.0], [0.0]]], "float32"))
    other = np.array([[[5.0], [7.0]]], "float32")
    np.testing.assert_array_equal(layer([one, other]).ravel(), expected)
    np.testing.assert_array_equal(np.sort(layer([other, one]).ravel()), np.sort(expected))


def test_a_product_of_what_is_masked_everywhere_is_zero() -> None:
    one, other = (layers.Masking(5.0)(np.full((1, 1, 1), 5.0, "float32")) for _ in range(2))
    np.testing.assert_array_equal(layers.Multiply()([one, other]), [[[0]]])
    np.testing.assert_array_equal(layers.Multiply()([one, one + 3]), [[[3]]])


def test_extremes_do_not_choose_what_is_masked() -> None:
    x = np.array([[[0.0], [-1.0], [0.0], [-3.0]]], "float32")
    y = np.array([[[0.0], [0.0], [-1.0], [-3.0]]], "float32")
    one, other = layers.Masking()(x), layers.Masking()(y)
    found = layers.Maximum()([one, other])
    np.testing.assert_array_equal(found.ravel(), [0, -1, -1, -3])
    np.testing.assert_array_equal(get_keras_mask(found), [[False, True, True, True]])
    np.testing.assert_array_equal(layers.Maximum()([one, y]).ravel(), [0, 0, -1, -3])
    np.testing.assert_array_equal(layers.Minimum()([-one, -other]).ravel(), [0, 0, 0, 3])
    np.testing.assert_array_equal(layers.Maximum()([one, other, one]).ravel(), [0, -1, -1, -3])


def test_masks_of_inputs_of_different_rank_are_broadcast() -> None:
    matrix = layers.Masking()(np.array([[0.0, 0.0], [2.0, 2.0]], "float32"))
    sequence = layers.Masking()(np.array([[[3.0, 3.0]], [[0.0, 0.0]]], "float32"))
    found = layers.Multiply()([matrix, sequence])
    np.testing.assert_array_equal(found, [[[3, 3]], [[2, 2]]])
    np.testing.assert_array_equal(get_keras_mask(found), [[True], [True]])


def test_merged_masks_in_a_functional_model() -> None:
    entries = [ls.Input((4, 2)), ls.Input((4, 2))]
    output = layers.Concatenate(axis=1)([layers.Masking()(entries[0]), entries[1]])
    mask = get_keras_mask(output)
    assert isinstance(mask, KerasTensor)
    assert (mask.shape, mask.dtype) == ((None, 8), "bool")
    x = np.array([[[0, 0], [1, 2], [0, 0], [3, 4]]], "float32")
    found = ls.Model(entries, mask)([x, x])
    np.testing.assert_array_equal(found, [[False, True, False, True, True, True, True, True]])


@pytest.mark.parametrize("layer", [layers.Add(), layers.Concatenate()], ids=["Add", "Concatenate"])
def test_masks_that_do_not_belong_to_the_inputs_are_refused(layer: Any) -> None:
    with pytest.raises(ValueError, match="`mask` should be a list"):
        layer.compute_mask([ONES, ONES], ONE)
    with pytest.raises(ValueError, match="`inputs` should be a list"):
        layer.compute_mask(ONES, [None, None])
    with pytest.raises(ValueError, match="should have the same length"):
        layer.compute_mask([ONES, ONES], [None])


# --- lifetime ----------------------------------------------------------------------------------


def test_a_mask_belongs_to_one_object() -> None:
    out = layers.Masking()(X)
    assert get_keras_mask(out) is not None
    assert get_keras_mask(out + 0) is None
    assert get_keras_mask(out.copy()) is None
    set_keras_mask(out, None)
    assert get_keras_mask(out) is None


def test_masks_of_arrays_are_forgotten_with_them() -> None:
    gc.collect()
    before = len(masks.MASKS_OF_ARRAYS)
    kept = [layers.Masking()(X) for _ in range(50)]
    assert len(masks.MASKS_OF_ARRAYS) == before + 50
    model = ls.Sequential([layers.Masking(), layers.Dense(2), layers.Dropout(0.1)])
    model.build((None, 2, 2))
    for _ in range(20):
        model(X)
        layers.Add()([kept[0], kept[1]])
    del kept
    gc.collect()
    assert len(masks.MASKS_OF_ARRAYS) <= before


def test_an_array_at_the_same_address_has_no_mask() -> None:
    for _ in range(100):
        x = np.empty((1, 2, 2), "float32")
        assert get_keras_mask(x) is None
        set_keras_mask(x, MASK)
        del x


def test_gradients_flow_through_a_masked_model() -> None:
    model = ls.Sequential([layers.Masking(), layers.Dense(1, use_bias=False)])
    model(X)
    with ls.GradientTape() as tape:
        watched = tape.watch(X + 1)
        set_keras_mask(watched, MASK)
        loss = ops.sum(model(watched))
    gradient = tape.gradient(loss, watched)
    np.testing.assert_allclose(gradient, np.broadcast_to(model.get_weights()[0][:, 0], X.shape))


def test_a_loss_counts_only_the_steps_that_count() -> None:
    x = np.array([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]], "float32")
    y = np.zeros_like(x)
    masked = layers.Masking()(x)
    cases: Any = (("sum_over_batch_size", 14 / 3), ("sum", 14.0))
    for reduction, expected in cases:
        loss = ls.losses.MeanSquaredError(reduction=reduction)
        assert float(loss(y, masked)) == pytest.approx(expected)
    weights = np.array([1.0, 2.0], "float32")
    loss = ls.losses.MeanSquaredError()
    assert float(loss(y, masked, weights[:, None])) == pytest.approx((1 + 4 + 2 * 9) / 3)
    none = layers.Masking()(np.zeros_like(x))
    assert float(loss(y, none)) == 0


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_wrapper_hands_on_its_layers_mask_recorded_or_not() -> None:
    layer = layers.SpectralNormalization(layers.Dense(2))
    array = X.copy()
    set_keras_mask(array, MASK)
    assert get_keras_mask(layer(array)) is not None
    with ls.GradientTape() as tape:
        assert get_keras_mask(layer(tape.watch(array))) is not None


def test_another_object_can_carry_the_mask() -> None:
    with ls.GradientTape() as tape:
        for value in (X, tape.watch(X), ls.KerasTensor(X.shape, "float32")):
            carrying = masks.with_mask(value, MASK)
            assert carrying is not value
            assert carrying.shape == value.shape
            assert get_keras_mask(carrying) is MASK
            assert get_keras_mask(value) is None


def test_a_mask_survives_the_change_of_type() -> None:
    x = X.astype("float64")
    set_keras_mask(x, MASK)
    assert get_keras_mask(layers.Activation("relu")(x)) is MASK
