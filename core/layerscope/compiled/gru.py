"""Gated recurrent units through all steps of a sequence, and back through time."""

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


def _gru_reference(
    rows: np.ndarray,
    state: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    reset_after: bool,
    gates: np.ndarray,
    hidden: np.ndarray,
    outputs: np.ndarray,
) -> None:
    units, length = state.shape[1], rows.shape[2]
    depths = length, length, length - units, units + reset_after
    z, r, of_input, of_state = matrices_of(panels, *[(depth, units) for depth in depths])
    for k, t in in_order(rows.shape[1], backwards):
        before, kept, at = outputs[:, k - 1] if k else state, counts[:, k], t % gates.shape[1]
        rows[:, t, :units] = before
        outputs[:, k] = before
        row = rows[kept, t]
        with np.errstate(over="ignore"):
            update, reset = vm.sigmoid(row @ z), vm.sigmoid(row @ r)
        candidate = row[:, units:] @ of_input
        if reset_after:
            hidden[kept, at] = row[:, : units + 1] @ of_state
            candidate += reset * hidden[kept, at]
        else:
            hidden[kept, at] = reset * row[:, :units]
            candidate += hidden[kept, at] @ of_state
        candidate = np.tanh(candidate)
        gates[kept, at] = np.stack([update, reset, candidate], 1)
        outputs[kept, k] = update * (before[kept] - candidate) + candidate


