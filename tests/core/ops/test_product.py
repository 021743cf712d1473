"""Products of matrices, however they lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from layerscope.compiled.jit import ENABLED
from layerscope.ops.product import is_shared, product, shared_product


def turned(x: np.ndarray) -> np.ndarray:
    """Return the same matrix, column by column in memory."""
    return np.ascontiguousarray(x.T).T


def spread(x: np.ndarray) -> np.ndarray:
    """Return the same matrix, with room between its entries."""
    wide = np.zeros((len(x), 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    return wide[:, ::2]


def plain(x: np.ndarray) -> np.ndarray:
    return x


def matrices(m: int, depth: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(m + depth + n)
    left, right = generator.normal(size=(m, depth)), generator.normal(size=(depth, n))
    return left.astype(np.float32), right.astype(np.float32)


@pytest.mark.skipif(not ENABLED, reason="nothing is compiled")
@pytest.mark.parametrize("left", [plain, turned])
@pytest.mark.parametrize("right", [plain, turned])
@pytest.mark.parametrize("sizes", [(97, 131, 70), (33, 300, 101), (512, 40, 16)])
def test_large_matrices_are_multiplied_by_layerscopes_threads_however_they_lie(
    left: Callable[[np.ndarray], np.ndarray],
    right: Callable[[np.ndarray], np.ndarray],
    sizes: tuple[int, int, int],
) -> None:
    a, b = matrices(*sizes)
    expected = a.astype(float) @ b
    a, b = left(a), right(b)
    assert is_shared(a, b)
    np.testing.assert_allclose(product(a, b), expected, rtol=1e-4, atol=1e-4)
    bias = np.linspace(-3, 3, sizes[2], dtype=np.float32)
    rectified = shared_product(a, b, bias, rectified=True)
    np.testing.assert_allclose(rectified, np.maximum(expected + bias, 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "left", "right"),
    [
        ((40, 50, 60), plain, plain),
        ((5, 1000, 90), plain, plain),
        ((20, 5000, 20), turned, plain),
        ((97, 131, 70), spread, plain),
        ((97, 131, 70), plain, spread),
        ((97, 131, 70), plain, np.float64),
    ],
)
def test_others_are_left_to_numpy(
    sizes: tuple[int, int, int],
    left: Callable[[np.ndarray], np.ndarray],
    right: Callable[[np.ndarray], np.ndarray],
) -> None:
    a, b = matrices(*sizes)
    expected = a.astype(float) @ b
    a, b = left(a), right(b)
    assert not is_shared(a, b)
    found = product(a, b)
    assert found.dtype == np.result_type(a, b)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
