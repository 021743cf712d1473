"""Softmax over the rows of a matrix in single precision, its logarithm, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared

_F, _I = np.float32, np.int32


@native()
def _less_both(x: Any, first: Any, second: Any) -> Any:
    """Subtract one after the other: the first difference of two large numbers is exact."""
    return x - first - second


@native()
def _ordered(bits: Any) -> Any:
    """Return the bits of a float as a whole number of the same order, and the other way round."""
    return _I(bits ^ ((bits >> _I(31)) & _I(0x7FFFFFFF)))


@native()
def largest_of(bits: np.ndarray) -> Any:
    """Return the largest of some floats given as their bits, NaN if there is a positive one.

    LLVM finds the largest of whole numbers in vectors; of floats it does not, as they may be NaN.
    """
    largest = _I(-(2**31))
    for k in range(bits.size):
        largest = max(largest, _ordered(bits[k]))
    return _I(_ordered(largest)).view(np.float32)


def _softmax_reference(x: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        np.exp(x - x.max(1, keepdims=True), out=out)
    out /= out.sum(1, keepdims=True)


@shared(_softmax_reference, fastmath=vm.SUMMED)
def softmax_rows(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    """Compute ``exp(x) / sum(exp(x))`` for each row of x (n, c); out (n, c) is written."""
    bits = x.view(np.int32)
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i]
            largest = largest_of(bits[i])
            total = _F(0)
            for c in range(row.size):
                power = vm.exp(row[c] - largest)
                result[c] = power
                total += power
            share = _F(1) / total
            for c in range(row.size):
                result[c] *= share
        task = claim(board, task, tasks)


def _log_softmax_reference(x: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        np.subtract(x, x.max(1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(1, keepdims=True))


@shared(_log_softmax_reference, fastmath=vm.SUMMED)
def log_softmax_rows(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    """Compute the logarithm of the softmax of each row of x (n, c); out (n, c) is written."""
    bits = x.view(np.int32)
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i]
            largest = largest_of(bits[i])
            total = _F(0)
            for c in range(row.size):
                total += vm.exp(row[c] - largest)
            total = _F(np.log(total))
            for c in range(row.size):
                result[c] = _less_both(row[c], largest, total)
        task = claim(board, task, tasks)


def _softmax_gradient_reference(grad: np.ndarray, y: np.ndarray, grad_x: np.ndarray) -> None:
    np.multiply(y, grad - (grad * y).sum(1, keepdims=True), out=grad_x)


@shared(_softmax_gradient_reference, fastmath=vm.SUMMED)
def softmax_rows_gradient(
    board: int, tasks: int, grad: np.ndarray, y: np.ndarray, grad_x: np.ndarray
) -> None:
    """Gradient of `softmax_rows`, of which y is the result; all are (n, c), grad_x written."""
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(y), task, tasks), start(len(y), task + 1, tasks)):
            g, row, result = grad[i], y[i], grad_x[i]
            total = _F(0)
            for c in range(row.size):
                total += g[c] * row[c]
            for c in range(row.size):
                result[c] = row[c] * (g[c] - total)
        task = claim(board, task, tasks)


def _log_softmax_gradient_reference(grad: np.ndarray, y: np.ndarray, grad_x: np.ndarray) -> None:
    np.subtract(grad, np.exp(y) * grad.sum(1, keepdims=True), out=grad_x)


@shared(_log_softmax_gradient_reference, fastmath=vm.SUMMED)
def log_softmax_rows_gradient(
    board: int, tasks: int, grad: np.ndarray, y: np.ndarray, grad_x: np.ndarray
) -> None:
    """Gradient of `log_softmax_rows`, of which y is the result; all are (n, c), grad_x written."""
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(y), task, tasks), start(len(y), task + 1, tasks)):
            g, row, result = grad[i], y[i], grad_x[i]
            total = _F(0)
            for c in range(row.size):
                total += g[c]
            for c in range(row.size):
                result[c] = g[c] - vm.exp(row[c]) * total
        task = claim(board, task, tasks)
