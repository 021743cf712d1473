"""Recurrent networks over all steps of a sequence at once.

The input is multiplied by its kernel for all steps in one product; only the state's product and
the gates are computed step by step. Going back, the gradients of both kernels are one product each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerscope.compiled import recurrent as compiled_recurrent
from layerscope.ops import shapes
from layerscope.ops.operation import operation
from layerscope.tensor import Shape

Array = Any


class _Saved(NamedTuple):
    """What the way back needs of the way there, steps first.

    Attributes
    ----------
    x : input, (steps, batch, features).
    counts : whether each step of each sample counts, (steps, batch).
    states : states before the first step and after each, (steps + 1, batch, units).
    gates : activations of the gates, (steps, batch, blocks * units).
    further : what only one kind of cell has.
    """

    x: Array
    counts: Array
    states: Array
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


def _steps_first(x: Array, dtype: Any, go_backwards: bool) -> Array:
    steps = x[:, ::-1] if go_backwards else x
    return np.ascontiguousarray(steps.swapaxes(0, 1), dtype)


def _samples_first(steps: Array, go_backwards: bool = False) -> Array:
    return np.array((steps[::-1] if go_backwards else steps).swapaxes(0, 1), order="C")


def _counts(mask: Array | None, x: Array) -> Array:
    """Whether each step counts, steps first."""
    if mask is None:
        return np.ones((x.shape[1], x.shape[0]), bool)
    return np.ascontiguousarray(np.asarray(mask, bool).T)


def _states_from(first: Array, steps: int, dtype: Any) -> Array:
    """Room for the states before and after each step, the first filled in."""
    states = np.empty((steps + 1, *first.shape), dtype)
    states[0] = first
    return states


def _input_gradients(
    saved: _Saved, kernel: Array, grad_gates: Array, go_backwards: bool
) -> tuple[Array, Array, Array]:
    """Gradients of the input, of its kernel, and of a bias added to their product."""
    rows = grad_gates.reshape(-1, grad_gates.shape[-1])
    x = saved.x.reshape(-1, saved.x.shape[-1])
    grad_x = (rows @ kernel.T).reshape(saved.x.shape)
    return _samples_first(grad_x, go_backwards), x.T @ rows, rows.sum(0)


def _activate(gates: Array) -> None:
    """Replace values by their sigmoids."""
    np.negative(gates, out=gates)
    np.exp(gates, out=gates)
    gates += 1
    np.reciprocal(gates, out=gates)


def _keep(states: Array, index: int, counts: Array) -> None:
    """Undo a step for the samples for which it does not count."""
    np.copyto(states[index + 1], states[index], where=~counts[index, :, None])


def _rows(steps: Array) -> Array:
    return steps.reshape(-1, steps.shape[-1])


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
    steps = _steps_first(x, kernel.dtype, go_backwards)
    gates = steps @ kernel + bias
    counts = _counts(mask, x)
    states = _states_from(state, len(steps), kernel.dtype)
    for index, gate in enumerate(gates):
        gate += states[index] @ recurrent_kernel
        np.tanh(gate, out=gate)
        states[index + 1] = gate
        if mask is not None:
            _keep(states, index, counts)
    saved = _Saved(steps, counts, states, gates)
    return (_samples_first(states[1:]), states[-1].copy()), saved


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
    grad_outputs = _steps_first(grads[0], kernel.dtype, go_backwards=False)
    grad_state = np.array(grads[1], kernel.dtype)
    grad_gates = np.empty_like(saved.gates)
    for index in reversed(range(len(saved.x))):
        grad_state += grad_outputs[index]
        counts, gate = saved.counts[index, :, None], saved.gates[index]
        grad_gates[index] = np.where(counts, grad_state * (1 - gate * gate), 0)
        grad_state = np.where(counts, 0, grad_state) + grad_gates[index] @ recurrent_kernel.T
    grad_recurrent = _rows(saved.states[:-1]).T @ _rows(grad_gates)
    grad_x, grad_kernel, grad_bias = _input_gradients(saved, kernel, grad_gates, go_backwards)
    return grad_x, grad_kernel, grad_recurrent, grad_bias, grad_state


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
    return _lstm(x, kernel, recurrent_kernel, bias, state, carry, mask, go_backwards)[0]


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
) -> tuple[tuple[Array, Array, Array], _Saved]:
    _lstm_shape(x.shape, kernel.shape, recurrent_kernel.shape, bias.shape, state.shape, carry.shape)
    steps = _steps_first(x, kernel.dtype, go_backwards)
    gates = steps @ kernel + bias
    counts = _counts(mask, x)
    states = _states_from(state, len(steps), kernel.dtype)
    carries = _states_from(carry, len(steps), kernel.dtype)
    shown = np.empty_like(carries[1:])
    # Where an exponential overflows its gate is 0, as it should be.
    with np.errstate(over="ignore"):
        for index, gate in enumerate(gates):
            gate += states[index] @ recurrent_kernel
            i, f, g, o = np.split(gate, 4, axis=1)
            candidate = np.tanh(g)
            _activate(gate)
            g[...] = candidate
            np.multiply(f, carries[index], out=carries[index + 1])
            carries[index + 1] += i * g
            np.tanh(carries[index + 1], out=shown[index])
            np.multiply(o, shown[index], out=states[index + 1])
            if mask is not None:
                _keep(states, index, counts)
                _keep(carries, index, counts)
    outs = _samples_first(states[1:]), states[-1].copy(), carries[-1].copy()
    return outs, _Saved(steps, counts, states, gates, (carries, shown))


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
    grad_outputs = _steps_first(grads[0], kernel.dtype, go_backwards=False)
    grad_state, grad_carry = (np.array(grad, kernel.dtype, order="C") for grad in grads[1:])
    grad_gates = np.empty_like(saved.gates)
    carries, shown = saved.further
    for index in reversed(range(len(saved.x))):
        grad_state += grad_outputs[index]
        compiled_recurrent.lstm_step_gradient(
            saved.gates[index],
            carries[index],
            shown[index],
            saved.counts[index],
            grad_state,
            grad_carry,
            grad_gates[index],
        )
        grad_state += grad_gates[index] @ recurrent_kernel.T
    grad_recurrent = _rows(saved.states[:-1]).T @ _rows(grad_gates)
    grad_x, grad_kernel, grad_bias = _input_gradients(saved, kernel, grad_gates, go_backwards)
    return grad_x, grad_kernel, grad_recurrent, grad_bias, grad_state, grad_carry


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
    return _gru(x, kernel, recurrent_kernel, bias, state, mask, go_backwards, reset_after)[0]


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
) -> tuple[tuple[Array, Array], _Saved]:
    _gru_shape(x.shape, kernel.shape, recurrent_kernel.shape, bias.shape, state.shape)
    units = recurrent_kernel.shape[0]
    steps = _steps_first(x, kernel.dtype, go_backwards)
    gates = steps @ kernel + (bias[0] if reset_after else bias)
    counts = _counts(mask, x)
    states = _states_from(state, len(steps), kernel.dtype)
    # What the reset gate multiplies at each step, and the product.
    resets, products = np.empty_like(states[1:]), np.empty_like(states[1:])
    first, last = recurrent_kernel[:, : 2 * units], recurrent_kernel[:, 2 * units :]
    with np.errstate(over="ignore"):
        for index, gate in enumerate(gates):
            both, (z, r, candidate) = gate[:, : 2 * units], np.split(gate, 3, axis=1)
            if reset_after:
                hidden = states[index] @ recurrent_kernel + bias[1]
                both += hidden[:, : 2 * units]
                resets[index] = hidden[:, 2 * units :]
            else:
                both += states[index] @ first
                resets[index] = states[index]
            _activate(both)
            product = np.multiply(r, resets[index], out=products[index])
            candidate += product if reset_after else product @ last
            np.tanh(candidate, out=candidate)
            # z * state + (1 - z) * candidate
            fresh = np.subtract(states[index], candidate, out=states[index + 1])
            fresh *= z
            fresh += candidate
            if mask is not None:
                _keep(states, index, counts)
    saved = _Saved(steps, counts, states, gates, (resets, products))
    return (_samples_first(states[1:]), states[-1].copy()), saved


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
    units = recurrent_kernel.shape[0]
    resets, products = saved.further
    grad_outputs = _steps_first(grads[0], kernel.dtype, go_backwards=False)
    grad_state = np.array(grads[1], kernel.dtype, order="C")
    grad_gates, grad_resets = np.empty_like(saved.gates), np.empty_like(resets)
    first, last = recurrent_kernel[:, : 2 * units], recurrent_kernel[:, 2 * units :]
    for index in reversed(range(len(saved.x))):
        grad_gate, grad_reset = grad_gates[index], grad_resets[index]
        grad_state += grad_outputs[index]
        gate, counts = saved.gates[index], saved.counts[index]
        compiled_recurrent.gru_state_gradient(
            gate, saved.states[index], counts, grad_state, grad_gate
        )
        grad_product = grad_gate[:, 2 * units :]
        grad_product = grad_product.copy() if reset_after else grad_product @ last.T
        compiled_recurrent.gru_reset_gradient(
            gate, resets[index], counts, grad_product, grad_gate, grad_reset
        )
        grad_state += grad_gate[:, : 2 * units] @ first.T
        grad_state += grad_reset @ last.T if reset_after else grad_reset
    grad_x, grad_kernel, grad_bias = _input_gradients(saved, kernel, grad_gates, go_backwards)
    both, before = _rows(grad_gates)[:, : 2 * units], _rows(saved.states[:-1])
    if reset_after:
        grad_hidden = np.concatenate([both, _rows(grad_resets)], axis=1)
        grad_bias = np.stack([grad_bias, grad_hidden.sum(0)])
        return grad_x, grad_kernel, before.T @ grad_hidden, grad_bias, grad_state
    grad_last = _rows(products).T @ _rows(grad_gates)[:, 2 * units :]
    grad_recurrent = np.concatenate([before.T @ both, grad_last], axis=1)
    return grad_x, grad_kernel, grad_recurrent, grad_bias, grad_state
