"""Sums of columns, with an error that does not grow with their number as a plain sum's does."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import add_rows
from layerscope.compiled.mapping import start
from layerscope.compiled.tasks import in_parts
from layerscope.compiled.team import claim, shared


def _reference(x: np.ndarray, out: np.ndarray) -> None:
    for rows, total in zip(in_parts(x, len(out)), out, strict=True):
        total[...] = rows.sum(0)


@shared(_reference)
def sum_columns(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    """Sum each column over `tasks` parts of the rows.

    Shapes: x (n, columns), C-contiguous; out (tasks, columns), written.
    """
    task = claim(board, -1, tasks)
    while task >= 0:
        rows = x[start(len(x), task, tasks) : start(len(x), task + 1, tasks)]
        out[task] = 0
        add_rows(out[task], rows)
        task = claim(board, task, tasks)
