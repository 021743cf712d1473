"""Linear maps of square tiles, for as many channels at a time as a vector holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled.jit import ENABLED
from layerscope.compiled.registers import NARROW


def tile_map(matrix: np.ndarray) -> Any:
    """Return a function that writes ``matrix @ tile @ matrix.T``, for compiled loops to call.

    It takes flat arrays: ``mapped(x, at, row, column, out, to, out_row, out_column, seen, place)``.
    Entry (i, j) of the tile is `NARROW` numbers of `x` from ``at + i * row + j * column`` on, that
    of the result goes to `out` in the same way, the first entry last: where a step is 0, it stays.
    What is written times 0 is added to `seen` at `place`, which is NaN after what is not finite.
    """
    over, under = np.indices(2 * (matrix.shape[1],)), np.indices(2 * (matrix.shape[0],))
    lanes = np.arange(NARROW)

    def mapped(
        x: np.ndarray,
        at: int,
        row: int,
        column: int,
        out: np.ndarray,
        to: int,
        out_row: int,
        out_column: int,
        seen: np.ndarray,
        place: int,
    ) -> None:
        read = at + over[0] * row + over[1] * column
        tile = x[read[..., None] + lanes]
        result = np.einsum("ai,ijc,bj->abc", matrix, tile, matrix).astype(x.dtype)
        written = to + under[0] * out_row + under[1] * out_column
        for i, j in reversed(list(np.ndindex(*written.shape))):
            out[written[i, j] + lanes] = result[i, j]
        seen[place + lanes] += 0 * result.sum((0, 1))

    if ENABLED:
        from numba.extending import overload

        from layerscope.compiled import tile_vectors

        overload(mapped, strict=False)(tile_vectors.mapped(matrix.tolist()))
    return mapped
