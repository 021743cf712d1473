"""Operators of tensors, symbolic and recorded, do what NumPy's do; values can be taken out."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import ops
from layerscope.tensor import Operators, Variable

A = np.array([[1.0, -2.0, 3.5], [4.0, 5.0, -6.0]], "float32")
B = np.array([[2.0, 2.0, -1.5], [4.0, -3.0, 6.0]], "float32")
TWO_SIDED = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


def check(function: Any, *arrays: np.ndarray) -> None:
    """Compare what a function makes of arrays, of recorded tensors and of symbolic ones."""
    expected = function(*arrays)
    with ls.GradientTape() as tape:
        found = function(*map(tape.watch, arrays))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-6)
    symbolic = function(*(ls.KerasTensor(array.shape, "float32") for array in arrays))
    assert symbolic.shape == expected.shape
    assert symbolic.dtype == expected.dtype


@pytest.mark.parametrize("function", TWO_SIDED)
def test_operators_with_two_sides(function: Any) -> None:
    check(function, A, B)
    check(lambda a: function(a, B), A)
    check(lambda a: function(2.0, a), A)


def test_other_operators() -> None:
    check(lambda a: a**2.0, A)
    check(lambda a: 2.0**a, A)
    check(operator.matmul, A, B.T)
    check(lambda a: B.T @ a, A)
    check(operator.neg, A)
    check(abs, A)
    check(lambda a: a.T, A)
    check(lambda a: a[1:, ::2], A)


def test_only_what_has_values_can_be_iterated() -> None:
    with ls.GradientTape() as tape:
        total = sum(tape.watch(A))
    np.testing.assert_allclose(ops.convert_to_numpy(total), A.sum(0))
    with pytest.raises(TypeError, match="has a shape but no values"):
        sum(ls.KerasTensor(A.shape, "float32"))


def test_values_can_be_taken_out() -> None:
    with ls.GradientTape() as tape:
        scalar, matrix = tape.watch(np.float32(2.5)), tape.watch(A)
        variable = Variable(np.float32(2.5))
        for one in (scalar, variable):
            assert (float(one), int(one.numpy()), bool(one)) == (2.5, 2, True)
        assert (int(scalar), scalar.item(), scalar.ndim, matrix.ndim) == (2, 2.5, 0, 2)
        assert (len(matrix), matrix.size) == (2, 6)
        with pytest.raises(TypeError, match="no length"):
            len(scalar)
        np.testing.assert_array_equal(matrix.numpy(), A)
        assert "2.5" in repr(scalar)
    assert repr(variable).startswith("<Variable path=")


def test_a_tensor_is_found_by_identity() -> None:
    one, other = ls.Input((2,)), ls.Input((2,))
    assert {one: 1, other: 2}[other] == 2
    assert one in [one, other]
    with pytest.raises(NotImplementedError):
        _ = Operators().shape


def test_converting() -> None:
    assert ops.convert_to_tensor([1.5]).dtype == "float32"
    assert ops.convert_to_tensor([1]).dtype == "int32"
    assert ops.convert_to_tensor(A, dtype="float64").dtype == "float64"
    assert ops.convert_to_tensor(Variable(A), dtype="float64").dtype == "float64"
    assert ops.array([1], dtype="float32").dtype == "float32"
    symbolic = ls.KerasTensor((2,), "float32")
    assert ops.convert_to_tensor(symbolic) is symbolic
    assert ops.convert_to_tensor(symbolic, dtype="float64").dtype == "float64"


def test_arrays_from_nothing() -> None:
    np.testing.assert_array_equal(ops.full((2, 2), 3), np.full((2, 2), 3, "float32"))
    np.testing.assert_array_equal(ops.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype="float32"))
    np.testing.assert_array_equal(ops.eye(2, 3, k=1), np.eye(2, 3, 1, dtype="float32"))
    for made in (ops.zeros((2,)), ops.ones((2,)), ops.full((2,), 1), ops.eye(2)):
        assert made.dtype == "float32"
