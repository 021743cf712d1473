"""Text in arrays, and buckets to put words into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.layers.preprocessing.hashes import fingerprint64, siphash24


def text_array(values: Any, encoding: str = "utf-8") -> np.ndarray:
    """Return text as an array of strings, bytes decoded.

    Raises
    ------
    ValueError
        If there is anything but text.
    """
    array = np.asarray(values)
    if array.dtype.kind == "S":
        return np.char.decode(array, encoding)
    if array.dtype.kind == "U":
        return array
    entries = [
        one.decode(encoding) if isinstance(one, bytes) else one for one in array.ravel().tolist()
    ]
    if not all(isinstance(one, str) for one in entries):
        raise ValueError(
            f"Expected text, as strings or bytes. Received an array of type {array.dtype} and "
            f"shape {array.shape}"
        )
    return np.array(entries, dtype=str).reshape(array.shape)


def for_each_different(function: Callable[[Any], Any], values: np.ndarray, kind: Any) -> np.ndarray:
    """Return what `function` makes of every entry, calling it once for those that are the same."""
    different, places = np.unique(values, return_inverse=True)
    results = np.array([function(one) for one in different.tolist()], dtype=kind)
    return results[places.reshape(values.shape)]


def bucket_of(word: str, buckets: int, salt: Any = None) -> int:
    """Return the bucket of a word, the one TensorFlow puts it into.

    Parameters
    ----------
    salt : two numbers, a key of the hash; None for the hash without one.
    """
    data = word.encode()
    return (fingerprint64(data) if salt is None else siphash24(data, tuple(salt))) % buckets


def salt_converter(owner: str) -> Callable[[Any], Any]:
    """Return a converter of the argument `salt`: two integers, or one for both."""

    def convert(value: Any) -> list[int] | None:
        if value is None:
            return None
        parts = [value, value] if isinstance(value, (int, np.integer)) else value
        numbers = isinstance(parts, (tuple, list)) and all(
            isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in parts
        )
        if not numbers or len(parts) != 2:
            raise ValueError(
                f"The `salt` argument for `{owner}` can only be a tuple of size 2 integers, or a "
                f"single integer. Received: salt={value}."
            )
        return [int(one) for one in parts]

    return convert
