"""Recurrent networks over all steps of a sequence at once.

A step multiplies rows (state, 1, input) with the kernels and the bias as one matrix; going back,
the gradients of all three are one product of all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from layerscope.compiled import gru as gru_loops
from layerscope.compiled import lstm as lstm_loops
from layerscope.compiled import products, room
from layerscope.compiled import recurrent as recurrent_loops
from layerscope.compiled import simple_rnn as simple_rnn_loops
from layerscope.config import num_threads
from layerscope.ops import shapes
from layerscope.ops.operation import operation
from layerscope.ops.product import matrix_product
from layerscope.tensor import Shape

Array = Any

#: Multiplications from which on threads share them: fewer are done sooner by one.
_WORTH_SHARING = 1 << 18
#: Panels of fewer entries are looked up, which takes less time than to lay them out.
_FEW = 1 << 13


class _Saved(NamedTuple):
    """What the way back needs of the way there.

    Attributes
    ----------
    rows : state before each step, 1 and input, in the input's order, (batch, steps, length).
    counts : whether each step of each sample counts, in the order they are taken, (batch, steps).
    gates : activations of the gates, (batch, steps, gates, units).
    further : what only one kind of cell has.
    """

    rows: Array
    counts: Array
    gates: Array
    further: Any = None


def _check(
    name: str, blocks: int, x: Shape, kernel: Shape, recurrent: Shape, *states: Shape
) -> None:
    """Raise if the shapes of a recurrent operation do not fit together.

    Raises
    ------
    ShapeError
        With what was expected and what came.
    """
    units = recurrent[0]
    fits = (
        len(x) == 3
        and recurrent == (units, blocks * (units or 0))
        and x[-1] in (None, kernel[0])
        and kernel[1:] == recurrent[1:]
        and all(len(one) == 2 and one[1] == units for one in states)
        and all(None in (one[0], x[0]) or one[0] == x[0] for one in states)
    )
    if not fits:
        times = f"{blocks} " if blocks > 1 else ""
        raise shapes.ShapeError(
            f"`{name}` takes an input (batch, steps, features), kernels (features, {times}units) "
            f"and (units, {times}units), and states (batch, units). Received shapes {x}, {kernel}, "
            f"{recurrent}, {', '.join(map(str, states))}."
        )


def _results(x: Shape, states: tuple[Shape, ...]) -> list[Shape]:
    units = states[0][-1]
    return [(x[0], x[1], units), *((x[0], units) for _ in states)]


def _rows(x: Array, units: int, dtype: Any) -> Array:
    """Return room for the states, 1 and the input of each step, side by side."""
    rows = room.empty((*x.shape[:2], units + 1 + x.shape[2]), dtype)
    rows[:, :, units] = 1
    rows[:, :, units + 1 :] = x
    return rows


def _stacked(recurrent_kernel: Array, bias: Array, kernel: Array) -> Array:
    """Return the matrix that rows are multiplied with."""
    return np.concatenate([recurrent_kernel, bias[None], kernel])


def _gates(matrix: Array, units: int) -> Array:
    """Return the columns of each gate as a matrix of its own."""
    return matrix.reshape(len(matrix), -1, units).swapaxes(0, 1)


def _panels(layout: Callable[..., Array], *parts: Array) -> Array:
    """Return the panels that `layout` makes of some arrays."""
    if sum(part.size for part in parts) > _FEW:
        return layout(*parts)
    nothing = np.zeros(1, parts[0].dtype)
    flat = np.concatenate([nothing, *[part.reshape(-1) for part in parts]])
    return flat.take(_places(layout, tuple([part.shape for part in parts])))


@lru_cache(maxsize=256)
def _places(layout: Callable[..., Array], given: tuple[tuple[int, ...], ...]) -> Array:
    """Return for each entry of the panels which one of all arrays it is, from 1 on; 0 for none."""
    parts, first = [], 1
    for shape in given:
        size = math.prod(shape)
        parts.append(np.arange(first, first + size, dtype=np.float32).reshape(shape))
        first += size
    return layout(*parts).astype(np.int64)


def _transposed_panels(recurrent_kernel: Array, kernel: Array) -> Array:
    """Return what leads gradients back to state and input."""
    return products.panels_of(recurrent_kernel.T, kernel.T)


def _counts(mask: Array | None, x: Array) -> Array:
    """Whether each step counts.

    Raises
    ------
    ShapeError
        If the mask does not say so of each step of each sample.
    """
    if mask is None:
        return np.ones(x.shape[:2], bool)
    counts = np.ascontiguousarray(mask, bool)
    if counts.shape != x.shape[:2]:
        raise shapes.ShapeError(
            f"Argument `mask` must be of shape (batch, steps) = {x.shape[:2]}. "
            f"Received: mask.shape={counts.shape}"
        )
    return counts


def _owned(x: Array, dtype: Any) -> Array:
    return np.array(x, dtype, order="C")


def _run(loop: Any, entries: int, rows: Array, *arguments: Any) -> None:
    """Run a loop over all steps; its reference, where the loop has no single precision.

    At each step a row of every sample is multiplied with panels of so many entries.
    """
    if rows.dtype != np.float32 and hasattr(loop, "reference"):
        loop.reference(rows, *arguments)
        return
    samples, steps, _ = rows.shape
    shared = entries * samples * steps >= _WORTH_SHARING
    tasks = recurrent_loops.tasks_of(samples, num_threads()) if shared else 1
    loop(tasks, rows, *arguments)


def _kernel_gradients(rows: Array, grad_sums: Array) -> Array:
    """Return the gradient of the matrix that rows were multiplied with."""
    length = rows.shape[-1]
    flat = grad_sums.reshape(len(rows) * rows.shape[1], -1)
    return matrix_product(rows.reshape(-1, length).T, flat)


# --- simple ---------------------------------------------------------------------------------


def _simple_rnn_shape(
    x: Shape, kernel: Shape, recurrent_kernel: Shape, bias: Shape, state: Shape, **_: Any
) -> list[Shape]:
    _check("simple_rnn", 1, x, kernel, recurrent_kernel, state)
    return _results(x, (state,))


@operation(_simple_rnn_shape, inputs=5)
def simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
) -> tuple[Array, Array]:
    """``tanh(x @ kernel + bias + state @ recurrent_kernel)``, step after step.

    Parameters
    ----------
    x : (batch, steps, features).
    state : before the first step, (batch, units).
    mask : which steps count, (batch, steps) in the order they are taken; the state of the others
        stays.
    go_backwards : whether the last step is taken first.

    Returns
    -------
    The state after each step, in the order they are taken, and after the last.
    """
    return _simple_rnn(x, kernel, recurrent_kernel, bias, state, mask, go_backwards)[0]


@simple_rnn.saving
def _simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
) -> tuple[tuple[Array, Array], _Saved]:
    _simple_rnn_shape(x.shape, kernel.shape, recurrent_kernel.shape, bias.shape, state.shape)
    rows, counts = _rows(x, len(recurrent_kernel), kernel.dtype), _counts(mask, x)
    panels = _panels(_simple_rnn_panels, recurrent_kernel, bias, kernel)
    outputs = room.empty((*x.shape[:2], len(recurrent_kernel)), kernel.dtype)
    first = _owned(state, kernel.dtype)
    loop = simple_rnn_loops.simple_rnn
    _run(loop, panels.size, rows, first, panels, counts, go_backwards, outputs)
    return (outputs, outputs[:, -1].copy()), _Saved(rows, counts, outputs)


def _simple_rnn_panels(recurrent_kernel: Array, bias: Array, kernel: Array) -> Array:
    return products.panels_of(_stacked(recurrent_kernel, bias, kernel))


@simple_rnn.joint_gradient
def _simple_rnn_gradient(
    grads: list[Array],
    outs: list[Array],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    *,
    saved: _Saved,
) -> tuple[Array, ...]:
    grad_outputs, grad_state = (_owned(grad, kernel.dtype) for grad in grads)
    grad_sums = room.empty_like(saved.gates)
    grad_x = room.empty(x.shape, kernel.dtype)
    panels = _panels(_transposed_panels, recurrent_kernel, kernel)
    _run(
        simple_rnn_loops.simple_rnn_gradient,
        panels.size,
        grad_outputs,
        grad_state,
        saved.gates,
        panels,
        saved.counts,
        go_backwards,
        grad_sums,
        grad_x,
    )
    total, units = _kernel_gradients(saved.rows, grad_sums), len(recurrent_kernel)
    return grad_x, total[units + 1 :], total[:units], total[units], grad_state


# --- long short-term memory -----------------------------------------------------------------


def _lstm_shape(
    x: Shape,
    kernel: Shape,
    recurrent_kernel: Shape,
    bias: Shape,
    state: Shape,
    carry: Shape,
    **_: Any,
) -> list[Shape]:
    _check("lstm", 4, x, kernel, recurrent_kernel, state, carry)
    return _results(x, (state, carry))


@operation(_lstm_shape, inputs=6)
def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    carry: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
) -> tuple[Array, Array, Array]:
    """Long short-term memory with the gates input, forget, candidate and output.

    Parameters
    ----------
    x : (batch, steps, features).
    kernel, recurrent_kernel, bias : (features, 4 units), (units, 4 units) and (4 units,).
    state, carry : before the first step, (batch, units).
    mask : which steps count, (batch, steps) in the order they are taken; the states of the others
        stay.
    go_backwards : whether the last step is taken first.

    Returns
    -------
    The state after each step, in the order they are taken; state and carry after the last.
    """
    arguments = x, kernel, recurrent_kernel, bias, state, carry, mask, go_backwards
    return _lstm(*arguments, recorded=False)[0]


@lstm.saving
def _lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    carry: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    recorded: bool = True,
) -> tuple[tuple[Array, Array, Array], _Saved]:
    _lstm_shape(x.shape, kernel.shape, recurrent_kernel.shape, bias.shape, state.shape, carry.shape)
    (batch, steps, _), units, dtype = x.shape, len(recurrent_kernel), kernel.dtype
    rows, counts = _rows(x, units, dtype), _counts(mask, x)
    panels = _panels(_lstm_panels, recurrent_kernel, bias, kernel)
    kept = steps if recorded else min(steps, 1)
    gates = room.empty((batch, kept, 4, units), dtype)
    carries, shown = np.empty((2, batch, kept, units), dtype)
    outputs = room.empty((batch, steps, units), dtype)
    first, carry = _owned(state, dtype), _owned(carry, dtype)
    _run(
        lstm_loops.lstm,
        panels.size,
        rows,
        first,
        carry,
        panels,
        counts,
        go_backwards,
        gates,
        carries,
        shown,
        outputs,
    )
    outs = outputs, outputs[:, -1].copy(), carry
    return outs, _Saved(rows, counts, gates, (carries, shown))


def _lstm_panels(recurrent_kernel: Array, bias: Array, kernel: Array) -> Array:
    """Return the matrix of each gate."""
    matrix = _stacked(recurrent_kernel, bias, kernel)
    return products.panels_of(_gates(matrix, len(recurrent_kernel)))


@lstm.joint_gradient
def _lstm_gradient(
    grads: list[Array],
    outs: list[Array],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    carry: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    *,
    saved: _Saved,
) -> tuple[Array, ...]:
    grad_outputs, grad_state, grad_carry = (_owned(grad, kernel.dtype) for grad in grads)
    grad_sums = room.empty_like(saved.gates)
    grad_x = room.empty(x.shape, kernel.dtype)
    panels = _panels(_transposed_panels, recurrent_kernel, kernel)
    carries, shown = saved.further
    _run(
        lstm_loops.lstm_gradient,
        panels.size,
        grad_outputs,
        grad_state,
        grad_carry,
        saved.gates,
        carries,
        shown,
        panels,
        saved.counts,
        go_backwards,
        grad_sums,
        grad_x,
    )
    total, units = _kernel_gradients(saved.rows, grad_sums), len(recurrent_kernel)
    return grad_x, total[units + 1 :], total[:units], total[units], grad_state, grad_carry


# --- gated recurrent unit -------------------------------------------------------------------


def _gru_shape(
    x: Shape, kernel: Shape, recurrent_kernel: Shape, bias: Shape, state: Shape, **_: Any
) -> list[Shape]:
    _check("gru", 3, x, kernel, recurrent_kernel, state)
    return _results(x, (state,))


@operation(_gru_shape, inputs=5)
def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    reset_after: bool = True,
) -> tuple[Array, Array]:
    """Gated recurrent unit with an update gate, a reset gate and a candidate.

    Parameters
    ----------
    x : (batch, steps, features).
    kernel, recurrent_kernel : (features, 3 units) and (units, 3 units).
    bias : (2, 3 units), for the input and for the state, or (3 units,) without `reset_after`.
    state : before the first step, (batch, units).
    mask : which steps count, (batch, steps) in the order they are taken; the state of the others
        stays.
    go_backwards : whether the last step is taken first.
    reset_after : whether the reset gate multiplies the state after the recurrent kernel did.

    Returns
    -------
    The state after each step, in the order they are taken, and after the last.
    """
    arguments = x, kernel, recurrent_kernel, bias, state, mask, go_backwards, reset_after
    return _gru(*arguments, recorded=False)[0]


@gru.saving
def _gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    reset_after: bool = True,
    recorded: bool = True,
) -> tuple[tuple[Array, Array], _Saved]:
    _gru_shape(x.shape, kernel.shape, recurrent_kernel.shape, bias.shape, state.shape)
    (batch, steps, _), units, dtype = x.shape, len(recurrent_kernel), kernel.dtype
    rows, counts = _rows(x, units, dtype), _counts(mask, x)
    kept = steps if recorded else min(steps, 1)
    gates = room.empty((batch, kept, 3, units), dtype)
    # Where a step does not count, a gradient of 0 is multiplied with it.
    hidden = np.zeros((batch, kept, units), dtype)
    outputs = room.empty((batch, steps, units), dtype)
    if reset_after:
        of_input, of_state = bias
        biases = of_input + of_state, of_input, of_state
        panels = _panels(_panels_to_reset_after, recurrent_kernel, *biases, kernel)
    else:
        panels = _panels(_panels_to_reset_before, recurrent_kernel, bias, kernel)
    _run(
        gru_loops.gru,
        panels.size,
        rows,
        _owned(state, dtype),
        panels,
        counts,
        go_backwards,
        reset_after,
        gates,
        hidden,
        outputs,
    )
    return (outputs, outputs[:, -1].copy()), _Saved(rows, counts, gates, hidden)


def _gru_matrices(
    recurrent_kernel: Array, of_gates: Array, of_candidate: Array, kernel: Array
) -> tuple[Array, Array, Array]:
    """Return the matrices for update and reset, and the candidate's input and state."""
    units = len(recurrent_kernel)
    gates = _stacked(recurrent_kernel, of_gates, kernel)[:, : 2 * units]
    candidate = np.concatenate([of_candidate[None], kernel])[:, 2 * units :]
    return _gates(gates, units), candidate, recurrent_kernel[:, 2 * units :]


