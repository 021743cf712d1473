"""Small dense layers in one call do what their NumPy reference does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerscope.compiled import dense_stack
from layerscope.compiled.dense_stack import ACTIVATIONS
from layerscope.compiled.jit import ENABLED
from layerscope.compiled.products import panel_columns, whole_rows

pytestmark = pytest.mark.skipif(not ENABLED, reason="only references run here")

SEEDS = range(24)
WAYS = ["compiled", "python"]
forward: Any = dense_stack.stack_outputs
backward: Any = dense_stack.stack_gradients


class Stack:
    """Layers drawn at random, and an input of a few rows."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.units = draw.integers(1, [50, 9][seed % 2], draw.integers(2, 6))
        self.kinds = draw.integers(0, len(ACTIVATIONS), len(self.units) - 1)
        self.x, self.grad = (
            draw.normal(size=(rows, columns)).astype(np.float32)
            for rows in [draw.integers(1, 20)]
            for columns in (self.units[0], self.units[-1])
        )
        count = sum((self.units[:-1] + 1) * self.units[1:])
        self.weights = draw.normal(0, 0.5, count).astype(np.float32)

    def outputs(self, loop: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the last output, and those of all layers as the loop keeps them."""
        columns = sum(map(panel_columns, self.units[1:].tolist()))
        kept = np.full(whole_rows(len(self.x)) * columns, 7, np.float32)
        out = np.empty((len(self.x), self.units[-1]), np.float32)
        with np.errstate(all="ignore"):
            loop(self.x, self.weights, self.units, self.kinds, kept, out)
        return out, kept

    def gradients(self, loop: Any, kept: np.ndarray, of_input: bool) -> list[np.ndarray]:
        """Return the gradients of the weights and of the input."""
        found = np.empty_like(self.weights)
        grad_x = np.empty_like(self.x) if of_input else np.empty((0, 0), np.float32)
        with np.errstate(all="ignore"):
            loop(self.grad, self.x, self.weights, self.units, self.kinds, kept, found, grad_x)
        return [found, grad_x]


def as_run(loop: Any, way: str) -> Any:
    return loop if way == "compiled" else getattr(loop, "py_func", loop)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_outputs_and_gradients_equal_the_reference(seed: int, way: str) -> None:
    stack = Stack(seed)
    out, kept = stack.outputs(as_run(forward, way))
    expected, expected_kept = stack.outputs(forward.reference)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    for of_input in (False, True):
        found = stack.gradients(as_run(backward, way), kept, of_input)
        wanted = stack.gradients(backward.reference, expected_kept, of_input)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_not_finite_stays_in_its_row(seed: int, value: float) -> None:
    stack = Stack(seed)
    stack.kinds[:] = ACTIVATIONS.index("relu")
    clean, _ = stack.outputs(forward)
    stack.x[0] = value
    out, _ = stack.outputs(forward)
    expected, _ = stack.outputs(forward.reference)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    np.testing.assert_array_equal(out[1:], clean[1:])


def test_the_gradient_agrees_with_differences() -> None:
    stack = Stack(5)
    stack.kinds[:] = ACTIVATIONS.index("tanh")

    def loss() -> float:
        out, _ = stack.outputs(forward)
        return float((out.astype(float) * stack.grad).sum())

    _, kept = stack.outputs(forward)
    found, _ = stack.gradients(backward, kept, of_input=False)
    for k in range(0, stack.weights.size, 7):
        before = stack.weights[k]
        sides = []
        for step in (1e-2, -1e-2):
            stack.weights[k] = before + step
            sides.append(loss())
        stack.weights[k] = before
        assert (sides[0] - sides[1]) / 2e-2 == pytest.approx(found[k], rel=2e-2, abs=2e-3)
