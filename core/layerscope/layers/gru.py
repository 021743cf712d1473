"""Gated recurrent unit: the layer and its cell."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.recurrent import _GatedRNN
from layerscope.layers.recurrent_cell import (
    _GatedCell,
    fused_inputs,
    plus,
    project,
    seed_field,
)
from layerscope.random import Seed


def reset_after_field(after: str | None = None) -> Any:
    """Declare the argument that chooses between the two forms of the reset gate."""
    return field(
        default=True,
        after=after,
        help="Whether the reset gate multiplies the state after the recurrent kernel did.",
    )


class GRUCell(_GatedCell):
    """One step of `GRU`: the output, which is the new state, from input and state.

    Shapes: input (batch, in), kernel (in, 3 units), recurrent kernel (units, 3 units), bias
    (2, 3 units), one row for the input and one for the state, (3 units,) without `reset_after`;
    output and state (batch, units). The blocks are those of the update gate, the reset gate and
    the candidate.
    Source: Cho et al. 2014; Keras `GRUCell`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> cell = ls.layers.GRUCell(3)
    >>> output, states = cell(np.ones((2, 4), "float32"), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    gates: ClassVar[int] = 3
    formula: ClassVar[str] = r"h_t = z \odot h_{t-1} + (1 - z) \odot \tilde{h}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4)),
        Example({"units": 2, "reset_after": False, "activation": "softsign"}, (3, 2)),
    )

    reset_after: bool = reset_after_field()
    seed: Seed = seed_field()

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
        state = self._states(inputs, states)[0]
        input_mask, state_masks = self._dropout_masks(inputs, state, training)
        input_bias, state_bias = self._biases()
        xz, xr, xh = ops.split(
            plus(project(inputs, self.kernel, input_mask), input_bias), 3, axis=-1
        )
        gate = self.recurrent_activation
        if self.reset_after:
            hidden = plus(project(state, self.recurrent_kernel, state_masks), state_bias)
            hz, hr, hh = ops.split(hidden, 3, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            candidate = self.activation(xh + r * hh)
        else:
            both, last = ops.split(self.recurrent_kernel, [2 * self.units], axis=1)
            masks = (None, None) if state_masks is None else (state_masks[:2], state_masks[2])
            hz, hr = ops.split(project(state, both, masks[0]), 2, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            candidate = self.activation(xh + project(r * state, last, masks[1]))
        output = z * state + (1 - z) * candidate
        return output, self._as_given([output], states)

    def _biases(self) -> tuple[Any, Any]:
        """Return what is added to the input's and to the state's product."""
        bias = self._applied_bias()
        return (bias[0], bias[1]) if bias is not None and self.reset_after else (bias, None)

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        if not self._fusible(training):
            return None
        outputs, state = ops.gru(
            fused_inputs(self, sequences, training),
            self.kernel,
            self.recurrent_kernel,
            self._fused_bias(),
            states[0],
            mask=mask,
            go_backwards=go_backwards,
            reset_after=self.reset_after,
        )
        return outputs, [state]


class GRU(_GatedRNN):
    """Gated recurrent unit: gates decide how much of the state is kept and how much renewed.

    Shapes: input (batch, steps, in), kernel (in, 3 units), recurrent kernel (units, 3 units), bias
    (2, 3 units), one row for the input and one for the state, (3 units,) without `reset_after`;
    output (batch, units) of the last step or (batch, steps, units); then the last state
    (batch, units) if asked for. The blocks are those of the update gate, the reset gate and the
    candidate.
    Source: Cho et al. 2014; Keras `GRU`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.GRU(4, return_sequences=True)
    >>> layer.compute_output_shape((None, 10, 8))
    (None, 10, 4)
    """

    cell_class: ClassVar[Any] = GRUCell
    formula: ClassVar[str] = (
        r"\begin{aligned} z &= \sigma(x_t W_z + h_{t-1} U_z + b_z) \\"
        r" r &= \sigma(x_t W_r + h_{t-1} U_r + b_r) \\"
        r" \tilde{h} &= \tanh(x_t W_h + r \odot (h_{t-1} U_h + b'_h) + b_h) \\"
        r" h_t &= z \odot h_{t-1} + (1 - z) \odot \tilde{h} \end{aligned}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4, 3)),
        Example({"units": 2, "reset_after": False, "return_sequences": True}, (2, 3, 4)),
        Example({"units": 2, "return_state": True, "go_backwards": True}, (2, 3, 2)),
        Example({"units": 2, "activation": "softsign", "use_bias": False}, (2, 3, 2)),
    )

    seed: Seed = seed_field(after="recurrent_dropout")
    reset_after: bool = reset_after_field(after="unroll")
