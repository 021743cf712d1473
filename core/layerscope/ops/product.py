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
#: Entries of a matrix that stays near the processor while it is transposed, and rows of another
#: beside whose product with it that takes next to no time.
_SOON_TURNED, _LONG = 2**16, 256
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
    return _multiplied(a, b, bias, turned=False)


def blas_product(a: Array, b: Array) -> Array:
    """Return ``a @ b`` of two matrices; of small ones `dot` takes less time to begin."""
    return np.dot(a, b) if a.size * b.shape[1] < _MANY else np.matmul(a, b)


def transposed_product(a: Array, b: Array) -> Array:
    """Return ``a.T @ b``, of large matrices without BLAS's threads.

    Shapes: a (k, m), b (k, n).
    """
    if not jit.ENABLED or a.size * b.shape[1] < _GREAT or not a.dtype == b.dtype == _SINGLE:
        return a.T @ b
    return _multiplied(np.ascontiguousarray(a), np.ascontiguousarray(b), None, turned=True)


def dense_gradients(
    g: Array, x: Array, kernel: Array, for_x: bool, for_kernel: bool
) -> tuple[Array | None, Array | None]:
    """Return ``g @ kernel.T`` and ``x.T @ g``, those that are wanted, of plain matrices.

    By Layerscope's threads where they have computed ``x @ kernel``, too; see `is_shared`.
    """
    if len(g) == len(x) >= _LONG and g.dtype == _SINGLE and _is_shared_both_ways(x, kernel):
        g = np.ascontiguousarray(g)
        turned = np.ascontiguousarray(kernel.T) if for_x else kernel
        return (
            _multiplied(g, turned, None, turned=False) if for_x else None,
            _multiplied(x, g, None, turned=True) if for_kernel else None,
        )
    return (
        blas_product(g, kernel.T) if for_x else None,
        blas_product(x.T, g) if for_kernel else None,
    )


def _is_shared_both_ways(a: Array, b: Array) -> bool:
    """Tell whether it takes little to turn `b`, and next to nothing beside the product."""
    return b.size <= _SOON_TURNED and len(a) >= _LONG and _suits_loop(a, b)


def _multiplied(a: Array, b: Array, bias: Array | None, turned: bool) -> Array:
    columns = b.shape[1]
    out = room.empty((a.shape[1 if turned else 0], columns))
    first = products.beginning(columns, bias)
    loops.multiply(loops.parts_of(*out.shape), a, b, first, out, turned)
    return out


def is_shared(a: Array, b: Array, bias: Array | None = None) -> bool:
    """Tell whether the compiled loop is for such matrices.

    Where gradients follow it is only for those it computes, too, see `dense_gradients`: threads of
    BLAS, which watch for work for long, get in the way of Layerscope's.
    """
    return (
        are_matrices(a, b)
        and _suits_loop(a, b)
        and (bias is None or bias.dtype == _SINGLE)
        and (not is_recording() or _is_shared_both_ways(a, b))
    )


def _suits_loop(a: Array, b: Array) -> bool:
    return (
        a.size * b.shape[1] > _MANY
        and a.dtype == b.dtype == _SINGLE
        and a.flags.c_contiguous
        and b.flags.c_contiguous
        and a.shape[1] == b.shape[0] >= _DEEP
        and b.shape[1] >= _WIDE
        and jit.ENABLED
    )
