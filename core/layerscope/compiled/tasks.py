"""Into how many tasks the work of loops is cut; knows nothing of Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: With so many entries a loop is worth calling where NumPy does the same.
LARGE = 1 << 16
#: Fewer entries hardly take longer alone, and leave the other cores to others.
_WORTH_SHARING = 1 << 17
#: So many entries take no longer one by one.
_SHORT = 2000
#: Entries of a task: the longer it is, the better memory is read ahead.
_TASK = 1 << 18
#: Tasks come in fours, for two threads and for four to have equally many.
_EVEN, _MOST = 4, 64


def tasks_of(entries: int) -> int:
    """Return into how many tasks to cut a loop over so many entries.

    It does not depend on the number of threads, on which results do not depend either.
    """
    if entries < _WORTH_SHARING:
        return 1
    return min(_EVEN * math.ceil(entries / (_EVEN * _TASK)), _MOST)


def evenly(parts: int) -> int:
    """Return how many parts to make of a sum: at least one, and equally many for two threads."""
    return parts - parts % 2 if parts > 1 else 1


def in_parts(x: Any, parts: int) -> list[Any]:
    """Return an array's rows in so many parts, each as long as the task that gets it."""
    return [x[len(x) * k // parts : len(x) * (k + 1) // parts] for k in range(parts)]


def repeats(rows: int, columns: int) -> int:
    """Return how many rows to put side by side where a loop takes columns one after the other.

    Loops over a handful of columns cannot make use of vectors; few entries take no longer.
    """
    times = 1
    while rows * columns > _SHORT and columns * times < 64 and not rows % (2 * times):
        times *= 2
    return times


def tiled(vector: np.ndarray, times: int) -> np.ndarray:
    """Return a vector so many times in a row; `numpy.tile` takes several times as long."""
    if times == 1:
        return np.ascontiguousarray(vector)
    rows = np.empty((times, vector.size), vector.dtype)
    rows[:] = vector
    return rows.reshape(-1)
