"""Recurrent layers: the last step of a cell, gate by gate, with the states it began with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerscope import layers, ops
from layerscope.masks import get_keras_mask
from layerscope.plain_data import is_built_in
from layerscope_explorer.catalogue import is_cell
from layerscope_explorer.derivation.entry import Entry, array_of
from layerscope_explorer.derivation.records import Derivation, Line

__all__ = ["as_recurrence"]

Array = NDArray[Any]


def as_recurrence(entry: Entry) -> Derivation | None:
    """Return an entry by the gates of the step that made it."""
    layer = entry.layer
    if is_cell(type(layer)):
        cell, steps, index = layer, [entry.inputs[0]], entry.index
    else:
        cell = layer.cell
        steps, index = _steps(entry)
    if not steps or not all(is_built_in(type(one)) for one in layer._flatten_layers()):
        return None
    states = _states(layer.get_initial_state(1))
    for inputs in steps[:-1]:
        _, states = cell.call(inputs[None], states)
        states = _states(states)
    last: Any = steps[-1][None]
    while isinstance(cell, layers.StackedRNNCells):
        # Every cell but the last only makes the input of the next.
        for one, own in zip(cell.cells[:-1], states, strict=False):
            last, _ = one.call(last, _states(own))
        cell, states = cell.cells[-1], _states(states[-1])
    lines = _lines(cell, last, [array_of(one) for one in states], index)
    if lines is None:
        return None
    taken = Line("step", float(len(steps)), {}, {"step": str(len(steps))})
    result = lines[-1].value
    shown = (taken, *lines) if len(steps) > 1 else tuple(lines)
    return Derivation("recurrent", result, lines=shown, slopes=entry.slopes)


def _states(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _steps(entry: Entry) -> tuple[list[Array], tuple[int, ...]]:
    """Return the inputs of the steps up to that of the entry, and the entry's place in it."""
    layer, sequence = entry.layer, entry.inputs[0]
    count = len(sequence)
    order = list(range(count))[:: -1 if layer.go_backwards else 1]
    index = entry.index
    if layer.return_sequences:
        order, index = order[: index[0] + 1], index[1:]
    mask = get_keras_mask(entry.step.inputs[0])
    if mask is not None:
        kept = np.asarray(array_of(mask))[entry.sample].reshape(count, -1)[:, 0] != 0
        order = [step for step in order if kept[step]]
    return [sequence[step] for step in order], index


# --- cells --------------------------------------------------------------------------------------


class _Block(NamedTuple):
    """What comes together before one gate: from the input, the state and the biases."""

    given: float
    state: float
    bias: float
    state_bias: float

    def applied(self, function: Any, key: str) -> Line:
        """Return the gate's line: the activation of the sum."""
        total = sum(self)
        numbers = {"given": self.given, "state": self.state, "bias": self.bias + self.state_bias}
        return Line(key, _at(function, total), numbers, {"name": _name(function)})


def _at(function: Any, value: float) -> float:
    return float(array_of(function(np.array([[value]], np.float32)))[0, 0])


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _lines(
    cell: Any, inputs: Any, states: Sequence[Array], index: tuple[int, ...]
) -> list[Line] | None:
    """Return the steps of a cell for one entry of its output; None for a cell not known."""
    if hasattr(cell, "kernel_size") and hasattr(cell, "recurrent_activation"):
        return _lstm(cell, _convolved(cell, inputs, states[0], index), states[1][(0, *index)])
    if isinstance(cell, layers.LSTMCell):
        unit = index[0]
        return _lstm(cell, _multiplied(cell, inputs, states[0], unit, 4), states[1][0, unit])
    if isinstance(cell, layers.GRUCell):
        return _gru(cell, array_of(inputs), states[0], index[0])
    if isinstance(cell, layers.SimpleRNNCell):
        (block,) = _multiplied(cell, inputs, states[0], index[0], 1)
        return [block.applied(cell.activation, "state")]
    return None