@shared(_gru_reference, fastmath=vm.CONTRACTED)
def gru(
    board: int,
    tasks: int,
    rows: np.ndarray,
    state: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    reset_after: bool,
    gates: np.ndarray,
    hidden: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Gates and state, step after step.

    Shapes: rows (b, s, u + 1 + f), of which the states before are written; state (b, u), the
    first; panels of two matrices (u + 1 + f, u) for update and reset, of one (1 + f, u) and
    of one (u + 1, u), without `reset_after` (u, u), for input and state of the candidate; counts
    (b, s), in the order steps are taken. Written where a step counts: gates (b, s, 3, u) and
    hidden (b, s, u), what the reset gate multiplies or, without `reset_after`, its product with
    the state; or, if they are not needed later, the same for a single step. Written: outputs
    (b, s, u), in the order steps are taken.
    """
    batch, steps, length = rows.shape
    units = state.shape[1]
    wide = panel_columns(units)
    flat, flat_hidden = rows.reshape(-1), hidden.reshape(-1)
    offsets, hidden_offsets = np.empty(TOGETHER, np.int64), np.empty(TOGETHER, np.int64)
    places, memory = places_of(4 * wide), aligned(TOGETHER * 4 * wide)
    sums = memory.reshape(TOGETHER, 4, wide)
    together = together_of(batch, tasks)
    parts = parts_of(batch, tasks)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            first = part * together
            count = find_rows(offsets, first, batch, together, steps * length)
            find_rows(hidden_offsets, first, batch, together, hidden.shape[1] * units)
            for k in range(steps):
                t = steps - 1 - k if backwards else k
                at = t % gates.shape[1]
                for r in range(count):
                    b = first + r
                    if k == 0:
                        for u in range(units):
                            rows[b, t, u] = state[b, u]
                    else:
                        for u in range(units):
                            rows[b, t, u] = outputs[b, k - 1, u]
                panel = 0
                for gate in range(3):
                    skipped = units if gate == 2 else 0
                    panel = multiply_rows(
                        flat, t * length + skipped, offsets, count, length - skipped, panels, panel,
                        units, memory, gate * wide, places,
                    )  # fmt: skip
                if reset_after:
                    multiply_rows(
                        flat, t * length, offsets, count, units + 1, panels, panel, units,
                        memory, 3 * wide, places,
                    )  # fmt: skip
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            gates[b, at, 0, u] = vm.sigmoid(sums[r, 0, u])
                        for u in range(units):
                            gates[b, at, 1, u] = vm.sigmoid(sums[r, 1, u])
                        if reset_after:
                            for u in range(units):
                                hidden[b, at, u] = sums[r, 3, u]
                            for u in range(units):
                                sums[r, 2, u] += gates[b, at, 1, u] * hidden[b, at, u]
                        else:
                            for u in range(units):
                                hidden[b, at, u] = gates[b, at, 1, u] * rows[b, t, u]
                if not reset_after:
                    # Where a step does not count, what comes out of it is not looked at.
                    multiply_rows(
                        flat_hidden, at * units, hidden_offsets, count, units, panels, panel, units,
                        memory, 3 * wide, places,
                    )  # fmt: skip
                    for r in range(count):
                        for u in range(units):
                            sums[r, 2, u] += sums[r, 3, u]
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            gates[b, at, 2, u] = vm.tanh(sums[r, 2, u])
                        for u in range(units):
                            candidate = gates[b, at, 2, u]
                            kept = gates[b, at, 0, u] * (rows[b, t, u] - candidate)
                            outputs[b, k, u] = kept + candidate
                    else:
                        for u in range(units):
                            outputs[b, k, u] = rows[b, t, u]
        task = claim(board, task, tasks)


def _gru_gradient_reference(
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    rows: np.ndarray,
    gates: np.ndarray,
    hidden: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    reset_after: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    batch, steps, _, units = gates.shape
    before_gates = (3 if reset_after else 2) * units
    shapes = (before_gates, units), (3 * units, grad_x.shape[2]), (units, units)
    recurrent, kernel, *of_state = matrices_of(panels, *shapes[: 2 if reset_after else 3])
    for k, t in reversed(in_order(steps, backwards)):
        grad_state += grad_outputs[:, k]
        kept = counts[:, k]
        update, reset, candidate = gates[kept, t].swapaxes(0, 1)
        before, grad = rows[kept, t, :units], grad_state[kept]
        grad_candidate = grad * (1 - update) * (1 - candidate * candidate)
        grad_update = grad * (before - candidate) * update * (1 - update)
        through = grad * update
        if reset_after:
            grad_hidden, product = grad_candidate * reset, grad_candidate * hidden[kept, t]
        else:
            grad_hidden, product = np.zeros_like(grad), grad_candidate @ of_state[0]
            through += product * reset
            product = product * before
        grad_reset = product * reset * (1 - reset)
        grad_sums[:, t] = 0
        grad_sums[kept, t] = np.stack([grad_hidden, grad_update, grad_reset, grad_candidate], 1)
        sums = grad_sums[:, t].reshape(batch, -1)
        of_gates = sums[:, :before_gates] if reset_after else sums[:, units : 3 * units]
        grad_state[kept] = through + of_gates[kept] @ recurrent
        grad_x[:, t] = sums[:, units:] @ kernel


@shared(_gru_gradient_reference, fastmath=vm.CONTRACTED)
def gru_gradient(
    board: int,
    tasks: int,
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    rows: np.ndarray,
    gates: np.ndarray,
    hidden: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    reset_after: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Gradients of `gru`: of what enters the gates, and of the input.

    Shapes: grad_outputs (b, s, u), in the order steps are taken; grad_state (b, u), of the last
    state, becomes that of the first; rows, gates and hidden are those of `gru`; panels of the
    transposed kernels: of the state for candidate, update and reset (3 u, u), without
    `reset_after` for the last two (2 u, u); of the input for update, reset and candidate
    (3 u, f); and, without `reset_after`, of the state for the candidate (u, u). Written: grad_sums
    (b, s, 4, u) of what the reset gate multiplies (0 without `reset_after`), update, reset and
    candidate; grad_x (b, s, f).
    """
    batch, steps, _, units = gates.shape
    entries = grad_x.shape[2]
    wide = max(panel_columns(units), panel_columns(entries))
    flat, offsets, places = grad_sums.reshape(-1), np.empty(TOGETHER, np.int64), places_of(wide)
    memory = aligned(TOGETHER * wide)
    found = memory.reshape(TOGETHER, wide)
    one, length = np.float32(1), 4 * units
    before_gates, skipped = (3 * units, 0) if reset_after else (2 * units, units)
    last = before_gates * panel_columns(units) + 3 * units * panel_columns(entries)
    together = together_of(batch, tasks)
    parts = parts_of(batch, tasks)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            first = part * together
            count = find_rows(offsets, first, batch, together, steps * length)
            for k in range(steps - 1, -1, -1):
                t = steps - 1 - k if backwards else k
                for r in range(count):
                    b = first + r
                    for u in range(units):
                        grad_state[b, u] += grad_outputs[b, k, u]
                    if counts[b, k]:
                        for u in range(units):
                            candidate = gates[b, t, 2, u]
                            grad = grad_state[b, u] * (one - gates[b, t, 0, u])
                            grad_sums[b, t, 3, u] = grad * (one - candidate * candidate)
                        for u in range(units):
                            gate = gates[b, t, 0, u]
                            grad = grad_state[b, u] * (rows[b, t, u] - gates[b, t, 2, u])
                            grad_sums[b, t, 1, u] = grad * gate * (one - gate)
                        for u in range(units):
                            grad_state[b, u] *= gates[b, t, 0, u]
                    else:
                        for gate in range(4):
                            for u in range(units):
                                grad_sums[b, t, gate, u] = 0
                if not reset_after:
                    multiply_rows(
                        flat, t * length + 3 * units, offsets, count, units, panels, last, units,
                        memory, 0, places,
                    )  # fmt: skip
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        if reset_after:
                            for u in range(units):
                                gate = gates[b, t, 1, u]
                                grad_sums[b, t, 0, u] = grad_sums[b, t, 3, u] * gate
                            for u in range(units):
                                found[r, u] = grad_sums[b, t, 3, u] * hidden[b, t, u]
                        else:
                            for u in range(units):
                                grad_sums[b, t, 0, u] = 0
                            for u in range(units):
                                grad_state[b, u] += found[r, u] * gates[b, t, 1, u]
                            for u in range(units):
                                found[r, u] *= rows[b, t, u]
                        for u in range(units):
                            gate = gates[b, t, 1, u]
                            grad_sums[b, t, 2, u] = found[r, u] * gate * (one - gate)
                panel = multiply_rows(
                    flat, t * length + skipped, offsets, count, before_gates, panels, 0, units,
                    memory, 0, places,
                )  # fmt: skip
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            grad_state[b, u] += found[r, u]
                multiply_rows(
                    flat, t * length + units, offsets, count, 3 * units, panels, panel, entries,
                    memory, 0, places,
                )  # fmt: skip
                for r in range(count):
                    for f in range(entries):
                        grad_x[first + r, t, f] = found[r, f]
        task = claim(board, task, tasks)
