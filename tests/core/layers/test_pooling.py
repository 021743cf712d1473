"""Known values and refusals of the pooling, resizing and noise layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

IMAGE = np.array([[1.0, 2.0], [3.0, 4.0]], "float32").reshape(1, 2, 2, 1)


def test_padding_does_not_count() -> None:
    x = np.array([1, 2, 3, 4, 5], "float32").reshape(1, 5, 1)
    mean = layers.AveragePooling1D(3, strides=2, padding="same")(x)
    largest = layers.MaxPooling1D(2, strides=2, padding="same")(-x)
    np.testing.assert_array_equal(mean.ravel(), [1.5, 3, 4.5])
    np.testing.assert_array_equal(largest.ravel(), [-1, -3, -5])


@pytest.mark.parametrize("layer", [layers.MaxPooling2D(2, 1), layers.AveragePooling2D(2, 1)])
def test_a_missing_value_reaches_the_windows_it_is_in(layer: layers.Layer) -> None:
    x = np.zeros((1, 3, 4, 1), "float32")
    x[0, 0, 0] = np.nan
    np.testing.assert_array_equal(
        np.isnan(layer(x))[0, :, :, 0], [[True, False, False], [False] * 3]
    )


@pytest.mark.parametrize("layer", [layers.MaxPooling2D(3, 1), layers.AveragePooling2D(3)])
def test_nothing_remains_where_no_window_fits(layer: layers.Layer) -> None:
    with ls.GradientTape() as tape:
        x = tape.watch(np.ones((2, 4, 2, 1), "float32"))
        out = layer(x)
        total = ls.ops.sum(out)
    assert out.shape[2] == out.size == 0
    np.testing.assert_array_equal(tape.gradient(total, x), np.zeros(x.shape))


def test_bilinear_enlarging_has_half_pixel_centres() -> None:
    found = layers.UpSampling2D(2, interpolation="bilinear")(IMAGE)[0, :, :, 0]
    expected = [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5],
                [3, 3.25, 3.75, 4]]  # fmt: skip
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_enlarging_keeps_what_is_constant(interpolation: Any) -> None:
    x = np.full((1, 3, 4, 2), 0.7, "float32")
    found = layers.UpSampling2D((2, 3), interpolation=interpolation)(x)
    np.testing.assert_allclose(found, np.full((1, 6, 12, 2), 0.7), rtol=1e-6)


def test_borders_may_be_given_in_three_forms() -> None:
    assert layers.Cropping2D(1).cropping == ((1, 1), (1, 1))
    assert layers.Cropping2D((1, 2)).cropping == ((1, 1), (2, 2))
    assert layers.Cropping2D(((1, 2), [3, 0])).cropping == ((1, 2), (3, 0))
    assert layers.ZeroPadding1D().padding == (1, 1)
    assert layers.ZeroPadding3D((0, 1, 2)).padding == ((0, 0), (1, 1), (2, 2))


def test_activity_penalty_is_per_sample() -> None:
    layer = layers.ActivityRegularization(l1=1.0, l2=0.5)
    layer(np.full((4, 3), -2.0, "float32"))
    assert [float(loss) for loss in layer.losses] == [pytest.approx(6.0 + 6.0)]


def test_noise_has_the_stated_moments() -> None:
    x = np.ones(200_000, "float32")
    added = layers.GaussianNoise(0.3, seed=0)(x, training=True)
    assert added.mean() == pytest.approx(1, abs=0.01)
    assert added.std() == pytest.approx(0.3, rel=0.02)
    multiplied = layers.GaussianDropout(0.3, seed=0)(x, training=True)
    assert multiplied.std() == pytest.approx((0.3 / 0.7) ** 0.5, rel=0.02)
    normal = np.random.default_rng(0).normal(size=200_000).astype("float32")
    kept = layers.AlphaDropout(0.3, seed=0)(normal, training=True)
    assert (kept.mean(), kept.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, rel=0.02))


def test_spatial_dropout_takes_whole_channels() -> None:
    x = np.ones((3, 8, 2, 2), "float32")
    out = layers.SpatialDropout2D(0.5, data_format="channels_first", seed=0)(x, training=True)
    assert set(np.unique(out)) == {0.0, 2.0}
    assert (out == out[:, :, :1, :1]).all()


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: vars(layers)["AveragePooling2D"](), TypeError, "`pool_size`"),
        (lambda: layers.MaxPooling2D((1, 2, 3)), ValueError, "tuple of 2 integers"),
        (lambda: layers.MaxPooling1D(5)(ls.Input((3, 1))), ValueError, "zero or negative"),
        (lambda: layers.Cropping2D((1, 2, 3)), ValueError, r"cropping=\(1, 2, 3\)"),
        (lambda: layers.Cropping2D(4)(ones(1, 6, 7, 1)), ValueError, "should be smaller"),
        (lambda: layers.ZeroPadding2D(((1, 2), (3,))), ValueError, "2 tuples of 2 integers"),
        (lambda: layers.UpSampling1D(2.0), TypeError, "integer value for `size`"),
        (lambda: layers.UpSampling2D(interpolation="area"), ValueError, "'lanczos5'.*'area'"),
        (lambda: layers.Permute((0, 1)), ValueError, "start from 1"),
        (lambda: layers.RepeatVector(2.5), TypeError, "integer value for `n`"),
        (lambda: layers.GaussianNoise(2.0), ValueError, "`stddev`.*at most 1"),
        (lambda: layers.GaussianDropout(1)(ones(2), training=True), ZeroDivisionError, "`rate`"),
        (
            lambda: layers.AlphaDropout(0.5, (1,))(ones(2, 3), training=True),
            ValueError,
            r"`noise_shape` must have an entry for each axis.*\(2, 3\)",
        ),
        (
            lambda: layers.ActivityRegularization(activity_regularizer=ls.regularizers.L1()),
            TypeError,
            "`l1` and `l2`",
        ),
    ],
)
def test_what_is_wrong_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