def _multiplied(cell: Any, inputs: Any, state: Array, unit: int, count: int) -> list[_Block]:
    """Return the blocks of a cell of matrices for one unit."""
    given = array_of(inputs)[0] @ array_of(cell.kernel)
    from_state = state[0] @ array_of(cell.recurrent_kernel)
    length = given.size // count
    biases = np.zeros((2, given.size))
    if cell.bias is not None:
        rows = array_of(cell.bias).reshape(-1, given.size)
        biases[: len(rows)] = rows
    return [
        _Block(float(given[at]), float(from_state[at]), float(biases[0, at]), float(biases[1, at]))
        for at in range(unit, given.size, length)
    ]


def _convolved(cell: Any, inputs: Any, state: Array, index: tuple[int, ...]) -> list[_Block]:
    """Return the blocks of a cell of convolutions for one place and filter."""
    options = {"data_format": cell.data_format}
    given = array_of(
        ops.conv(
            inputs,
            array_of(cell.kernel),
            strides=cell.strides,
            padding=cell.padding,
            dilation_rate=cell.dilation_rate,
            **options,
        )
    )
    from_state = array_of(
        ops.conv(state, array_of(cell.recurrent_kernel), padding="same", **options)
    )
    axis = 0 if cell.data_format == "channels_first" else len(index) - 1
    filters = given.shape[axis + 1] // 4
    blocks = []
    for gate in range(4):
        channel = index[axis] + gate * filters
        place = (0, *index[:axis], channel, *index[axis + 1 :])
        bias = 0.0 if cell.bias is None else float(array_of(cell.bias)[channel])
        blocks.append(_Block(float(given[place]), float(from_state[place]), bias, 0.0))
    return blocks


def _lstm(cell: Any, blocks: Sequence[_Block], carried: float) -> list[Line]:
    gate, function = cell.recurrent_activation, cell.activation
    keys = ("input_gate", "forget_gate", "candidate", "output_gate")
    functions = (gate, gate, function, gate)
    lines = [
        block.applied(one, key) for block, one, key in zip(blocks, functions, keys, strict=True)
    ]
    i, f, g, o = (line.value for line in lines)
    before = float(carried)
    carry = f * before + i * g
    lines.append(Line("carry", carry, {"f": f, "before": before, "i": i, "g": g}))
    output = o * _at(function, carry)
    numbers = {"o": o, "carry": carry}
    return [*lines, Line("shown", output, numbers, {"name": _name(function)})]


def _gru(cell: Any, inputs: Array, state: Array, unit: int) -> list[Line]:
    update, reset, candidate = _multiplied(cell, inputs, state, unit, 3)
    gate, function = cell.recurrent_activation, cell.activation
    lines = [update.applied(gate, "update_gate"), reset.applied(gate, "reset_gate")]
    z, r = (line.value for line in lines)
    if cell.reset_after:
        hidden = candidate.state + candidate.state_bias
    else:
        # Every unit of the state is reset by its own gate before the product.
        hidden, r = _from_reset_state(cell, inputs, state, unit), 1.0
    total = candidate.given + candidate.bias + r * hidden
    value = _at(function, total)
    numbers = {"given": candidate.given + candidate.bias, "r": r, "state": hidden}
    key = "reset_candidate" if cell.reset_after else "candidate_of_reset"
    lines.append(Line(key, value, numbers, {"name": _name(function)}))
    before = float(state[0, unit])
    output = z * before + (1 - z) * value
    return [*lines, Line("renewed", output, {"z": z, "before": before, "candidate": value})]


def _from_reset_state(cell: Any, inputs: Array, state: Array, unit: int) -> float:
    """Return what a state whose units were reset one by one adds to a unit's candidate."""
    resets = slice(cell.units, 2 * cell.units)
    sums = inputs[0] @ array_of(cell.kernel)[:, resets]
    sums = sums + state[0] @ array_of(cell.recurrent_kernel)[:, resets]
    if cell.bias is not None:
        sums = sums + array_of(cell.bias)[resets]
    gates = array_of(cell.recurrent_activation(sums[None]))[0]
    last = array_of(cell.recurrent_kernel)[:, 2 * cell.units + unit]
    return float((gates * state[0]) @ last)
