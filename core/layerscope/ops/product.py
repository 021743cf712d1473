"""Products of two plain matrices, by whoever takes the least time."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import jit, registers, room
from layerscope.compiled import matrix_product as loops
from layerscope.tape import is_recording

Array = Any

#: With so many multiplications BLAS starts threads of its own, beside Layerscope's.
_MANY = 2**18
#: With so many a transposed matrix takes no longer here, either.
_GREAT = 2**23
#: With less depth or fewer columns that is worth it.
_DEEP, _WIDE = 64, 32
_SINGLE = np.dtype(np.float32)


def are_matrices(a: Any, b: Any) -> bool:
    """Tell whether both are plain arrays with two axes, which is what networks multiply most."""
    return type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2


def product(a: Array, b: Array) -> Array:
    """Return ``a @ b``, of whatever has one."""
    return shared_product(a, b) if is_shared(a, b) else np.matmul(a, b)


def shared_product(a: Array, b: Array, bias: Array | None = None) -> Array:
    """Return ``a @ b``, plus the bias if there is one, where that `is_shared`.

    Shapes: a (m, k), b (k, n), bias (n,).
    """
    first = np.zeros(b.shape[1] + registers.WIDE, np.float32)
    if bias is not None:
        first[: bias.size] = bias
    out = room.empty((a.shape[0], b.shape[1]))
    loops.multiply(loops.parts_of(*out.shape), a, b, first, out, False)
    return out


def transposed_product(a: Array, b: Array) -> Array:
    """Return ``a.T @ b``, of large matrices without BLAS's threads.

    Shapes: a (k, m), b (k, n).
    """
    if not jit.ENABLED or a.size * b.shape[1] < _GREAT or not a.dtype == b.dtype == _SINGLE:
        return a.T @ b
    out = room.empty((a.shape[1], b.shape[1]))
    first = np.zeros(b.shape[1] + registers.WIDE, np.float32)
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    loops.multiply(loops.parts_of(*out.shape), a, b, first, out, True)
    return out


def is_shared(a: Array, b: Array, bias: Array | None = None) -> bool:
    """Tell whether the compiled loop is for such matrices.

    It is not where gradients follow: those are products with transposed matrices, which take long
    to lay out. BLAS multiplies them sooner, and threads of both at once get in each other's way.
    """
    return (
        are_matrices(a, b)
        and a.size * b.shape[1] > _MANY
        and not is_recording()
        and a.dtype == b.dtype == _SINGLE
        and (bias is None or bias.dtype == _SINGLE)
        and a.flags.c_contiguous
        and b.flags.c_contiguous
        and a.shape[1] == b.shape[0] >= _DEEP
        and b.shape[1] >= _WIDE
        and jit.ENABLED
    )
