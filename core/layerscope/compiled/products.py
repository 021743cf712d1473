"""Products of a few rows with a matrix, in the midst of loops that go step by step.

The matrix is laid out in panels once: of as many columns as a block of the product has, row by
row, the last panel filled up with zeros.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled import room
from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.microkernel import copy_turned, copy_wide, multiply_blocks
from layerscope.compiled.registers import NARROW, ROWS, WIDE

#: Most rows that a loop advances together: while they are multiplied, a panel stays near the
#: processor.
TOGETHER = 3 * ROWS

#: Rows of a panel that are worked through at a time: they are to stay in the first cache.
DEPTH = 256

#: Where the run of a product of whole rows begins, and what is under a product that is added to
#: nothing: to make them in every call would take as long as a small product.
WHOLE, _ZEROS = np.zeros(1, np.int64), np.zeros(WIDE, np.float32)


@callable_from_loops()
def panel_width(columns: int) -> int:
    """Return how wide the panel is that holds the first of so many columns."""
    return WIDE if columns > NARROW else NARROW


@callable_from_loops()
def panel_columns(columns: int) -> int:
    """Return how many columns the panels have that hold so many."""
    rest = columns % WIDE
    return columns - rest + (0 if rest == 0 else NARROW if rest <= NARROW else WIDE)


@callable_from_loops()
def whole_rows(rows: int) -> int:
    """Return how many rows whole blocks have that hold so many."""
    return (rows + ROWS - 1) // ROWS * ROWS


@native()
def beginnings(rows: int, length: int) -> np.ndarray:
    """Return where rows of a length begin, for whole blocks; surplus ones are the last again."""
    found = np.empty(whole_rows(rows), np.int64)
    for row in range(len(found)):
        found[row] = min(row, rows - 1) * length
    return found


@native()
def repeat_last(
    rows: np.ndarray, places: np.ndarray, begin: int, end: int, last: np.ndarray
) -> None:
    """Write tables for rows that do not fill a block: the last of them is there again.

    Shapes: last (2, `ROWS`), for entries `begin` to `end` of `rows` and of `places`.
    """
    for i in range(ROWS):
        row = min(begin + i, end - 1)
        last[0, i], last[1, i] = rows[row], places[row]


def beginning(columns: int, bias: np.ndarray | None = None) -> np.ndarray:
    """Return what the rows of a product begin with, a bias or zeros, and zeros to fill a panel."""
    first = np.zeros(columns + WIDE, np.float32)
    if bias is not None:
        first[:columns] = bias
    return first


def panels_of(*matrices: np.ndarray) -> np.ndarray:
    """Return the panels of matrices, (depth, columns) or several of a shape, one by one."""
    stacks = [matrix if matrix.ndim == 3 else matrix[None] for matrix in matrices]
    widths = [panel_columns(stack.shape[2]) for stack in stacks]
    entries = [
        len(stack) * stack.shape[1] * width for stack, width in zip(stacks, widths, strict=True)
    ]
    panels, begin = room.empty((sum(entries),), matrices[0].dtype), 0
    for stack, width, size in zip(stacks, widths, entries, strict=True):
        count, depth, columns = stack.shape
        found = panels[begin : begin + size].reshape(count, depth * width)
        whole, rest = columns // WIDE, columns % WIDE
        middle = whole * WIDE
        if whole:
            blocks = stack[:, :, :middle].reshape(count, depth, whole, WIDE)
            wide = found[:, : depth * middle].reshape(count, whole, depth, WIDE)
            wide[...] = blocks.swapaxes(1, 2)
        if rest:
            last = found[:, depth * middle :].reshape(count, depth, width - middle)
            last[:, :, :rest] = stack[:, :, middle:]
            last[:, :, rest:] = 0
        begin += size
    return panels


def matrices_of(panels: np.ndarray, *shapes: tuple[int, int]) -> list[np.ndarray]:
    """Undo `panels_of`."""
    matrices, begin = [], 0
    for depth, columns in shapes:
        wide = panel_columns(columns) // WIDE * WIDE
        middle, end = begin + depth * wide, begin + depth * panel_columns(columns)
        blocks = panels[begin:middle].reshape(-1, depth, WIDE).swapaxes(0, 1).reshape(depth, wide)
        rest = panels[middle:end].reshape(depth, panel_columns(columns) - wide)
        matrices.append(np.concatenate([blocks, rest], 1)[:, :columns])
        begin = end
    return matrices


@native()
def aligned(entries: int) -> np.ndarray:
    """Return room that begins with a cache line, across two of which no vector shall lie."""
    around = np.empty(entries + 16, np.float32)
    begin = -(around.ctypes.data // 4) % 16
    return around[begin : begin + entries]


@native(inline="never")
def lay_out(
    panels: np.ndarray, values: np.ndarray, begin: int, count: int, channels: int, columns: int
) -> None:
    """Lay rows of `columns` numbers out as panels; a row lies `channels` after the other."""
    panel = 0
    for n in range(0, columns, WIDE):
        width = panel_width(columns - n)
        shown = min(width, columns - n)
        for q in range(count):
            at = begin + q * channels + n
            to = panel + q * width
            if shown == WIDE:
                copy_wide(panels, to, values, at)
                continue
            for j in range(shown):
                panels[to + j] = values[at + j]
            for j in range(shown, width):
                panels[to + j] = 0
        panel += count * width


@native(inline="never")
def lay_out_turned(
    panels: np.ndarray, values: np.ndarray, begin: int, count: int, columns: int
) -> None:
    """Lay columns of `count` numbers, which lie one after the other, out as panels."""
    panel, whole = 0, count - count % NARROW
    for n in range(0, columns, WIDE):
        width = panel_width(columns - n)
        for c in range(0, width, NARROW):
            shown = min(NARROW, columns - n - c)
            at, to, done = begin + (n + c) * count, panel + c, 0
            if shown == NARROW:
                for done in range(0, whole, NARROW):
                    copy_turned(panels, to + done * width, width, values, at + done, count)
                done = whole
            for q in range(done, count):
                row = to + q * width
                for j in range(shown):
                    panels[row + j] = values[at + j * count + q]
                for j in range(max(shown, 0), NARROW):
                    panels[row + j] = 0
        panel += count * width


@native()
def multiply_rows(
    x: np.ndarray,
    start: int,
    rows: np.ndarray,
    count: int,
    depth: int,
    panels: np.ndarray,
    panel: int,
    columns: int,
    out: np.ndarray,
    out_start: int,
    places: np.ndarray,
    step: int = 1,
) -> int:
    """Multiply rows of `x` with the panels of a matrix (depth, columns); return where they end.

    Row m begins in `x` at ``start + rows[m]``, its entries are `step` apart; the product's begins
    in `out` at ``out_start + places[m]``. There must be room for a multiple of `ROWS` rows, and
    for whole panels. Arrays are flat.
    """
    blocks = whole_rows(count) // ROWS
    for column in range(0, columns, WIDE):
        width = panel_width(columns - column)
        for done in range(0, depth, DEPTH):
            steps = min(DEPTH, depth - done)
            multiply_blocks(
                x, start + done * step, rows, 0, blocks, WHOLE, 0, 1, steps, step,
                panels, panel + done * width, width,
                _ZEROS, 0, out, out_start + column, places, done > 0, False, width, True,
            )  # fmt: skip
        panel += depth * width
    return panel
