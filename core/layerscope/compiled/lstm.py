"""Long short-term memory through all steps of a sequence, and back through time."""

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


def _lstm_reference(
    rows: np.ndarray,
    state: np.ndarray,
    carry: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    gates: np.ndarray,
    carries: np.ndarray,
    shown: np.ndarray,
    outputs: np.ndarray,
) -> None:
    units = state.shape[1]
    matrix = np.concatenate(matrices_of(panels, *[(rows.shape[2], units)] * 4), 1)
    for k, t in in_order(rows.shape[1], backwards):
        before, kept, at = outputs[:, k - 1] if k else state, counts[:, k], t % gates.shape[1]
        rows[:, t, :units] = before
        outputs[:, k] = before
        i, f, g, o = np.split(rows[kept, t] @ matrix, 4, 1)
        with np.errstate(over="ignore"):
            i, f, g, o = vm.sigmoid(i), vm.sigmoid(f), np.tanh(g), vm.sigmoid(o)
        carries[kept, at] = carry[kept]
        carry[kept] = f * carry[kept] + i * g
        shown[kept, at] = np.tanh(carry[kept])
        gates[kept, at] = np.stack([i, f, g, o], 1)
        outputs[kept, k] = o * shown[kept, at]


@shared(_lstm_reference, fastmath=vm.CONTRACTED)
def lstm(
    board: int,
    tasks: int,
    rows: np.ndarray,
    state: np.ndarray,
    carry: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    gates: np.ndarray,
    carries: np.ndarray,
    shown: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Gates, carry and state, step after step.

    Shapes: rows (b, s, u + 1 + f), of which the states before are written; state and carry (b, u),
    the first, of which the latter becomes the last; panels of four matrices (u + 1 + f, u), for
    input, forget, candidate and output; counts (b, s), in the order steps are taken. Written where
    a step counts: gates (b, s, 4, u), carries (b, s, u), those before, and shown (b, s, u), the
    tanh of those after; or, if they are not needed later, the same for a single step. Written:
    outputs (b, s, u), in the order steps are taken.
    """
    batch, steps, length = rows.shape
    units = state.shape[1]
    wide = panel_columns(units)
    flat, offsets, places = rows.reshape(-1), np.empty(TOGETHER, np.int64), places_of(4 * wide)
    memory = aligned(TOGETHER * 4 * wide)
    sums = memory.reshape(TOGETHER, 4, wide)
    together = together_of(batch, tasks)
    parts = parts_of(batch, tasks)
    task = claim(board, -1, tasks)
    while task >= 0:
        for part in range(start(parts, task, tasks), start(parts, task + 1, tasks)):
            first = part * together
            count = find_rows(offsets, first, batch, together, steps * length)
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
                for gate in range(4):
                    panel = multiply_rows(
                        flat, t * length, offsets, count, length, panels, panel, units,
                        memory, gate * wide, places,
                    )  # fmt: skip
                # Many short loops: LLVM makes vectors of those that touch few arrays.
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            gates[b, at, 0, u] = vm.sigmoid(sums[r, 0, u])
                        for u in range(units):
                            gates[b, at, 1, u] = vm.sigmoid(sums[r, 1, u])
                        for u in range(units):
                            gates[b, at, 2, u] = vm.tanh(sums[r, 2, u])
                        for u in range(units):
                            gates[b, at, 3, u] = vm.sigmoid(sums[r, 3, u])
                        for u in range(units):
                            carries[b, at, u] = carry[b, u]
                        for u in range(units):
                            fresh = gates[b, at, 0, u] * gates[b, at, 2, u]
                            carry[b, u] = gates[b, at, 1, u] * carry[b, u] + fresh
                        for u in range(units):
                            shown[b, at, u] = vm.tanh(carry[b, u])
                        for u in range(units):
                            outputs[b, k, u] = gates[b, at, 3, u] * shown[b, at, u]
                    else:
                        for u in range(units):
                            outputs[b, k, u] = rows[b, t, u]
        task = claim(board, task, tasks)


def _lstm_gradient_reference(
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    grad_carry: np.ndarray,
    gates: np.ndarray,
    carries: np.ndarray,
    shown: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    batch, steps, _, units = gates.shape
    recurrent, kernel = matrices_of(panels, (4 * units, units), (4 * units, grad_x.shape[2]))
    for k, t in reversed(in_order(steps, backwards)):
        grad_state += grad_outputs[:, k]
        kept = counts[:, k]
        i, f, g, o = gates[kept, t].swapaxes(0, 1)
        above, tanh = grad_state[kept], shown[kept, t]
        grad = grad_carry[kept] + above * o * (1 - tanh * tanh)
        parts = [
            grad * g * i * (1 - i),
            grad * carries[kept, t] * f * (1 - f),
            grad * i * (1 - g * g),
            above * tanh * o * (1 - o),
        ]
        grad_sums[:, t] = 0
        grad_sums[kept, t] = np.stack(parts, 1)
        grad_carry[kept] = grad * f
        sums = grad_sums[:, t].reshape(batch, -1)
        grad_state[kept] = sums[kept] @ recurrent
        grad_x[:, t] = sums @ kernel


@shared(_lstm_gradient_reference, fastmath=vm.CONTRACTED)
def lstm_gradient(
    board: int,
    tasks: int,
    grad_outputs: np.ndarray,
    grad_state: np.ndarray,
    grad_carry: np.ndarray,
    gates: np.ndarray,
    carries: np.ndarray,
    shown: np.ndarray,
    panels: np.ndarray,
    counts: np.ndarray,
    backwards: bool,
    grad_sums: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Gradients of `lstm`: of the gates before their activations, and of the input.

    Shapes: grad_outputs (b, s, u), in the order steps are taken; grad_state and grad_carry (b, u),
    of the last, become those of the first; gates, carries and shown are those of `lstm`; panels
    of the transposed kernels, (4 u, u) and (4 u, f); grad_sums (b, s, 4, u) and grad_x (b, s, f),
    written.
    """
    batch, steps, _, units = gates.shape
    entries = grad_x.shape[2]
    wide = max(panel_columns(units), panel_columns(entries))
    flat, offsets, places = grad_sums.reshape(-1), np.empty(TOGETHER, np.int64), places_of(wide)
    memory = aligned(TOGETHER * wide)
    found = memory.reshape(TOGETHER, wide)
    one, length = np.float32(1), 4 * units
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
                            slope = one - shown[b, t, u] * shown[b, t, u]
                            grad_carry[b, u] += grad_state[b, u] * gates[b, t, 3, u] * slope
                        for u in range(units):
                            gate = gates[b, t, 0, u]
                            grad = grad_carry[b, u] * gates[b, t, 2, u]
                            grad_sums[b, t, 0, u] = grad * gate * (one - gate)
                        for u in range(units):
                            gate = gates[b, t, 1, u]
                            grad = grad_carry[b, u] * carries[b, t, u]
                            grad_sums[b, t, 1, u] = grad * gate * (one - gate)
                        for u in range(units):
                            gate = gates[b, t, 2, u]
                            grad = grad_carry[b, u] * gates[b, t, 0, u]
                            grad_sums[b, t, 2, u] = grad * (one - gate * gate)
                        for u in range(units):
                            gate = gates[b, t, 3, u]
                            grad = grad_state[b, u] * shown[b, t, u]
                            grad_sums[b, t, 3, u] = grad * gate * (one - gate)
                        for u in range(units):
                            grad_carry[b, u] *= gates[b, t, 1, u]
                    else:
                        for gate in range(4):
                            for u in range(units):
                                grad_sums[b, t, gate, u] = 0
                panel = multiply_rows(
                    flat, t * length, offsets, count, length, panels, 0, units, memory, 0, places
                )
                for r in range(count):
                    b = first + r
                    if counts[b, k]:
                        for u in range(units):
                            grad_state[b, u] = found[r, u]
                multiply_rows(
                    flat, t * length, offsets, count, length, panels, panel, entries, memory, 0,
                    places,
                )  # fmt: skip
                for r in range(count):
                    for f in range(entries):
                        grad_x[first + r, t, f] = found[r, f]
        task = claim(board, task, tasks)
