"""The way back through one step of the gates of recurrent cells.

b samples, u units. The products with the kernels are left to BLAS; what is here happens to every
unit by itself. `counts` tells for which samples the step counts: the states of the others stay.
The way there is mostly exponentials, in which NumPy is faster.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _lstm_step_gradient_reference(
    gates: np.ndarray,
    carry_before: np.ndarray,
    shown: np.ndarray,
    counts: np.ndarray,
    grad_state: np.ndarray,
    grad_carry: np.ndarray,
    grad_gates: np.ndarray,
) -> None:
    i, f, g, o = np.split(gates, 4, axis=1)
    kept = counts[:, None]
    grad = grad_carry + grad_state * o * (1 - shown * shown)
    parts = [
        grad * g * i * (1 - i),
        grad * carry_before * f * (1 - f),
        grad * i * (1 - g * g),
        grad_state * shown * o * (1 - o),
    ]
    grad_gates[...] = np.where(kept, np.concatenate(parts, axis=1), 0)
    grad_carry[...] = np.where(kept, grad * f, grad_carry)
    grad_state[...] = np.where(kept, 0, grad_state)


@compiled(_lstm_step_gradient_reference)
def lstm_step_gradient(
    gates: np.ndarray,
    carry_before: np.ndarray,
    shown: np.ndarray,
    counts: np.ndarray,
    grad_state: np.ndarray,
    grad_carry: np.ndarray,
    grad_gates: np.ndarray,
) -> None:
    """Gradients of one step of an LSTM.

    Shapes: gates (activated, in the order input, forget, candidate, output) and grad_gates
    (b, 4 u), counts (b,), all others (b, u). `shown` is the tanh of the carry. `grad_gates` is
    written; `grad_carry` and `grad_state` become the gradients of the states before, the latter
    without what comes through the gates.
    """
    batch, units = shown.shape
    one = gates.dtype.type(1)
    for b in range(batch):
        for u in range(units):
            if not counts[b]:
                grad_gates[b, u] = 0
                grad_gates[b, units + u] = 0
                grad_gates[b, 2 * units + u] = 0
                grad_gates[b, 3 * units + u] = 0
                continue
            i = gates[b, u]
            f = gates[b, units + u]
            g = gates[b, 2 * units + u]
            o = gates[b, 3 * units + u]
            tanh = shown[b, u]
            grad = grad_carry[b, u] + grad_state[b, u] * o * (one - tanh * tanh)
            grad_gates[b, u] = grad * g * i * (one - i)
            grad_gates[b, units + u] = grad * carry_before[b, u] * f * (one - f)
            grad_gates[b, 2 * units + u] = grad * i * (one - g * g)
            grad_gates[b, 3 * units + u] = grad_state[b, u] * tanh * o * (one - o)
            grad_carry[b, u] = grad * f
            grad_state[b, u] = 0


def _gru_state_gradient_reference(
    gates: np.ndarray,
    state_before: np.ndarray,
    counts: np.ndarray,
    grad_state: np.ndarray,
    grad_gates: np.ndarray,
) -> None:
    units = state_before.shape[1]
    update, _, candidate = np.split(gates, 3, axis=1)
    kept = counts[:, None]
    grad = np.where(kept, grad_state, 0)
    slope = update * (1 - update)
    grad_gates[:, :units] = np.where(kept, grad * (state_before - candidate) * slope, 0)
    grad_gates[:, 2 * units :] = np.where(
        kept, grad * (1 - update) * (1 - candidate * candidate), 0
    )
    grad_state[...] = np.where(kept, grad_state * update, grad_state)


@compiled(_gru_state_gradient_reference)
def gru_state_gradient(
    gates: np.ndarray,
    state_before: np.ndarray,
    counts: np.ndarray,
    grad_state: np.ndarray,
    grad_gates: np.ndarray,
) -> None:
    """Gradients of how a GRU mixes candidate and state, before the activations.

    Shapes: gates (activated, in the order update, reset, candidate) and grad_gates (b, 3 u), counts
    (b,), all others (b, u). The first and the last block of `grad_gates` are written; `grad_state`
    becomes the gradient of the state before, without what comes through the gates.
    """
    batch, units = state_before.shape
    one = gates.dtype.type(1)
    for b in range(batch):
        for u in range(units):
            if not counts[b]:
                grad_gates[b, u] = 0
                grad_gates[b, 2 * units + u] = 0
                continue
            update = gates[b, u]
            candidate = gates[b, 2 * units + u]
            grad = grad_state[b, u]
            slope = update * (one - update)
            grad_gates[b, u] = grad * (state_before[b, u] - candidate) * slope
            grad_gates[b, 2 * units + u] = grad * (one - update) * (one - candidate * candidate)
            grad_state[b, u] = grad * update


def _gru_reset_gradient_reference(
    gates: np.ndarray,
    reset: np.ndarray,
    counts: np.ndarray,
    grad_product: np.ndarray,
    grad_gates: np.ndarray,
    grad_reset: np.ndarray,
) -> None:
    units = reset.shape[1]
    gate = gates[:, units : 2 * units]
    kept = counts[:, None]
    slope = gate * (1 - gate)
    grad_gates[:, units : 2 * units] = np.where(kept, grad_product * reset * slope, 0)
    grad_reset[...] = np.where(kept, grad_product * gate, 0)


@compiled(_gru_reset_gradient_reference)
def gru_reset_gradient(
    gates: np.ndarray,
    reset: np.ndarray,
    counts: np.ndarray,
    grad_product: np.ndarray,
    grad_gates: np.ndarray,
    grad_reset: np.ndarray,
) -> None:
    """Gradients of what the reset gate of a GRU does, its own before the activation.

    Shapes: gates (activated) and grad_gates (b, 3 u), counts (b,), all others (b, u). The middle
    block of `grad_gates` and `grad_reset` are written.
    """
    batch, units = reset.shape
    one = gates.dtype.type(1)
    for b in range(batch):
        for u in range(units):
            if counts[b]:
                gate = gates[b, units + u]
                slope = gate * (one - gate)
                grad_gates[b, units + u] = grad_product[b, u] * reset[b, u] * slope
                grad_reset[b, u] = grad_product[b, u] * gate
            else:
                grad_gates[b, units + u] = 0
                grad_reset[b, u] = 0
