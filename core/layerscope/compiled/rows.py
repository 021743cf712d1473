"""Rows looked up in a table, the way back, and columns put side by side."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import add_row
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, half_vectors, shared


def _take_rows_reference(
    table: np.ndarray, places: np.ndarray, out: np.ndarray, beyond: np.ndarray
) -> None:
    found = (places >= -len(table)) & (places < len(table))
    out[found] = table[places[found]]
    if not found.all():
        beyond[0] = 1


@shared(_take_rows_reference)
def take_rows(
    board: int,
    tasks: int,
    table: np.ndarray,
    places: np.ndarray,
    out: np.ndarray,
    beyond: np.ndarray,
) -> None:
    """Copy the row at each place.

    Shapes: table (length, c); places (n,), negative ones counting from the end; out (n, c),
    written but for places out of range; beyond (1,), set to 1 if there are any.
    """
    length = len(table)
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(places), task, tasks), start(len(places), task + 1, tasks)):
            place = places[k]
            if place < 0:
                place += length
            if place < 0 or place >= length:
                beyond[0] = 1
                continue
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
                    add_row(result, row)
        task = claim(board, task, tasks)


def _join_columns_reference(x: np.ndarray, y: np.ndarray, at: int, out: np.ndarray) -> None:
    middle = at + x.shape[1]
    out[:, at:middle] = x
    out[:, middle : middle + y.shape[1]] = y


@shared(_join_columns_reference)
def join_columns(
    board: int, tasks: int, x: np.ndarray, y: np.ndarray, at: int, out: np.ndarray
) -> None:
    """Copy x (n, c) and y (n, d), side by side, to the columns of `out` from `at` on."""
    middle = at + x.shape[1]
    end = middle + y.shape[1]
    half_vectors()
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i, at:middle]
            for c in range(row.size):
                result[c] = row[c]
            row, result = y[i], out[i, middle:end]
            for c in range(row.size):
                result[c] = row[c]
        task = claim(board, task, tasks)
