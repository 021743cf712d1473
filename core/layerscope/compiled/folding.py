"""Rows of a matrix made into one: their sum and their maximum.

Compiled, some vectors of the result stay in registers while the rows go by, unless rows are long.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import ENABLED, native


@native()
def larger(a: float, b: float) -> float:
    """Return the larger of two numbers, NaN if one is none."""
    larger = a if a > b else b
    return a if a != a else larger


def add_rows(total: np.ndarray, rows: np.ndarray) -> None:
    """Add rows (n, columns) that lie one after the other to `total` (columns)."""
    # Four at a time: what has been added so far is read and written less often.
    fours = len(rows) - len(rows) % 4
    for k in range(0, fours, 4):
        for c in range(total.size):
            total[c] += (rows[k, c] + rows[k + 1, c]) + (rows[k + 2, c] + rows[k + 3, c])
    for k in range(fours, len(rows)):
        for c in range(total.size):
            total[c] += rows[k, c]


def take_largest(best: np.ndarray, rows: np.ndarray) -> None:
    """Take the largest of `best` (columns) and rows (n, columns) that lie one after the other."""
    fours = len(rows) - len(rows) % 4
    for k in range(0, fours, 4):
        for c in range(best.size):
            first = larger(rows[k, c], rows[k + 1, c])
            second = larger(rows[k + 2, c], rows[k + 3, c])
            best[c] = larger(larger(first, second), best[c])
    for k in range(fours, len(rows)):
        for c in range(best.size):
            best[c] = larger(rows[k, c], best[c])


if ENABLED:
    from numba.extending import overload

    from layerscope.compiled import row_vectors

    overload(add_rows, strict=False)(row_vectors.folded(row_vectors.summed, add_rows))
    overload(take_largest, strict=False)(row_vectors.folded(row_vectors.largest, take_largest))
