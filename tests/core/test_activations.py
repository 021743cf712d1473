"""Activations at the edges of their domain, and the names they go by."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope import activations

ELEMENTWISE = sorted(set(activations.ACTIVATIONS) - {"softmax", "log_softmax", "sparsemax"})
#: Limits at minus and plus infinity, where the function has one.
LIMITS = {"silu": (0, np.inf), "gelu": (0, np.inf), "mish": (0, np.inf), "squareplus": (0, np.inf)}
LIMITS |= {"softsign": (-1, 1), "hard_silu": (0, np.inf), "log_sigmoid": (-np.inf, 0)}
LIMITS |= {"elu": (-1, np.inf), "celu": (-1, np.inf), "sparse_plus": (0, np.inf), "relu6": (0, 6)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_large_values_are_exact_and_nan_passes(name: str, dtype: str) -> None:
    x = np.array([-1e30, -1e4, -100, 100, 1e4, 1e30, np.nan], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"), ls.GradientTape() as tape:
        watched = tape.watch(x)
        y = activations.get(name)(watched)
    assert np.isnan(y.value[-1])
    assert not np.isnan(y.value[:-1]).any()
    slopes = tape.gradient(y, watched)
    assert name == "linear" or not np.isnan(slopes[:-1]).any()


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    x = np.array([-np.inf, np.inf], "float32")
    np.testing.assert_array_equal(activations.get(name)(x), LIMITS[name])


def test_sparsemax_is_the_projection() -> None:
    np.testing.assert_allclose(activations.sparsemax(np.array([[0.5, 0.2]])), [[0.65, 0.35]])
    np.testing.assert_allclose(activations.sparsemax(np.array([[3e30, 1.0]])), [[1.0, 0.0]])
    x = np.random.default_rng(0).normal(size=(5, 7))
    np.testing.assert_allclose(activations.sparsemax(x).sum(-1), 1)
    x[0, 2] = np.nan
    assert np.isnan(activations.sparsemax(x)[0]).all()


def test_second_names() -> None:
    assert activations.get("swish") is activations.silu
    assert activations.get("hard_swish") is activations.hard_silu
    assert activations.serialize(activations.get("swish")) == "silu"
    assert not {"get", "glu", "threshold", "swish"} & set(activations.ACTIVATIONS)
    with pytest.raises(ValueError, match="known and even"):
        activations.glu(np.ones((2, 3)))