def _panels_to_reset_after(
    recurrent_kernel: Array, of_both: Array, of_input: Array, of_state: Array, kernel: Array
) -> Array:
    gates, candidate, hidden = _gru_matrices(recurrent_kernel, of_both, of_input, kernel)
    of_hidden = of_state[None, 2 * len(recurrent_kernel) :]
    return products.panels_of(gates, candidate, np.concatenate([hidden, of_hidden]))


def _panels_to_reset_before(recurrent_kernel: Array, bias: Array, kernel: Array) -> Array:
    return products.panels_of(*_gru_matrices(recurrent_kernel, bias, bias, kernel))


@gru.joint_gradient
def _gru_gradient(
    grads: list[Array],
    outs: list[Array],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    state: Array,
    mask: Array | None = None,
    go_backwards: bool = False,
    reset_after: bool = True,
    *,
    saved: _Saved,
) -> tuple[Array, ...]:
    units = len(recurrent_kernel)
    grad_outputs, grad_state = (_owned(grad, kernel.dtype) for grad in grads)
    grad_sums = room.empty((*x.shape[:2], 4, units), kernel.dtype)
    grad_x = room.empty(x.shape, kernel.dtype)
    layout = _transposed_to_reset_after if reset_after else _transposed_to_reset_before
    panels = _panels(layout, recurrent_kernel, kernel)
    _run(
        gru_loops.gru_gradient,
        panels.size,
        grad_outputs,
        grad_state,
        saved.rows,
        saved.gates,
        saved.further,
        panels,
        saved.counts,
        go_backwards,
        reset_after,
        grad_sums,
        grad_x,
    )
    # What the reset gate multiplies, update, reset, candidate.
    total = _kernel_gradients(saved.rows, grad_sums)
    grad_kernel, of_input, gates = total[units + 1 :, units:], total[units, units:], total[:units]
    if reset_after:
        grad_recurrent = np.concatenate([gates[:, units : 3 * units], gates[:, :units]], 1)
        of_state = np.concatenate([of_input[: 2 * units], total[units, :units]])
        return grad_x, grad_kernel, grad_recurrent, np.stack([of_input, of_state]), grad_state
    grad_last = _kernel_gradients(saved.further, grad_sums[:, :, 3])
    grad_recurrent = np.concatenate([gates[:, units : 3 * units], grad_last], 1)
    return grad_x, grad_kernel, grad_recurrent, of_input, grad_state


def _transposed_to_reset_after(recurrent_kernel: Array, kernel: Array) -> Array:
    """Return what leads gradients back to state and input."""
    both = 2 * len(recurrent_kernel)
    gates, candidate = recurrent_kernel[:, :both].T, recurrent_kernel[:, both:].T
    return products.panels_of(np.concatenate([candidate, gates]), kernel.T)


def _transposed_to_reset_before(recurrent_kernel: Array, kernel: Array) -> Array:
    """Return what leads gradients back to state and input, and to the product with the state."""
    both = 2 * len(recurrent_kernel)
    gates, candidate = recurrent_kernel[:, :both].T, recurrent_kernel[:, both:].T
    return products.panels_of(gates, kernel.T, candidate)
