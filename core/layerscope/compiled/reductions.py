"""Sums and maxima over the middle of three axes, and the way back from a maximum."""

from __future__ import annotations

import numpy as np

from layerscope.compiled.folding import add_rows, take_largest
from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared


def _sum_middle_reference(x: np.ndarray, out: np.ndarray, divisor: float) -> None:
    np.divide(np.sum(x, axis=1), divisor, out=out)


@shared(_sum_middle_reference)
def sum_middle(board: int, tasks: int, x: np.ndarray, out: np.ndarray, divisor: float) -> None:
    """Sum over the middle axis, and divide by a number of the array's type.

    Shapes: x (before, n, after); out (before, after), written.
    """
    task = claim(board, -1, tasks)
    while task >= 0:
        for b in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            out[b] = 0
            add_rows(out[b], x[b])
            for c in range(out.shape[1]):
                out[b, c] /= divisor
        task = claim(board, task, tasks)


def _max_middle_reference(x: np.ndarray, out: np.ndarray) -> None:
    np.max(x, axis=1, out=out)


@shared(_max_middle_reference)
def max_middle(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    """Take the largest along the middle axis, NaN where there is one.

    Shapes: x (before, n, after), n positive; out (before, after), written.
    """
    task = claim(board, -1, tasks)
    while task >= 0:
        for b in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            out[b] = x[b, 0]
            take_largest(out[b], x[b, 1:])
        task = claim(board, task, tasks)


@native(inline="never")
def _count_hits(hits: np.ndarray, rows: np.ndarray, best: np.ndarray) -> None:
    one, zero = hits.dtype.type(1), hits.dtype.type(0)
    for k in range(len(rows)):
        for c in range(hits.size):
            hits[c] += one if rows[k, c] == best[c] else zero


@native(inline="never")
def _hand_on(
    rows: np.ndarray, best: np.ndarray, hit: np.ndarray, missed: np.ndarray, out: np.ndarray
) -> None:
    for k in range(len(rows)):
        for c in range(best.size):
            out[k, c] = hit[c] if rows[k, c] == best[c] else missed[c]


def _max_middle_gradient_reference(
    grad_out: np.ndarray, out: np.ndarray, x: np.ndarray, grad_x: np.ndarray
) -> None:
    hits = (x == out[:, None]).astype(x.dtype)
    with np.errstate(invalid="ignore"):
        grad_x[...] = grad_out[:, None] * hits / hits.sum(1, keepdims=True)


@shared(_max_middle_gradient_reference)
def max_middle_gradient(
    board: int,
    tasks: int,
    grad_out: np.ndarray,
    out: np.ndarray,
    x: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Hand each gradient to the entries that equal their maximum, in equal shares.

    Shapes: grad_out and out (before, after); x and grad_x (before, n, after), the latter written.
    """
    hit, missed = np.empty(x.shape[2], x.dtype), np.empty(x.shape[2], x.dtype)
    task = claim(board, -1, tasks)
    while task >= 0:
        for b in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            hit[:] = 0
            _count_hits(hit, x[b], out[b])
            for c in range(hit.size):
                # Where nothing is a number, no entry equals it.
                hits, grad = hit[c], grad_out[b, c]
                missed[c] = grad * x.dtype.type(0) / hits
                hit[c] = grad / hits
            _hand_on(x[b], out[b], hit, missed, grad_x[b])
        task = claim(board, task, tasks)
