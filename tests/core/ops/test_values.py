"""What operations do beyond the laws: special values, integers, mistakes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import layerscope as ls
from layerscope import ops
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import KerasTensor

FLOATS = ["float32", "float64"]
NAN_IN = np.array([np.nan, 1.0, -1.0, np.inf, -np.inf])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "name", ["relu", "sigmoid", "tanh", "softplus", "exp", "square", "abs", "sqrt", "negative"]
)
def test_nan_reaches_the_user(name: str, dtype: str) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        out = getattr(ops, name)(NAN_IN.astype(dtype))
    assert np.isnan(out[0])
    assert not np.isnan(out[1])


@pytest.mark.parametrize("name", ["max", "min", "sum", "mean", "var", "prod", "logsumexp"])
def test_nan_survives_reductions(name: str) -> None:
    assert np.isnan(getattr(ops, name)(np.array([1.0, np.nan, 2.0])))


@pytest.mark.parametrize("name", ["maximum", "minimum", "add", "multiply"])
def test_nan_survives_pairs(name: str) -> None:
    out = getattr(ops, name)(np.array([np.nan, 1.0]), np.array([1.0, np.nan]))
    assert np.isnan(out).all()


def test_nan_survives_convolution_and_pooling() -> None:
    x = np.zeros((1, 4, 4, 1), "float32")
    x[0, 0, 0, 0] = np.nan
    pooled = ops.max_pool(x, 2)[0, :, :, 0]
    assert np.isnan(pooled).tolist() == [[True, False], [False, False]]
    kernel = np.ones((2, 2, 1, 1), "float32")
    for out in (ops.conv(x, kernel), ops.depthwise_conv(x, kernel), ops.conv_transpose(x, kernel)):
        assert np.isnan(out[0, 0, 0, 0])
        assert np.isfinite(out[0, 2:, 2:]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_extreme_arguments_stay_finite(dtype: str) -> None:
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)
    np.testing.assert_allclose(ops.sigmoid(x), [0, 0, 0.5, 1, 1], atol=1e-30)
    np.testing.assert_allclose(ops.softplus(x), [0, 0, np.log(2), 100, 1e4], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(ops.softmax(x), [0, 0, 0, 0, 1])
    np.testing.assert_allclose(ops.log_softmax(x)[-2:], [-9900.0, 0.0])
    np.testing.assert_allclose(ops.logsumexp(x), 1e4)


def test_sigmoid_keeps_small_probabilities() -> None:
    x = np.array([-20.0, -30.0])
    np.testing.assert_allclose(ops.sigmoid(x), np.exp(x) / (1 + np.exp(x)), rtol=1e-12)


# --- types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        (lambda i: ops.add(i, np.ones(3, "float32")), "float32"),
        (lambda i: ops.matmul(i, np.ones((3, 2), "float32")), "float32"),
        (lambda i: ops.multiply(i, np.ones(3, "float64")), "float64"),
        (lambda i: ops.multiply(i, 0.5), "float32"),
        (lambda i: ops.multiply(i, 2), "int32"),
        (lambda i: ops.divide(i, 2), "float32"),
        (lambda i: ops.exp(i), "float32"),
        (lambda i: ops.mean(i), "float32"),
        (lambda i: ops.sum(i), "int32"),
        (lambda i: ops.cumsum(i), "int32"),
        (lambda i: ops.count_nonzero(i), "int32"),
        (lambda i: ops.argmax(i), "int32"),
        (lambda i: ops.cast(i, "int64"), "int64"),
        (lambda i: ops.cast(i, float), "float32"),
    ],
)
def test_integers_do_not_widen_the_network(call: Any, dtype: str) -> None:
    assert call(np.array([1, 2, 3], "int32")).dtype == dtype


@pytest.mark.parametrize("scalar", [np.float64(2.0), 2.0, 2, np.int64(2), np.sqrt(4.0)])
def test_scalars_do_not_widen_float32(scalar: Any) -> None:
    x = np.ones(3, "float32")
    assert ops.multiply(x, scalar).dtype == np.float32
    assert (KerasTensor((3,)) * scalar).dtype == "float32"
    with ls.GradientTape() as tape:
        watched = tape.watch(x)
        assert (watched * scalar).dtype == np.float32


def test_floatx_decides_what_lists_become() -> None:
    assert ops.convert_to_tensor([1.0, 2.0]).dtype == np.float32
    assert ops.convert_to_tensor([1, 2]).dtype == np.int32
    assert ops.convert_to_tensor(np.ones(2)).dtype == np.float64
    assert ops.add([1.0], [2.0]).dtype == np.float32
    assert ops.arange(3).dtype == np.int32
    assert ops.arange(0.0, 1.0, 0.5).dtype == np.float32


# --- ties and edges --------------------------------------------------------------------------


def gradient(function: Any, *values: Any) -> Any:
    return ls.grad(function, tuple(range(len(values))))(*[np.asarray(v, float) for v in values])


def test_ties_share_the_gradient() -> None:
    both = gradient(lambda a, b: ops.sum(ops.maximum(a, b)), [1.0, 2.0], [1.0, 0.0])
    np.testing.assert_array_equal(both[0], [0.5, 1.0])
    np.testing.assert_array_equal(both[1], [0.5, 0.0])
    (top,) = gradient(lambda x: ops.max(x), [3.0, 1.0, 3.0])
    np.testing.assert_array_equal(top, [0.5, 0.0, 0.5])


def test_gradient_at_the_kink_of_relu_is_zero() -> None:
    (slope,) = gradient(lambda x: ops.sum(ops.relu(x)), [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(slope, [0.0, 0.0, 1.0])


def test_max_pool_gives_ties_to_the_first() -> None:
    (slope,) = gradient(lambda x: ops.sum(ops.max_pool(x, 2)), np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(slope[0, :, :, 0], [[1, 0], [0, 0]])


def test_power_with_zero_base_has_a_finite_gradient() -> None:
    base, exponent = gradient(lambda a, b: ops.sum(a**b), [0.0, 0.0], [2.0, 1.0])
    np.testing.assert_array_equal(base, [0.0, 1.0])
    np.testing.assert_array_equal(exponent, [0.0, 0.0])


@pytest.mark.parametrize("options", [{}, {"padding": "same"}, {"strides": 2, "padding": "same"}])
def test_convolution_in_parts_is_the_same(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("layerscope.ops.windows")
    generator = np.random.default_rng(0)
    x, kernel = generator.normal(size=(5, 6, 6, 2)), generator.normal(size=(3, 3, 2, 4))

    def all_of() -> list[np.ndarray]:
        with ls.GradientTape() as tape:
            image, weights = tape.watch(x), tape.watch(kernel)
            out = ops.conv(image, weights, **options)
        return [out.value, *tape.gradient(out, [image, weights])]

    whole = all_of()
    monkeypatch.setattr(module, "_PATCH_BYTES", 5000)
    for found, expected in zip(all_of(), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_convolution_and_pooling_of_no_samples() -> None:
    x = np.zeros((0, 4, 4, 2), "float32")
    assert ops.conv(x, np.zeros((2, 2, 2, 3), "float32")).shape == (0, 3, 3, 3)
    assert ops.max_pool(x, 2).shape == (0, 2, 2, 2)


def test_channels_first_follows_the_ambient_setting() -> None:
    x, kernel = np.ones((1, 2, 5, 4)), np.ones((3, 3, 2, 1))
    ls.config.set_image_data_format("channels_first")
    try:
        assert ops.conv(x, kernel).shape == (1, 1, 3, 2)
        assert ops.max_pool(x, 2).shape == (1, 2, 2, 2)
    finally:
        ls.config.set_image_data_format("channels_last")


# --- shapes ----------------------------------------------------------------------------------


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=3))
@settings(max_examples=60, deadline=None)
def test_broadcast_is_numpys(found: hnp.BroadcastableShapes) -> None:
    assert shapes.broadcast(*found.input_shapes) == found.result_shape


@given(
    length=st.integers(1, 12),
    size=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
)
@settings(max_examples=200, deadline=None)
def test_windows_cover_the_padded_axis(
    length: int, size: int, stride: int, dilation: int, padding: str
) -> None:
    count = shapes.window(length, size, stride, padding, dilation)
    before, after = shapes.window_padding(length, size, stride, padding, dilation)
    reach = dilation * (size - 1) + 1
    total = length + before + after
    starts = range(0, total - reach + 1, stride)
    assert count == len(starts)
    if padding == "same":
        assert after - before in (0, 1)
        assert count == -(-length // stride)


@given(shape=hnp.array_shapes(max_dims=4, max_side=4), data=st.data())
@settings(max_examples=150, deadline=None)
def test_indexing_shape_is_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    assert shapes.getitem(shape, key) == np.zeros(shape)[key].shape


@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
@settings(max_examples=60, deadline=None)
def test_reshape_shape_is_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    target = data.draw(st.lists(st.integers(-1, 6), min_size=1, max_size=3))
    try:
        expected = np.zeros(shape).reshape(target).shape
    except ValueError:
        with pytest.raises(ShapeError, match="total size"):
            shapes.reshape(shape, target)
    else:
        assert shapes.reshape(shape, target) == expected


IMAGE = np.ones((1, 4, 4, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.matmul(KerasTensor((2, 3)), KerasTensor((4, 2))), r"\(2, 3\) and \(4, 2\)"),
        (lambda: KerasTensor((2, 3)) + KerasTensor((2, 4)), "broadcast"),
        (lambda: ops.reshape(KerasTensor((2, 3)), (4,)), "total size"),
        (lambda: ops.concatenate([KerasTensor((2, 3)), KerasTensor((3, 4))], axis=1), "match"),
        (lambda: ops.squeeze(KerasTensor((2, 3)), 1), "length 3"),
        (lambda: ops.conv(np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1))), "zero or negative"),
        (lambda: ops.conv(np.ones((1, 4, 4, 3)), np.ones((2, 2, 2, 1))), "multiple"),
        (lambda: ops.conv(np.ones((4, 4, 3)), np.ones((2, 2, 2, 1))), "one to three spatial axes"),
        (lambda: ops.conv(np.ones((1, 4, 4)), np.ones((2, 2, 3))), "number of groups, 2"),
        (
            lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), padding="causal"),
            "causal",
        ),
        (lambda: ops.conv_transpose(np.ones((1, 4, 3)), np.ones((2, 3, 1))), "kernel's 1"),
        (lambda: ops.conv_transpose(np.ones((1, 1, 1)), np.ones((2, 1, 1)), 1, "same", 0), "zero"),
        (lambda: ops.depthwise_conv(np.ones((1, 4, 3)), np.ones((2, 2, 1))), "kernel's 2"),
        (lambda: ops.depthwise_conv(np.ones((1, 4, 3)), np.ones((5, 3, 1))), "zero or negative"),
        (lambda: ops.max_pool(np.ones((4, 3)), 2), "batch, height, width"),
        (lambda: ops.average_pool(np.ones((4, 4, 3)), (2, 2)), "one per spatial axis"),
        (lambda: ops.average_pool(KerasTensor((4, 4, 3)), 5), "zero or negative"),
        (lambda: ops.image.resize(np.ones((4, 4)), (2, 2)), "batch, height, width"),
        (lambda: ops.image.resize(np.ones((1, 4, 4, 3)), (2, 2), "area"), "'bilinear'.*'area'"),
        (lambda: ops.image.resize(IMAGE, (2, 2), fill_mode="wrap"), "`fill_mode`.*wrap"),
        (
            lambda: ops.image.resize(
                IMAGE, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True
            ),
            "Only one of",
        ),
        (lambda: ops.image.affine_transform(IMAGE, np.ones(6)), r"transform.shape=\(6,\)"),
        (lambda: ops.image.affine_transform(IMAGE, np.ones((2, 8))), r"\(2, 8\).*\(1, 4, 4, 3\)"),
        (lambda: ops.image.affine_transform(IMAGE, np.ones(8), "cubic"), "interpolation=cubic"),
        (
            lambda: ops.image.affine_transform(IMAGE, np.ones(8), fill_mode="zero"),
            "fill_mode=zero",
        ),
        (lambda: ops.image.affine_transform(IMAGE[0, 0], np.ones(8)), r"rank.*\(4, 3\)"),
        (
            lambda: ops.image.perspective_transform(IMAGE, np.ones((3, 2)), np.ones((3, 2))),
            r"start_points.*\(3, 2\)",
        ),
        (lambda: ops.image.rgb_to_grayscale(np.ones((4, 4, 2))), r"channel size.*\(4, 4, 2\)"),
        (lambda: ops.image.rgb_to_hsv(np.ones((4, 4, 3), "uint8")), "dtype=uint8"),
        (lambda: ops.image.hsv_to_rgb(np.ones((4, 3))), r"rank.*\(4, 3\)"),
        (lambda: ops.split(np.ones((3, 4)), 3, axis=1), "equal sections"),
        (lambda: ops.pad(np.ones(3), 1, mode="wrap"), "'wrap'"),
        (lambda: ops.normalize(np.ones(3), order=3), "order"),
        (lambda: ops.sum(KerasTensor((2, 3)), axis=2), "axis"),
        (lambda: ops.einsum("ij,jk->ik", np.ones((2, 3))), "operands"),
        (lambda: ops.einsum("ij,jk->ik", KerasTensor((2, 3)), KerasTensor((4, 2))), "lengths"),
        (lambda: KerasTensor((4,))[np.array([True, False, True, True])], "mask"),
    ],
)
def test_mistakes_are_explained(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_too_many_arguments_name_the_parameters() -> None:
    with pytest.raises(TypeError, match="x, newshape"):
        ops.reshape(np.ones(3), (3,), 1)  # pyright: ignore[reportCallIssue]


def test_inputs_may_be_passed_by_name() -> None:
    a, b = np.ones((2, 3)), np.full((3, 1), 2.0)
    np.testing.assert_array_equal(ops.matmul(x1=a, x2=b), a @ b)
    np.testing.assert_array_equal(ops.matmul(a, x2=b), a @ b)
    with ls.GradientTape() as tape:
        watched = tape.watch(b)
        out = ops.matmul(a, x2=watched)
    assert tape.gradient(out, watched).shape == (3, 1)


def test_warped_images_by_hand() -> None:
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    shifted = ops.image.affine_transform(x, [1, 0, 1, 0, 1, 0, 0, 0], fill_value=-1.0)
    np.testing.assert_array_equal(shifted[0, 0, :, 0], [1, 2, 3, -1])
    seen = {
        mode: ops.image.affine_transform(x, [1, 0, -2, 0, 1, 0, 0, 0], fill_mode=mode)[0, 0, :, 0]
        for mode in ("nearest", "wrap", "mirror", "reflect")
    }
    expected = {
        "nearest": [0, 0, 0, 1], "wrap": [2, 3, 0, 1], "mirror": [2, 1, 0, 1],
        "reflect": [1, 0, 0, 1],
    }  # fmt: skip
    for mode, row in seen.items():
        np.testing.assert_array_equal(row, expected[mode], err_msg=mode)
    halves = ops.image.affine_transform(x[0], [1, 0, 0.5, 0, 1, 0.5, 0, 0], fill_mode="nearest")
    np.testing.assert_allclose(halves[0, :, 0], [2.5, 3.5, 4.5, 5.0])
    corners = np.array([[0, 0], [3, 0], [0, 2], [3, 2]])
    np.testing.assert_allclose(ops.image.perspective_transform(x, corners, corners), x, atol=1e-12)
    whole = ops.image.affine_transform(x.astype("uint8"), [1, 0, 0.25, 0, 1, 0, 0, 0])
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole[0, 0, :, 0], [0, 1, 2, 2])


def test_colours_there_and_back() -> None:
    x = np.random.default_rng(0).random((2, 3, 4, 3))
    hsv = ops.image.rgb_to_hsv(x)
    assert hsv.min() >= 0
    assert hsv.max() <= 1
    np.testing.assert_allclose(ops.image.hsv_to_rgb(hsv), x, atol=1e-12)
    pure = ops.image.rgb_to_hsv(np.eye(3).reshape(1, 3, 3))
    np.testing.assert_allclose(pure[0, :, 0], [0, 1 / 3, 2 / 3])
    gray = np.full((1, 2, 2, 3), 0.25)
    np.testing.assert_allclose(ops.image.rgb_to_grayscale(gray), 0.25 * 0.9999)


def test_a_blur_keeps_what_is_even() -> None:
    x = np.zeros((1, 5, 7, 1))
    x[0, 2, 3] = 1.0
    blurred = ops.image.gaussian_blur(x, (5, 3), (0.8, 0.5))
    np.testing.assert_allclose(blurred.sum(), 1.0)
    # Wider across than down.
    assert blurred[0, 2, 4, 0] > blurred[0, 3, 3, 0] > 0
    assert blurred[0, 2, 1, 0] > 0 == blurred[0, 0, 3, 0]


def test_a_number_is_no_matrix() -> None:
    for pair in ((2.0, np.ones((2, 2))), (np.ones((2, 2)), 2.0)):
        with pytest.raises(ValueError, match="matmul"):
            ops.matmul(*pair)


@pytest.mark.parametrize("length", [1, 3, 5])
def test_what_is_normalized_has_a_factor_for_each_entry(length: int) -> None:
    x, values = np.ones((2, 4), np.float32), np.ones(length, np.float32)
    four = np.ones(4, np.float32)
    for name, call in {
        "gamma": lambda: ops.layer_normalization(x, values, four),
        "beta": lambda: ops.layer_normalization(x, four, values),
        "mean": lambda: ops.batch_normalization(x, values, four, -1),
        "variance": lambda: ops.batch_normalization(x, four, values, -1),
        "offset": lambda: ops.batch_normalization(x, four, four, -1, offset=values),
        "scale": lambda: ops.batch_normalization(x, four, four, -1, scale=values),
    }.items():
        with pytest.raises(ShapeError, match=rf"`{name}` must have the shape \(4,\)"):
            call()


def test_a_factor_of_the_root_mean_square_may_be_one_for_all() -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    plain = ops.rms_normalization(x)
    np.testing.assert_allclose(ops.rms_normalization(x, np.float32(2)), 2 * plain)
    rows = np.array([[1.0], [3.0]], np.float32)
    np.testing.assert_allclose(ops.rms_normalization(x, rows), plain * rows)
    with pytest.raises(ValueError, match="broadcast"):
        ops.rms_normalization(x, np.ones(5, np.float32))


def test_statistics_are_of_each_entry_that_has_a_factor() -> None:
    x, four = np.ones((2, 4), np.float32), np.ones(4, np.float32)
    for name, pair in {"scale": (four[:3], four), "offset": (four, four[None])}.items():
        with pytest.raises(ShapeError, match=rf"`{name}` must have the shape \(4,\)"):
            ops.normalize_batch(x, *pair)


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 2]])
def test_a_label_is_the_number_of_a_class(labels: list[int]) -> None:
    x = np.full((3, 3), 1 / 3, np.float32)
    with pytest.raises(ValueError, match=r"`labels` must hold class numbers from 0 to 2"):
        ops.mean_sparse_crossentropy(x, np.array(labels), epsilon=1e-7)
    assert np.isnan(ops.mean_sparse_crossentropy(x * np.nan, np.array([0, 1, 2]), epsilon=1e-7))


def test_there_is_a_label_for_each_row() -> None:
    x = np.full((3, 3), 1 / 3, np.float32)
    with pytest.raises(ShapeError, match="`labels` must hold one number for each row"):
        ops.mean_sparse_crossentropy(x, np.array([0, 1]), epsilon=1e-7)
    with pytest.raises(ShapeError, match="`x` and `target` must have the same shape"):
        ops.mean_binary_crossentropy(x, x[:2], epsilon=1e-7)


def test_a_mask_tells_of_each_step() -> None:
    x, state = np.ones((2, 3, 4), np.float32), np.ones((2, 5), np.float32)
    weights = np.ones((4, 5), np.float32), np.ones((5, 5), np.float32), np.ones(5, np.float32)
    with pytest.raises(ShapeError, match=r"`mask` must be of shape \(batch, steps\) = \(2, 3\)"):
        ops.simple_rnn(x, *weights, state, mask=np.ones((2, 2), bool))


def test_an_image_has_a_pixel() -> None:
    for interpolation in ops.image.INTERPOLATIONS:
        with pytest.raises(ShapeError, match="at least one pixel"):
            ops.image.resize(np.ones((1, 0, 3, 2), np.float32), (2, 2), interpolation)


def test_a_kernel_has_an_entry() -> None:
    with pytest.raises(ShapeError, match="at least one entry"):
        ops.depthwise_conv(np.ones((1, 5, 3), np.float32), np.ones((2, 3, 0), np.float32))


def test_a_bias_may_be_a_row() -> None:
    x, kernel = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    row = np.arange(4, dtype=np.float32)[None]
    expected = ops.dense(x, kernel, row[0], activation="relu")
    np.testing.assert_array_equal(ops.dense(x, kernel, row, activation="relu"), expected)


def test_an_image_a_pixel_wide_has_no_four_corners() -> None:
    layer = ls.layers.RandomPerspective(seed=1)
    with pytest.raises(ValueError, match="No three of the four points"):
        layer(np.ones((1, 5, 1, 2), np.float32), training=True)
