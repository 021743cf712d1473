"""Rows of a matrix made into one, or copied: sums, maxima, windows of 2 x 2, combinations.

Compiled, some vectors of the result stay in registers while the rows go by, unless rows are long.
"""

from __future__ import annotations

import math

import numpy as np

from layerscope.compiled.jit import ENABLED, native

#: What each position along a new axis combines: where its entries begin in the other two (and, at
#: the end, where the last ones stop), positions on the old axis, and their weights.
Taps = tuple[np.ndarray, np.ndarray, np.ndarray]

#: Rows that are added up by themselves.
TOGETHER = 64


@native()
def larger(a: float, b: float) -> float:
    """Return the larger of two numbers, NaN if one is none."""
    larger = a if a > b else b
    return a if a != a else larger


def add_rows(total: np.ndarray, rows: np.ndarray) -> None:
    """Add rows (n, columns) that lie one after the other to `total` (columns).

    Some are added up by themselves before their sum is added to the others': the error does not
    grow with the number of rows as a plain sum's does.
    """
    block = np.empty_like(total)
    for begin in range(0, len(rows), TOGETHER):
        end = min(begin + TOGETHER, len(rows))
        block[:] = 0
        # Four at a time: what has been added so far is read and written less often.
        fours = end - (end - begin) % 4
        for k in range(begin, fours, 4):
            for c in range(total.size):
                block[c] += (rows[k, c] + rows[k + 1, c]) + (rows[k + 2, c] + rows[k + 3, c])
        for k in range(fours, end):
            for c in range(total.size):
                block[c] += rows[k, c]
        for c in range(total.size):
            total[c] += block[c]


def add_row(result: np.ndarray, row: np.ndarray) -> None:
    """Add a row to another of its length, of which both lie in one piece."""
    for c in range(row.size):
        result[c] += row[c]


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


def sum_distances(
    rows: np.ndarray, shift: np.ndarray, sums: np.ndarray, squares: np.ndarray
) -> None:
    """Write the sums of the distances of rows (n, columns) from `shift`, and of their squares.

    Shapes: shift, sums and squares (columns,).
    """
    sums[:] = 0
    squares[:] = 0
    for k in range(len(rows)):
        for c in range(shift.size):
            distance = rows[k, c] - shift[c]
            sums[c] += distance
            squares[c] += distance * distance


def largest_of_squares(lines: np.ndarray, step: int, best: np.ndarray) -> None:
    """Write to `best` the maxima of windows of 2 x 2.

    Shapes: lines (2, columns, channels), of which the windows lie `step` numbers apart; best
    (windows, channels).
    """
    first, second = lines[0].reshape(-1), lines[1].reshape(-1)
    channels = best.shape[1]
    for j in range(len(best)):
        out, left, right = best[j], j * step, j * step + channels
        a, b = first[left:right], first[right : right + channels]
        c, d = second[left:right], second[right : right + channels]
        for k in range(out.size):
            out[k] = larger(larger(a[k], b[k]), larger(c[k], d[k]))


def means_of_squares(lines: np.ndarray, step: int, mean: np.ndarray) -> None:
    """Write to `mean` the means of windows of 2 x 2, of the shapes of `largest_of_squares`."""
    first, second = lines[0].reshape(-1), lines[1].reshape(-1)
    channels, quarter = mean.shape[1], lines.dtype.type(0.25)
    for j in range(len(mean)):
        out, left, right = mean[j], j * step, j * step + channels
        a, b = first[left:right], first[right : right + channels]
        c, d = second[left:right], second[right : right + channels]
        for k in range(out.size):
            out[k] = ((a[k] + b[k]) + (c[k] + d[k])) * quarter


def combine_rows(x: np.ndarray, out: np.ndarray, taps: Taps, position: int) -> None:
    """Combine rows of `x` to those of `out`, which stand at positions from one on.

    Shapes: x and out (rows, length), C-contiguous, the latter written.
    """
    starts, sources, weights = taps
    for row in range(len(out)):
        for k in range(out.shape[1]):
            out[row, k] = 0
        for tap in range(starts[position + row], starts[position + row + 1]):
            source, weight = sources[tap], weights[tap]
            for k in range(out.shape[1]):
                out[row, k] += weight * x[source, k]


def pick_rows(x: np.ndarray, out: np.ndarray, sources: np.ndarray) -> None:
    """Copy a row of `x` to each row of `out`.

    Shapes: x (n, length) and out (rows, length), C-contiguous, the latter written; sources (rows,).
    """
    for row in range(len(out)):
        source = sources[row]
        for k in range(out.shape[1]):
            out[row, k] = x[source, k]


if ENABLED:
    from numba.extending import overload

    from layerscope.compiled import row_vectors

    overload(add_row, strict=False)(row_vectors.added(add_row))
    overload(add_rows, strict=False)(
        row_vectors.folded(row_vectors.summed, 0.0, TOGETHER, add_rows)
    )
    overload(take_largest, strict=False)(
        row_vectors.folded(row_vectors.largest, -math.inf, TOGETHER, take_largest)
    )
    overload(sum_distances, strict=False)(row_vectors.measured(sum_distances))
    overload(largest_of_squares, strict=False)(
        row_vectors.folded_squares(row_vectors.largest_of_four, largest_of_squares)
    )
    overload(means_of_squares, strict=False)(
        row_vectors.folded_squares(row_vectors.mean_of_four, means_of_squares)
    )
    overload(combine_rows, strict=False)(row_vectors.combined(combine_rows))
    overload(pick_rows, strict=False)(row_vectors.picked(pick_rows))
