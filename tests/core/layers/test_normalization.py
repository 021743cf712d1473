"""Batch renormalization and spectral normalization by their laws, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

X = np.random.default_rng(0).normal(2.0, 3.0, size=(5, 4, 3))
MASK = np.random.default_rng(1).random((5, 4)) < 0.6


def renormalizing(**options: Any) -> layers.BatchNormalization:
    layer = layers.BatchNormalization(renorm=True, dtype="float64", momentum=0.8, **options)
    layer.build(X.shape)
    layer.renorm_mean.assign([1.0, -1.0, 2.0])
    layer.renorm_stddev.assign([2.0, 4.0, 3.0])
    return layer


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_without_limits_the_averages_normalize(mask: Any) -> None:
    layer = renormalizing()
    expected = (X - layer.renorm_mean.numpy()) / layer.renorm_stddev.numpy()
    np.testing.assert_allclose(layer(X, training=True, mask=mask), expected, rtol=1e-6)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("scale", [True, False])
def test_with_narrow_limits_the_batch_normalizes(mask: Any, scale: bool) -> None:
    limits = {"rmin": 1.0, "rmax": 1.0, "dmax": 0.0}
    ordinary = layers.BatchNormalization(dtype="float64", scale=scale)
    found = renormalizing(renorm_clipping=limits, scale=scale)(X, training=True, mask=mask)
    np.testing.assert_allclose(found, ordinary(X, training=True, mask=mask), rtol=1e-12)


def test_the_corrections_are_constants_to_the_gradient() -> None:
    projection = np.random.default_rng(2).normal(size=X.shape)

    def slope(layer: layers.Layer) -> np.ndarray:
        return ls.grad(lambda x: ls.ops.sum(layer(x, training=True) * projection))(X)

    factor = np.sqrt(X.var((0, 1)) + 1e-3) / [2.0, 4.0, 3.0]
    ordinary = layers.BatchNormalization(dtype="float64")
    np.testing.assert_allclose(slope(renormalizing()), slope(ordinary) * factor, atol=1e-12)


def test_all_averages_move() -> None:
    layer = renormalizing(renorm_momentum=0.5, moving_variance_initializer="ones")
    layer(X, training=True)
    mean, deviation = X.mean((0, 1)), np.sqrt(X.var((0, 1)) + 1e-3)
    np.testing.assert_allclose(layer.renorm_mean, 0.5 * np.array([1, -1, 2]) + 0.5 * mean)
    np.testing.assert_allclose(layer.renorm_stddev, 0.5 * np.array([2, 4, 3]) + 0.5 * deviation)
    np.testing.assert_allclose(layer.moving_mean, 0.2 * mean)
    np.testing.assert_allclose(layer.moving_stddev, 0.8 + 0.2 * deviation)
    np.testing.assert_allclose(layer.moving_variance, (0.8 + 0.2 * deviation) ** 2 - 1e-3)


def test_deviations_begin_as_roots_of_the_variance() -> None:
    drawn = ls.initializers.RandomUniform(1.0, 9.0)
    layer = layers.BatchNormalization(renorm=True, moving_variance_initializer=drawn)
    layer.build((None, 4))
    root = np.sqrt(layer.moving_variance.numpy())
    np.testing.assert_array_equal(layer.moving_stddev, root)
    np.testing.assert_array_equal(layer.renorm_stddev, root)


def test_all_devices_are_this_one() -> None:
    alone, together = (
        layers.BatchNormalization(synchronized=flag)(X, training=True) for flag in (False, True)
    )
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"high": 1.0}, r"invalid keys.*\{'high': 1.0\}.*'rmax', 'rmin', 'dmax'"),
        ({"rmax": 1.0, "rmin": 2.0}, "rmax should be greater than rmin.*rmax=1.0, rmin=2.0"),
        ({"dmax": -1.0}, "dmax should be non-negative.*dmax=-1.0"),
    ],
)
def test_wrong_limits_are_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.BatchNormalization(renorm=True, renorm_clipping=limits)
    # Nobody looks at them otherwise.
    assert layers.BatchNormalization(renorm_clipping=limits).renorm_clipping == limits


def test_one_axis_stays_one_until_the_layer_is_built() -> None:
    layer = layers.LayerNormalization()
    assert layer.get_config()["axis"] == -1
    layer.build((2, 3))
    assert layer.get_config()["axis"] == (-1,)
    assert layers.LayerNormalization(axis=[2, 1]).get_config()["axis"] == (2, 1)


# --- spectral normalization ------------------------------------------------------------------

INNER = {
    "Dense": (lambda: layers.Dense(4), (2, 3)),
    "Conv1D": (lambda: layers.Conv1D(2, 3), (2, 5, 3)),
    "Embedding": (lambda: layers.Embedding(7, 3), (2, 3)),
}


def spectral(name: str, **options: Any) -> tuple[Any, np.ndarray]:
    """Return the layer, with a random weight, and an input of ones."""
    make, shape = INNER[name]
    layer = layers.SpectralNormalization(make(), **options)
    layer.build(shape)
    layer.kernel.assign(np.random.default_rng(3).normal(size=layer.kernel.shape))
    return layer, np.ones(shape, "int32" if name == "Embedding" else "float32")


def largest_singular_value(layer: Any) -> float:
    kernel = layer.kernel.numpy()
    return float(np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2))


@pytest.mark.parametrize("name", INNER)
def test_the_largest_singular_value_becomes_one(name: str) -> None:
    layer, x = spectral(name, power_iterations=50)
    before = layer.kernel.numpy()
    layer(x)
    np.testing.assert_array_equal(layer.kernel, before)
    factor = largest_singular_value(layer)
    outputs = layer(x, training=True)
    np.testing.assert_allclose(largest_singular_value(layer), 1, rtol=1e-5)
    np.testing.assert_allclose(layer.kernel, before / factor, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(outputs, layer.layer(x))


def test_the_estimate_goes_on_from_call_to_call() -> None:
    layer, x = spectral("Dense", power_iterations=1)
    for _ in range(100):
        layer(x, training=True)
    np.testing.assert_allclose(largest_singular_value(layer), 1, rtol=1e-4)
    assert [one.name for one in layer.non_trainable_weights] == ["vector_u"]


def test_a_weight_of_zeros_is_left_alone() -> None:
    layer, x = spectral("Dense")
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    assert not layer(x, training=True).any()
