"""Adding up rows that may meet in one place, the way back from looking them up.

n rows of `after` entries each are added in every one of `before` blocks.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _add_rows_reference(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    for block, added in zip(out, rows, strict=True):
        np.add.at(block, places, added)


@compiled(_add_rows_reference)
def add_rows(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Add each row to the one of `out` it belongs to; a place may occur several times.

    Shapes: rows (before, n, after); places (n,), negative ones counting from the end; out
    (before, length, after), written.
    """
    for b in range(rows.shape[0]):
        for k in range(places.size):
            place = places[k]
            if place < 0:
                place += out.shape[1]
            for j in range(rows.shape[2]):
                out[b, place, j] += rows[b, k, j]
