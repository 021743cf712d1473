"""A block of a matrix product in vector registers: the innermost loop of the convolutions.

The rows of the left matrix need not lie in memory one after the other, nor their entries: a table
tells where each row begins, another where each run of equally spaced entries lies in a row. So
one block serves a convolution, its gradients, strides, dilation and groups, and no window is ever
copied out of its image.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import ENABLED
from layerscope.compiled.registers import NARROW, ROWS, WIDE


def multiply_blocks(
    x: np.ndarray,
    start: int,
    rows: np.ndarray,
    row: int,
    blocks: int,
    runs: np.ndarray,
    run: int,
    n_runs: int,
    steps: int,
    stride: int,
    panels: np.ndarray,
    panel: int,
    width: int,
    first: np.ndarray,
    column: int,
    out: np.ndarray,
    out_start: int,
    places: np.ndarray,
    added: bool,
    each: bool,
    shown: int,
    apart: bool,
) -> None:
    """Multiply blocks of `ROWS` rows with a panel of `width` columns, `WIDE` or `NARROW`.

    Entry (m, r * steps + k) of the left matrix is
    ``x[start + rows[row + m] + runs[run + r] + k * stride]``; the panel lies in `panels` at
    `panel`, row by row; row m of the product goes to `out` at ``out_start + places[row + m]``,
    added to what is there or, with `added` false, to ``first[column:column + width]``. Only the
    first columns are written, as many as are `shown`. Unless they are said to lie `apart`, rows of
    the product may be the same or overlap; what they have in common must be equal.
    With `each` every column has rows of its own, which begin one entry further in `x` than those
    of the column before: it is a sum of products for each channel by itself.
    All arrays are flat and float32, tables of int64. They must have names where this is called:
    compiled, only addresses are handed on, and what is made for the call alone is gone by then.
    """
    end = row + blocks * ROWS
    at = start + rows[row:end, None, None] + runs[None, run : run + n_runs, None]
    at = (at + stride * np.arange(steps)).reshape(end - row, n_runs * steps)
    right = panels[panel : panel + n_runs * steps * width].reshape(-1, width)
    columns, written = np.arange(width), np.arange(shown)
    if each:
        product = (x[at[:, :, None] + columns] * right).sum(1)
    else:
        # Row by row, as in vectors: what a row gives must not depend on those beside it.
        product = (x[at][:, None] @ right)[:, 0]
    to = out_start + places[row:end, None] + written
    out[to] = (out[to] if added else first[column : column + shown]) + product[:, :shown]


def copy_wide(out: np.ndarray, to: int, x: np.ndarray, begin: int) -> None:
    """Copy `WIDE` numbers."""
    out[to : to + WIDE] = x[begin : begin + WIDE]


def copy_turned(
    out: np.ndarray, to: int, width: int, x: np.ndarray, begin: int, length: int
) -> None:
    """Copy a square of `NARROW` numbers either way, rows as columns.

    Rows are `length` apart in `x`, and `width` in `out`.
    """
    places = np.arange(NARROW)
    out[to + places * width + places[:, None]] = x[begin + places[:, None] * length + places]


if ENABLED:
    from numba.extending import overload

    from layerscope.compiled import blocks

    overload(multiply_blocks, strict=False, inline="always")(blocks.multiply_blocks)
    overload(copy_wide, strict=False)(blocks.copy_wide)
    overload(copy_turned, strict=False)(blocks.copy_turned)
