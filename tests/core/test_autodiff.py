"""The tape itself."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope import GradientTape, Variable, ops


def test_sources_keep_their_structure() -> None:
    with GradientTape() as tape:
        x, y, other = tape.watch(2.0), tape.watch(3.0), tape.watch(1.0)
        z = x * x * y
    grads = tape.gradient(z, {"x": x, "rest": y, "none": other})
    assert {key: None if one is None else float(one) for key, one in grads.items()} == {
        "x": 12.0,
        "rest": 4.0,
        "none": None,
    }


def test_a_value_used_twice_adds_up() -> None:
    def tangle(x: ls.Tensor) -> ls.Tensor:
        y = x * x
        return ops.sum(y + y * x + x)

    ls.check_gradients(tangle, np.array([1.5, -0.5]))


def test_only_trainable_variables_are_watched() -> None:
    a, b = Variable(2.0), Variable(3.0, trainable=False)
    with GradientTape() as tape:
        y = a * b
    assert float(tape.gradient(y, a)) == 3.0
    with GradientTape() as tape:
        y = b * b
    assert not isinstance(y, ls.Tensor)
    assert tape.gradient(y, b) is None


def test_a_tape_is_used_once_unless_persistent() -> None:
    with GradientTape() as tape:
        x = tape.watch(3.0)
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)
    with GradientTape(persistent=True) as tape:
        x = tape.watch(3.0)
        y, z = x * x, x**3
    assert (float(tape.gradient(y, x)), float(tape.gradient(z, x))) == (6.0, 27.0)


def test_gradient_may_be_asked_for_inside_the_block() -> None:
    kernel = Variable(np.ones((2, 2, 1, 1)), dtype="float32")
    with GradientTape() as tape:
        y = ops.sum(ops.conv(np.ones((1, 3, 3, 1), "float32"), kernel))
        grad = tape.gradient(y, kernel)
    np.testing.assert_array_equal(grad, np.full((2, 2, 1, 1), 4.0))


def test_a_tape_cannot_be_entered_twice() -> None:
    with GradientTape() as tape, pytest.raises(RuntimeError, match="already recording"):
        tape.__enter__()


def test_nothing_is_recorded_outside() -> None:
    with GradientTape() as tape:
        x = tape.watch(3.0)
    assert isinstance(x * x, (np.ndarray, np.generic))
    assert tape.gradient(x, x) == 1.0


def test_third_derivative() -> None:
    def f(x: ls.Tensor) -> ls.Tensor:
        return ops.sum(ops.sin(x) * x**2)

    third = ls.grad(ls.grad(ls.grad(f)))
    x = 0.7
    expected = 6 * np.cos(x) - 6 * x * np.sin(x) - x**2 * np.cos(x)
    assert float(third(np.float64(x))) == pytest.approx(expected)


def test_value_and_grad() -> None:
    def f(a: ls.Tensor, b: ls.Tensor, power: int = 2) -> ls.Tensor:
        return ops.sum(a**power * b)

    value, (da, db) = ls.value_and_grad(f, (0, 1))(np.array([2.0]), np.array([3.0]), power=3)
    assert (float(value), float(da[0]), float(db[0])) == (24.0, 36.0, 8.0)
    value, db = ls.value_and_grad(f, 1)(np.array([2.0]), np.array([3.0]))
    assert (float(value), float(db[0])) == (12.0, 4.0)
    with pytest.raises(ValueError, match=r"Only a scalar.*\(2,\)"):
        ls.grad(lambda x: x * 2)(np.ones(2))


def test_check_gradients_finds_a_wrong_rule() -> None:
    from layerscope.ops.operation import operation
    from layerscope.tensor import OPERATIONS

    @operation()
    def wrong(x: np.ndarray) -> np.ndarray:
        return x**2

    wrong.gradients(lambda g, out, x: g * x)
    try:
        with pytest.raises(AssertionError, match="gradient of input 0"):
            ls.check_gradients(wrong, np.array([1.0, 2.0]))
        with pytest.raises(AssertionError, match="gradient of input 0"):
            ls.check_gradients(lambda x: ops.stop_gradient(x) * 2.0, np.ones(2))
    finally:
        del OPERATIONS["wrong"]


def test_a_deep_chain_does_not_overflow() -> None:
    with GradientTape() as tape:
        x = y = tape.watch(1.0)
        for _ in range(3000):
            y = y + 1.0
    assert float(tape.gradient(y, x)) == 1.0


def test_output_gradients_weigh_the_target() -> None:
    with GradientTape() as tape:
        x = tape.watch(np.ones(3))
        y = x * 2.0
    np.testing.assert_array_equal(tape.gradient(y, x, np.array([1.0, 0.0, 3.0])), [2, 0, 6])
