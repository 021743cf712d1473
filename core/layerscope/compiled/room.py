"""Room for results that begins with a cache line, across two of which a vector takes longer."""

from __future__ import annotations

import math
from ctypes import addressof, c_char
from typing import Any

import numpy as np

from layerscope.compiled.tasks import LARGE

#: Bytes of a cache line, and those from which on it matters where an array begins that is written
#: once, and where one that is read again and again.
_LINE, _MANY, _FEW = 64, 4 * LARGE, 1 << 14
#: Entries that are not many of any type.
_SURELY_FEW = _MANY // 16


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return an array with any content; a small one lies anywhere."""
    entries = math.prod(shape)
    if entries < _SURELY_FEW:
        return np.empty(shape, dtype)
    size = entries * np.dtype(dtype).itemsize
    return np.empty(shape, dtype) if size < _MANY else _in_line(np.empty, shape, dtype, size)


def empty_like(x: np.ndarray) -> np.ndarray:
    """Return an array of the shape and type of `x`, in C order, with any content."""
    return empty(x.shape, x.dtype)


def in_line(x: np.ndarray) -> np.ndarray:
    """Return `x`, or a copy of it that begins with a cache line if it is large."""
    if x.nbytes < _MANY or x.dtype.kind not in "fiub":
        return x
    copy = empty_like(x)
    copy[...] = x
    return copy


def zeros(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return zeros; few lie anywhere."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.zeros(shape, dtype) if size < _FEW else _in_line(np.zeros, shape, dtype, size)


def _in_line(make: Any, shape: tuple[int, ...], dtype: Any, size: int) -> np.ndarray:
    room = make(size + _LINE, np.uint8)
    # The quickest way to ask where it begins.
    begin = -addressof(c_char.from_buffer(room)) % _LINE
    return np.ndarray(shape, dtype, room, begin)
