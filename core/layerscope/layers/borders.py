"""How many entries to cut or add before and after each spatial axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Borders = tuple[tuple[int, int], ...]


def pairs_of(rank: int, name: str) -> Callable[[Any], Any]:
    """Return a converter to ((before, after), ...), one pair for each of `rank` axes.

    It takes one number for all, a number per axis for both its ends, or the pairs.
    """

    def convert(value: Any) -> Borders:
        entries = [value] * rank if _is_length(value) else value
        if not isinstance(entries, (tuple, list)) or len(entries) != rank:
            raise _error(value)
        return tuple(_pair(entry, value) for entry in entries)

    def _pair(entry: Any, value: Any) -> tuple[int, int]:
        ends = (entry, entry) if _is_length(entry) else entry
        if not isinstance(ends, (tuple, list)) or len(ends) != 2 or not all(map(_is_length, ends)):
            raise _error(value)
        return int(ends[0]), int(ends[1])

    def _error(value: Any) -> ValueError:
        return ValueError(
            f"Argument `{name}` must be an integer, a tuple of {rank} integers or a tuple of "
            f"{rank} tuples of 2 integers, each at least 0. Received: {name}={value!r}"
        )

    return convert


def _is_length(value: Any) -> bool:
    number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return bool(number and value >= 0)
