"""Entries put around the innermost axes of an array."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared


def _surround_reference(
    x: np.ndarray, low: tuple[int, int, int], value: float, out: np.ndarray
) -> None:
    out[...] = value
    inner = tuple(
        slice(before, before + length) for before, length in zip(low, x.shape[1:], strict=True)
    )
    out[(slice(None), *inner)] = x


@shared(_surround_reference)
def surround(
    board: int,
    tasks: int,
    x: np.ndarray,
    low: tuple[int, int, int],
    value: float,
    out: np.ndarray,
) -> None:
    """Copy x to where `low` entries are before it along each axis but the first.

    Shapes: x (b, planes, rows, columns), C-contiguous; out (b, ...), written, `value` around x.
    """
    planes, rows = out.shape[1:3]
    lines = len(out) * planes * rows
    task = claim(board, -1, tasks)
    while task >= 0:
        for line in range(start(lines, task, tasks), start(lines, task + 1, tasks)):
            b, h, i = line // (planes * rows), line // rows % planes, line % rows
            written, plane, row = out[b, h, i], h - low[0], i - low[1]
            if plane < 0 or plane >= x.shape[1] or row < 0 or row >= x.shape[2]:
                written[:] = value
                continue
            given = x[b, plane, row]
            written[: low[2]] = value
            inner = written[low[2] : low[2] + given.size]
            for c in range(given.size):
                inner[c] = given[c]
            written[low[2] + given.size :] = value
        task = claim(board, task, tasks)
