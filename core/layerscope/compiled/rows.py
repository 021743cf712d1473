"""Rows looked up in a table, the way back, and columns put side by side."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared


def _take_rows_reference(table: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    np.take(table, places, axis=0, out=out, mode="wrap")


@shared(_take_rows_reference)
def take_rows(
    board: int, tasks: int, table: np.ndarray, places: np.ndarray, out: np.ndarray
) -> None:
    """Copy the row at each place.

    Shapes: table (length, c); places (n,), in range, negative ones counting from the end; out
    (n, c), written.
    """
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(places), task, tasks), start(len(places), task + 1, tasks)):
            place = places[k]
            if place < 0:
                place += len(table)
            row, result = table[place], out[k]
            for c in range(row.size):
                result[c] = row[c]
        task = claim(board, task, tasks)


def _sum_rows_reference(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    out[...] = 0
    for block, added in zip(out, rows, strict=True):
        np.add.at(block, places, added)


@shared(_sum_rows_reference)
def sum_rows(board: int, tasks: int, rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Add up the rows that belong in one place; zeros where none does.

    n rows of `after` entries each are added in every one of `before` blocks. A task has some of
    the places, and passes over the rows of others.

    Shapes: rows (before, n, after); places (n,), negative ones counting from the end; out
    (before, length, after), written.
    """
    task = claim(board, -1, tasks)
    while task >= 0:
        first, last = start(out.shape[1], task, tasks), start(out.shape[1], task + 1, tasks)
        for b in range(rows.shape[0]):
            out[b, first:last] = 0
            for k in range(places.size):
                place = places[k]
                if place < 0:
                    place += out.shape[1]
                if first <= place < last:
                    row, result = rows[b, k], out[b, place]
                    for c in range(row.size):
                        result[c] += row[c]
        task = claim(board, task, tasks)


def _copy_columns_reference(x: np.ndarray, at: int, out: np.ndarray) -> None:
    out[:, at : at + x.shape[1]] = x


@shared(_copy_columns_reference)
def copy_columns(board: int, tasks: int, x: np.ndarray, at: int, out: np.ndarray) -> None:
    """Copy x (n, c) to the c columns of `out` from `at` on."""
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i, at : at + x.shape[1]]
            for c in range(row.size):
                result[c] = row[c]
        task = claim(board, task, tasks)
