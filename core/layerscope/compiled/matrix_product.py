"""Product of two matrices on Layerscope's own threads.

BLAS has threads of its own, which keep their cores busy for milliseconds after each product: a
loop that follows would wait for them.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled import activations
from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.mapping import start
from layerscope.compiled.microkernel import multiply_blocks
from layerscope.compiled.products import (
    DEPTH,
    WHOLE,
    aligned,
    lay_out,
    lay_out_turned,
    panel_width,
    repeat_last,
)
from layerscope.compiled.registers import ROWS, WIDE
from layerscope.compiled.team import claim, shared

#: Rows of the product that laying out a panel for is worth while, and the parts to share.
_ROWS, _PARTS = 128, 16

_relu = activations.relu.function


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
def _rectify(out: np.ndarray, begin: int, rows: int, length: int, columns: int) -> None:
    """Overwrite numbers by their relu: the first `columns` of rows `length` long, from `begin` on.

    `out` is flat.
    """
    for row in range(rows):
        at = begin + row * length
        numbers = out[at : at + columns]
        for c in range(numbers.size):
            numbers[c] = _relu(numbers[c])


def _multiply_reference(
    left: np.ndarray,
    right: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    left_turned: bool,
    right_turned: bool,
    rectified: bool,
) -> None:
    product = (left.T if left_turned else left) @ (right.T if right_turned else right)
    np.add(product, first[: out.shape[1]], out=out)
    if rectified:
        out[...] = activations.relu.formula(out)


@shared(_multiply_reference)
def multiply(
    board: int,
    tasks: int,
    left: np.ndarray,
    right: np.ndarray,
    first: np.ndarray,
    out: np.ndarray,
    left_turned: bool,
    right_turned: bool,
    rectified: bool,
) -> None:
    """Write ``left @ right + first``, of the transposed matrices where they are said to be turned.

    What is `rectified` is the relu of that.

    Shapes: left (m, depth), turned (depth, m), right (depth, n), turned (n, depth), first (n and
    `WIDE` more), out (m, n), written; all C-contiguous.
    """
    rows, columns = out.shape
    depth = right.shape[1] if right_turned else len(right)
    chunks, parts = _chunks_of(rows, columns), parts_of(rows, columns)
    # From one row of the product to the next, and from one entry of a row to the next.
    row, step = (1, rows) if left_turned else (depth, 1)
    begins, places = row * np.arange(rows), columns * np.arange(rows)
    panel = aligned(depth * WIDE)
    given, matrix, flat = left.reshape(-1), right.reshape(-1), out.reshape(-1)
    last = np.empty((2, ROWS), np.int64)
    last_begins, last_places = last
    laid_out = -1
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            column, chunk = part // chunks * WIDE, part % chunks
            width = panel_width(columns - column)
            shown = min(width, columns - column)
            if column != laid_out:
                if right_turned:
                    lay_out_turned(panel, matrix, column * depth, depth, shown)
                else:
                    lay_out(panel, matrix, column, depth, columns, shown)
                laid_out = column
            low, high = start(rows, chunk, chunks), start(rows, chunk + 1, chunks)
            end = high - (high - low) % ROWS
            if end < high:
                repeat_last(begins, places, end, high, last)
            for done in range(0, depth, DEPTH):
                steps = min(DEPTH, depth - done)
                multiply_blocks(
                    given, done * step, begins, low, (end - low) // ROWS, WHOLE, 0, 1, steps, step,
                    panel, done * width, width, first, column, flat, column, places,
                    done > 0, False, shown, True,
                )  # fmt: skip
                if end < high:
                    multiply_blocks(
                        given, done * step, last_begins, 0, 1, WHOLE, 0, 1, steps, step,
                        panel, done * width, width, first, column, flat, column, last_places,
                        done > 0, False, shown, False,
                    )  # fmt: skip
            if rectified:
                _rectify(flat, low * columns + column, high - low, columns, shown)
        task = claim(board, task, tasks)
