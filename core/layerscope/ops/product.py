"""Products of two plain matrices, by whoever takes the least time."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import jit, products, registers, room
from layerscope.compiled import matrix_product as loops

Array = Any

#: With so many multiplications BLAS starts threads of its own, beside Layerscope's.
_MANY = 2**18
#: A product of fewer entries has too few parts to share.
_SHARED = 2**9
_SINGLE = np.dtype(np.float32)


def are_matrices(a: Any, b: Any) -> bool:
    """Tell whether both are plain arrays with two axes, which is what networks multiply most."""
    return type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2


def product(a: Array, b: Array) -> Array:
    """Return ``a @ b``, of whatever has one."""
    return matrix_product(a, b) if are_matrices(a, b) else np.matmul(a, b)


def matrix_product(a: Array, b: Array) -> Array:
    """Return ``a @ b`` of two plain matrices; of small ones `dot` takes less time to begin."""
    if a.size * b.shape[1] < _MANY:
        return np.dot(a, b)
    return shared_product(a, b) if is_shared(a, b) else np.matmul(a, b)


def shared_product(a: Array, b: Array, bias: Array | None = None, rectified: bool = False) -> Array:
    """Return ``a @ b``, plus the bias if there is one, where that `is_shared`.

    What is `rectified` is the relu of that. Shapes: a (m, k), b (k, n), bias (n,).
    """
    left_turned, right_turned = not a.flags.c_contiguous, not b.flags.c_contiguous
    out = room.empty((len(a), b.shape[1]))
    loops.multiply(
        loops.parts_of(*out.shape),
        a.T if left_turned else a,
        b.T if right_turned else b,
        products.beginning(out.shape[1], bias),
        out,
        left_turned,
        right_turned,
        rectified,
    )
    return out


def is_shared(a: Array, b: Array, bias: Array | None = None) -> bool:
    """Tell whether the compiled loop is for such matrices, which may be transposed ones.

    BLAS's threads keep their cores busy for milliseconds after each product: a single one in a
    step makes all loops beside it wait.
    """
    return (
        a.size * b.shape[1] > _MANY
        and a.ndim == b.ndim == 2
        and len(a) >= 2 * registers.ROWS
        and len(a) * b.shape[1] >= _SHARED
        and jit.ENABLED
        and a.dtype == b.dtype == _SINGLE
        and (bias is None or bias.dtype == _SINGLE)
        and a.shape[1] == len(b)
        and a.flags.forc
        and b.flags.forc
    )
