"""Products of two plain matrices, by whoever takes the least time."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import jit, products, room
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


def shared_product(a: Array, b: Array, bias: Array | None = None, rectified: bool = False) -> Array:
    """Return ``a @ b``, plus the bias if there is one, where that `is_shared`.

    What is `rectified` is the relu of that. Shapes: a (m, k), b (k, n), bias (n,).
    """
    return _multiplied(a, b, bias, rectified=rectified)


def blas_product(a: Array, b: Array) -> Array:
    """Return ``a @ b`` of two matrices; of small ones `dot` takes less time to begin."""
    return np.dot(a, b) if a.size * b.shape[1] < _MANY else np.matmul(a, b)


def transposed_product(a: Array, b: Array) -> Array:
    """Return ``a.T @ b``, of large matrices without BLAS's threads.

    Shapes: a (k, m), b (k, n).
    """
    if not jit.ENABLED or a.size * b.shape[1] < _GREAT or not a.dtype == b.dtype == _SINGLE:
        return a.T @ b
    return _multiplied(np.ascontiguousarray(a), np.ascontiguousarray(b), turned=True)


def _multiplied(
    a: Array,
    b: Array,
    bias: Array | None = None,
    turned: bool = False,
    rectified: bool = False,
) -> Array:
    columns = b.shape[1]
    out = room.empty((a.shape[1 if turned else 0], columns))
    first = products.beginning(columns, bias)
    loops.multiply(loops.parts_of(*out.shape), a, b, first, out, turned, rectified)
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
