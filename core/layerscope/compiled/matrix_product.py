"""Product of two matrices on Layerscope's own threads.

BLAS has threads of its own, which keep their cores busy for milliseconds after each product: a
loop that follows would wait for them.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.mapping import start
from layerscope.compiled.microkernel import copy_wide, multiply_block
from layerscope.compiled.products import aligned
from layerscope.compiled.registers import NARROW, ROWS, WIDE
from layerscope.compiled.team import claim, shared

#: Rows of a panel that are worked through at a time: they are to stay in the first cache.
_DEPTH = 256
#: Rows of the product that laying out a panel for is worth while, and the parts to share.
_ROWS, _PARTS = 128, 16


@callable_from_loops()
def _panels_in(columns: int) -> int:
    """Return how many panels there are for so many columns."""
    return (columns + WIDE - 1) // WIDE


@callable_from_loops()
def _chunks_of(rows: int, columns: int) -> int:
    """Return into how many chunks of rows a product with so many rows and columns is cut."""
    return max(1, min(_PARTS // _panels_in(columns), rows // _ROWS))


@callable_from_loops()
def parts_of(rows: int, columns: int) -> int:
    """Return how many parts of a product with so many rows and columns can be shared."""
    return _panels_in(columns) * _chunks_of(rows, columns)


@native(inline="never")
def _lay_out(panel: np.ndarray, right: np.ndarray, column: int, width: int) -> None:
    """Copy so many columns of a matrix, from one on, row by row; zeros beyond its last."""
    depth, columns = right.shape
    shown, flat = min(width, columns - column), right.reshape(-1)
    for r in range(depth):
        if shown == WIDE:
            copy_wide(panel, r * WIDE, flat, r * columns + column)
            continue
        for c in range(shown):
            panel[r * width + c] = right[r, column + c]
        for c in range(shown, width):
            panel[r * width + c] = 0


def _multiply_reference(
    left: np.ndarray, right: np.ndarray, first: np.ndarray, out: np.ndarray
) -> None:
    np.add(left @ right, first[: out.shape[1]], out=out)


@shared(_multiply_reference)
def multiply(
    board: int,
    tasks: int,
    left: np.ndarray,
    right: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write ``left @ right + first``.

    Shapes: left (m, depth), right (depth, n), first (n and `WIDE` more), out (m, n), written; all
    C-contiguous.
    """
    rows, depth = left.shape
    columns = out.shape[1]
    chunks, parts = _chunks_of(rows, columns), parts_of(rows, columns)
    begins, places = depth * np.arange(rows), columns * np.arange(rows)
    panel, block = aligned(depth * WIDE), aligned(ROWS * WIDE)
    given, flat = left.reshape(-1), out.reshape(-1)
    whole, last, in_block = np.zeros(1, np.int64), np.empty(ROWS, np.int64), np.arange(ROWS)
    laid_out = -1
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            column, chunk = part // chunks * WIDE, part % chunks
            width = WIDE if columns - column > NARROW else NARROW
            shown = min(width, columns - column)
            if column != laid_out:
                _lay_out(panel, right, column, width)
                laid_out = column
            low, high = start(rows, chunk, chunks), start(rows, chunk + 1, chunks)
            end = high - (high - low) % ROWS if shown == width else low
            for done in range(0, depth, _DEPTH):
                for row in range(low, end, ROWS):
                    multiply_block(
                        given, done, begins, row, whole, 0, 1, min(_DEPTH, depth - done), 1,
                        panel, done * width, width, first, column, flat, column, places,
                        done > 0, False,
                    )  # fmt: skip
            # What does not fill a block is computed aside, with the last row again.
            for row in range(end, high, ROWS):
                for i in range(ROWS):
                    last[i] = begins[min(row + i, high - 1)]
                for done in range(0, depth, _DEPTH):
                    multiply_block(
                        given, done, last, 0, whole, 0, 1, min(_DEPTH, depth - done), 1,
                        panel, done * width, width, first, column, block, 0, width * in_block,
                        done > 0, False,
                    )  # fmt: skip
                for i in range(min(ROWS, high - row)):
                    for c in range(shown):
                        out[row + i, column + c] = block[i * width + c]
        task = claim(board, task, tasks)
