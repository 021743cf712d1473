"""Images whose rows and columns combine or copy those of others, and the way back.

b batch, c channel. Threads share the rows of the result.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import Taps as Taps
from layerscope.compiled.folding import combine_rows, pick_rows
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared


def _dense(taps: Taps, length: int) -> np.ndarray:
    """Return the weights as a matrix, (new length, length)."""
    starts, sources, weights = taps
    matrix = np.zeros((len(starts) - 1, length), weights.dtype)
    np.add.at(matrix, (np.repeat(np.arange(len(matrix)), np.diff(starts)), sources), weights)
    return matrix


def _combined(x: np.ndarray, taps: Taps) -> np.ndarray:
    """Return (n, length, m) as (n, new length, m)."""
    starts, sources, weights = taps
    out = np.zeros((x.shape[0], len(starts) - 1, x.shape[2]), x.dtype)
    counts = np.diff(starts)
    for nth in range(counts.max(initial=0)):
        at = np.flatnonzero(counts > nth)
        tap = starts[at] + nth
        out[:, at] += weights[tap, None] * x[:, sources[tap]]
    return out


def _resize_reference(x: np.ndarray, out: np.ndarray, rows: Taps, columns: Taps) -> None:
    n_batch, height, _width, channels = out.shape
    lines = _combined(x.reshape(n_batch, x.shape[1], -1), rows)
    lines = lines.reshape(n_batch * height, x.shape[2], channels)
    out[...] = _combined(lines, columns).reshape(out.shape)


@shared(_resize_reference)
def resize(
    board: int, tasks: int, x: np.ndarray, out: np.ndarray, rows: Taps, columns: Taps
) -> None:
    """Combine rows, and in them columns.

    Shapes: x (b, height, width, c); out (b, new height, new width, c), written.
    """
    n_batch, new_height, _, channels = out.shape
    height, width = x.shape[1], x.shape[2]
    lines = x.reshape(n_batch, height, width * channels)
    line = np.empty((1, width * channels), x.dtype)
    entries = line.reshape(width, channels)
    parts = n_batch * new_height
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            b, i = part // new_height, part % new_height
            combine_rows(lines[b], line, rows, i)
            combine_rows(entries, out[b, i], columns, 0)
        task = claim(board, task, tasks)


def _pick_reference(x: np.ndarray, out: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    out[...] = x[:, rows[:, None], columns]


@shared(_pick_reference)
def pick(
    board: int, tasks: int, x: np.ndarray, out: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> None:
    """Copy to each row one of `x`, and in it to each entry one of that row.

    Shapes: x (b, height, width, c); out (b, new height, new width, c), written; rows (new
    height,), columns (new width,).
    """
    n_batch, new_height = out.shape[:2]
    parts = n_batch * new_height
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            b, i = part // new_height, part % new_height
            pick_rows(x[b, rows[i]], out[b, i], columns)
        task = claim(board, task, tasks)
