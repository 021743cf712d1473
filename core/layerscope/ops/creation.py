"""Making arrays, and converting to and from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.config import floatx, standardize_dtype
from layerscope.ops.elementwise import equal, where
from layerscope.ops.manipulation import cast
from layerscope.tensor import KerasTensor, Tensor, Variable

Array = Any


def convert_to_tensor(x: Any, dtype: str | None = None) -> Array:
    """Return `x` as an array; Python floats become `floatx`.

    Values that are recorded or symbolic stay what they are.
    """
    if dtype is not None:
        dtype = standardize_dtype(dtype)
    if isinstance(x, (Tensor, KerasTensor)):
        return x if dtype is None or dtype == x.dtype else cast(x, dtype)
    if isinstance(x, Variable):
        x = x.value
    if dtype is not None:
        return np.asarray(x, dtype=dtype)
    array = np.asarray(x)
    if not hasattr(x, "dtype"):
        if array.dtype == np.float64:
            return array.astype(floatx())
        if array.dtype == np.int64:
            return array.astype("int32")
    return array


def array(x: Any, dtype: str | None = None) -> Array:
    """Return `x` as an array, like `convert_to_tensor`."""
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """Return the plain array in `x`, without its history."""
    if isinstance(x, Tensor):
        return x.value
    return np.asarray(x)


def zeros(shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
    """Array of zeros."""
    return np.zeros(shape, standardize_dtype(dtype))


def ones(shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
    """Array of ones."""
    return np.ones(shape, standardize_dtype(dtype))


def full(shape: Sequence[int], fill_value: Any, dtype: str | None = None) -> np.ndarray:
    """Array of one repeated value."""
    return np.full(shape, fill_value, standardize_dtype(dtype))


def zeros_like(x: Any, dtype: str | None = None) -> Array:
    """Zeros of the shape and type of `x`."""
    return _constant_like(x, 0, dtype)


def ones_like(x: Any, dtype: str | None = None) -> Array:
    """Ones of the shape and type of `x`."""
    return _constant_like(x, 1, dtype)


def full_like(x: Any, fill_value: Any, dtype: str | None = None) -> Array:
    """One repeated value in the shape and type of `x`."""
    return _constant_like(x, fill_value, dtype)


def _constant_like(x: Any, value: Any, dtype: str | None) -> Array:
    kind = standardize_dtype(dtype or x)
    if isinstance(x, KerasTensor):
        return where(equal(x, x), np.asarray(value, kind), np.asarray(value, kind))
    return np.full(np.shape(convert_to_numpy(x)), value, kind)


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: str | None = None
) -> np.ndarray:
    """Evenly spaced numbers from `start` up to, not including, `stop`."""
    if stop is None:
        start, stop = 0, start
    whole = all(isinstance(value, (int, np.integer)) for value in (start, stop, step))
    return np.arange(start, stop, step, dtype=dtype or ("int32" if whole else floatx()))


def linspace(start: float, stop: float, num: int = 50, dtype: str | None = None) -> np.ndarray:
    """`num` evenly spaced numbers from `start` to `stop`."""
    return np.linspace(start, stop, num).astype(standardize_dtype(dtype))


def eye(n: int, m: int | None = None, k: int = 0, dtype: str | None = None) -> np.ndarray:
    """Ones on the `k`-th diagonal, zeros elsewhere."""
    return np.eye(n, m, k, dtype=standardize_dtype(dtype))
