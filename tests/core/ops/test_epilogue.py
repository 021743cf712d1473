"""Bias and activation on plain arrays, against the operations they take the place of."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope import GradientTape, ops
from layerscope.ops import epilogue
from layerscope.ops.epilogue import finish, finish_gradient

ACTIVATIONS = {None: lambda x: x, "relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh}


def test_every_epilogue_is_tried() -> None:
    assert set(epilogue.ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (64, 5, 3), (0, 3), (700, 200), (4096, 16)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_does_what_operations_do(name: str | None, shape: tuple[int, ...], dtype: str) -> None:
    generator = np.random.default_rng(0)
    product, grad = generator.normal(size=(2, *shape)).astype(dtype)
    bias = generator.normal(size=shape[-1]).astype(dtype)
    with GradientTape() as tape:
        z, b = tape.watch(product.copy()), tape.watch(bias)
        expected = ACTIVATIONS[name](z + b)
    grad_z, grad_bias = tape.gradient(expected, [z, b], output_gradients=grad)
    found = finish(product, bias, name)
    assert found is product
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected.value, rtol, rtol)
    found_z, found_bias = finish_gradient(grad, found, name)
    assert found_z.dtype == found_bias.dtype == dtype
    np.testing.assert_allclose(found_z, grad_z, rtol, rtol)
    np.testing.assert_allclose(found_bias, grad_bias, rtol * 20, rtol * 20)
