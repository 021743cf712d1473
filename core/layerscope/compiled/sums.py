"""Sums of columns, with an error that does not grow with their number as a plain sum's does."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import add_rows
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.tasks import in_parts
from layerscope.compiled.team import claim, shared

#: Rows that are added up by themselves before their sum is added to the others'.
_BLOCK = 64


def _reference(x: np.ndarray, out: np.ndarray) -> None:
    for rows, total in zip(in_parts(x, len(out)), out, strict=True):
        total[...] = rows.sum(0)


@native()
def add_up(rows: np.ndarray, block: np.ndarray, total: np.ndarray) -> None:
    """Write the sum of rows to `total`; `block` has room for the sum of some of them."""
    total[:] = 0
    for begin in range(0, len(rows), _BLOCK):
        block[:] = 0
        add_rows(block, rows[begin : min(begin + _BLOCK, len(rows))])
        for c in range(total.size):
            total[c] += block[c]


@shared(_reference)
def sum_columns(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    """Sum each column over `tasks` parts of the rows.

    Shapes: x (n, columns), C-contiguous; out (tasks, columns), written.
    """
    block = np.empty(x.shape[1], x.dtype)
    task = claim(board, -1, tasks)
    while task >= 0:
        rows = x[start(len(x), task, tasks) : start(len(x), task + 1, tasks)]
        add_up(rows, block, out[task])
        task = claim(board, task, tasks)
