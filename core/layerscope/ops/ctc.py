"""Connectionist temporal classification (Graves et al. 2006).

b samples, t steps, n labels, s = 2 n + 1 states: the labels with a blank before, between and after
them. A path stays in its state, moves to the next, or skips a blank between two different labels.
All probabilities are logarithms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.ops.nn import log_softmax
from layerscope.ops.operation import float_result, operation

Array = Any


def _states(target: Array, mask_index: int) -> tuple[Array, Array]:
    """Return the class of each state, (b, s), and whether a path may skip the state before."""
    states = np.full((len(target), 2 * target.shape[1] + 1), mask_index, np.int64)
    states[:, 1::2] = target
    skips = np.zeros(states.shape, bool)
    skips[:, 3::2] = target[:, 1:] != target[:, :-1]
    return states, skips


def _shifted(values: Array, by: int) -> Array:
    """Return values moved along the states, with impossible ones in their place."""
    out = np.full_like(values, -np.inf)
    if by > 0:
        out[:, by:] = values[:, :-by]
    else:
        out[:, :by] = values[:, -by:]
    return out


def _log_sum(*terms: Array) -> Array:
    return np.logaddexp.reduce(terms)


def _forward(emissions: Array, skips: Array) -> Array:
    """Return the probability of all paths to each state at each step, (b, t, s)."""
    paths = np.full_like(emissions, -np.inf)
    paths[:, 0, :2] = emissions[:, 0, :2]
    for step in range(1, emissions.shape[1]):
        before = paths[:, step - 1]
        skipped = np.where(skips, _shifted(before, 2), -np.inf)
        paths[:, step] = emissions[:, step] + _log_sum(before, _shifted(before, 1), skipped)
    return paths


def _backward(emissions: Array, skips: Array, final: Array, steps: Array) -> Array:
    """Return the probability of all ways to the end from each state after each step, (b, t, s).

    `final` holds 0 at the states a path may end in and minus infinity elsewhere, (b, s).
    """
    ways = np.full_like(emissions, -np.inf)
    for step in reversed(range(emissions.shape[1])):
        last = (steps == step + 1)[:, None]
        if step + 1 < emissions.shape[1]:
            after = ways[:, step + 1] + emissions[:, step + 1]
            skipped = _shifted(np.where(skips, after, -np.inf), -2)
            ways[:, step] = _log_sum(after, _shifted(after, -1), skipped)
        ways[:, step] = np.where(last, final, ways[:, step])
    return ways


def _ctc(target: Array, output: Array, target_length: Array, output_length: Array, blank: int):
    """Return the loss of each sample, (b,), and the gradients of the outputs, (b, t, c)."""
    target, steps = np.asarray(target, np.int64), np.asarray(output_length)
    lengths = np.asarray(target_length)
    log_probabilities = log_softmax.forward(np.asarray(output))
    states, skips = _states(target, blank)
    emissions = np.take_along_axis(log_probabilities, states[:, None, :], axis=2)
    rows, ends = np.arange(len(target)), 2 * lengths
    final = np.full(states.shape, -np.inf, emissions.dtype)
    final[rows, ends] = 0
    final[rows[lengths > 0], ends[lengths > 0] - 1] = 0
    paths = _forward(emissions, skips)
    found = np.logaddexp.reduce(paths[rows, steps - 1] + final, axis=1)
    # Where no alignment fits the loss is infinite and has no gradient.
    with np.errstate(invalid="ignore"):
        joint = paths + _backward(emissions, skips, final, steps) - found[:, None, None]
    classes = states[..., None] == np.arange(log_probabilities.shape[2])
    # How often a path is expected to emit each class at each step.
    expected = np.matmul(np.exp(joint), classes.astype(emissions.dtype))
    valid = np.arange(emissions.shape[1]) < steps[:, None]
    return -found, np.where(valid[..., None], np.exp(log_probabilities) - expected, 0)


def _loss_shape(target: Any, output: Any, *_: Any, **__: Any) -> Any:
    return output[:1]


@operation(_loss_shape, inputs=4, dtype=lambda target, output, *_, **__: float_result(output))
def ctc_loss(
    target: Array, output: Array, target_length: Array, output_length: Array, mask_index: int = 0
) -> Array:
    """Minus the log-probability of label sequences under all alignments with the steps.

    Parameters
    ----------
    target : class numbers, (b, n).
    output : values before the softmax over the classes, (b, t, c).
    target_length : number of labels that count, (b,).
    output_length : number of steps that count, (b,).
    mask_index : number of the blank.

    Returns
    -------
    The loss of each sample, (b,); infinite where no alignment fits.
    """
    return _ctc(target, output, target_length, output_length, mask_index)[0]


@ctc_loss.saving
def _ctc_saving(
    target: Array, output: Array, target_length: Array, output_length: Array, mask_index: int = 0
) -> tuple[Array, Array]:
    return _ctc(target, output, target_length, output_length, mask_index)


@ctc_loss.joint_gradient
def _ctc_gradient(g: Array, out: Array, *inputs: Array, saved: Array, mask_index: int = 0) -> Any:
    return None, g[:, None, None] * saved, None, None
