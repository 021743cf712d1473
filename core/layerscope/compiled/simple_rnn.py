"""A simple recurrent network through all steps of a sequence, and back through time."""

from __future__ import annotations

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.mapping import start
from layerscope.compiled.products import (
    TOGETHER,
    aligned,
    matrices_of,
    multiply_rows,
    panel_columns,
)
from layerscope.compiled.recurrent import find_rows, in_order, parts_of, places_of, together_of
from layerscope.compiled.team import claim, shared


def _simple_rnn_reference(
    rows: np.ndarray,
    state: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    outputs: np.ndarray,
) -> None:
    units = state.shape[1]
    (matrix,) = matrices_of(panels, (rows.shape[2], units))
    for k, t in in_order(rows.shape[1], backwards):
        before = outputs[:, k - 1] if k else state
        rows[:, t, :units] = before
        outputs[:, k] = np.where(counts[:, k, None], np.tanh(rows[:, t] @ matrix), before)


@shared(_simple_rnn_reference, fastmath=vm.CONTRACTED)
def simple_rnn(
    board: int,
    tasks: int,
    rows: np.ndarray,
    state: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    outputs: np.ndarray,
) -> None:
    """``tanh(row @ matrix)``, step after step.

    Shapes: rows (b, s, u + 1 + f), of which the states before are written; state (b, u), the
    first; panels of (u + 1 + f, u); counts (b, s), in the order steps are taken; outputs (b, s, u),
    in that order, written.
    """
    batch, steps, length = rows.shape
    units = state.shape[1]
    wide = panel_columns(units)
    flat, offsets, places = rows.reshape(-1), np.empty(TOGETHER, np.int64), places_of(wide)
    memory = aligned(TOGETHER * wide)
    sums = memory.reshape(TOGETHER, wide)
    together = together_of(batch, tasks)
    parts = parts_of(batch, tasks)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            first = part * together
            count = find_rows(offsets, first, batch, together, steps * length)
            for k in range(steps):
                t = steps - 1 - k if backwards else k
                for r in range(count):
                    b = first + r
                    if k == 0:
                        for u in range(units):
                            rows[b, t, u] = state[b, u]
                    else:
                        for u in range(units):
                            rows[b, t, u] = outputs[b, k - 1, u]
                multiply_rows(
                    flat, t * length, offsets, count, length, panels, 0, units, memory, 0, places
                )
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            outputs[b, k, u] = vm.tanh(sums[r, u])
                    else:
                        for u in range(units):
                            outputs[b, k, u] = rows[b, t, u]
        task = claim(board, task, tasks)


def _simple_rnn_gradient_reference(
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    outputs: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    units = grad_state.shape[1]
    recurrent, kernel = matrices_of(panels, (units, units), (units, grad_x.shape[2]))
    for k, t in reversed(in_order(outputs.shape[1], backwards)):
        grad_state += grad_outputs[:, k]
        kept = counts[:, k, None]
        slope = 1 - outputs[:, k] * outputs[:, k]
        grad_sums[:, t] = np.where(kept, grad_state * slope, 0)
        grad_state[...] = np.where(kept, grad_sums[:, t] @ recurrent, grad_state)
        grad_x[:, t] = grad_sums[:, t] @ kernel


@shared(_simple_rnn_gradient_reference, fastmath=vm.CONTRACTED)
def simple_rnn_gradient(
    board: int,
    tasks: int,
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    outputs: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Gradients of `simple_rnn`: of the sums before the tanh, and of the input.

    Shapes: grad_outputs and outputs (b, s, u), in the order steps are taken; grad_state (b, u), of
    the last state, becomes that of the first; panels of the transposed kernels, (u, u) and (u, f);
    grad_sums (b, s, u) and grad_x (b, s, f), written.
    """
    batch, steps, units = outputs.shape
    entries = grad_x.shape[2]
    wide = max(panel_columns(units), panel_columns(entries))
    flat, offsets, places = grad_sums.reshape(-1), np.empty(TOGETHER, np.int64), places_of(wide)
    memory = aligned(TOGETHER * wide)
    found = memory.reshape(TOGETHER, wide)
    one = np.float32(1)
    together = together_of(batch, tasks)
    parts = parts_of(batch, tasks)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            first = part * together
            count = find_rows(offsets, first, batch, together, steps * units)
            for k in range(steps - 1, -1, -1):
                t = steps - 1 - k if backwards else k
                for r in range(count):
                    b = first + r
                    for u in range(units):
                        grad_state[b, u] += grad_outputs[b, k, u]
                    if counts[b, k]:
                        for u in range(units):
                            slope = one - outputs[b, k, u] * outputs[b, k, u]
                            grad_sums[b, t, u] = grad_state[b, u] * slope
                    else:
                        for u in range(units):
                            grad_sums[b, t, u] = 0
                panel = multiply_rows(
                    flat, t * units, offsets, count, units, panels, 0, units, memory, 0, places
                )
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            grad_state[b, u] = found[r, u]
                multiply_rows(
                    flat, t * units, offsets, count, units, panels, panel, entries, memory, 0,
                    places,
                )  # fmt: skip
                for r in range(count):
                    for f in range(entries):
                        grad_x[first + r, t, f] = found[r, f]
        task = claim(board, task, tasks)
