"""The plain recurrent layer, and its cell."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import activations, ops
from layerscope.layers.layer import Example
from layerscope.layers.recurrent import _OneCellRNN
from layerscope.layers.recurrent_cell import (
    _RecurrentArguments,
    _RecurrentCell,
    fused_inputs,
    plus,
    project,
    seed_field,
)
from layerscope.random import Seed


class SimpleRNNCell(_RecurrentCell):
    """One step of `SimpleRNN`: the output, which is the new state, from input and state.

    Shapes: input (batch, in), kernel (in, units), recurrent kernel (units, units), bias (units,),
    output and state (batch, units). Source: Elman 1990; Keras `SimpleRNNCell`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> cell = ls.layers.SimpleRNNCell(3)
    >>> output, states = cell(np.ones((2, 4), "float32"), [np.zeros((2, 3), "float32")])
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    formula: ClassVar[str] = r"h_t = \sigma(x_t W + h_{t-1} U + b)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4)),
        Example({"units": 2, "activation": "softsign", "use_bias": False}, (3, 2)),
    )

    seed: Seed = seed_field()

    def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
        state = self._states(inputs, states)[0]
        input_mask, state_mask = self._dropout_masks(inputs, state, training)
        x = project(inputs, self.kernel, input_mask)
        x = plus(x, self._applied_bias())
        output = self.activation(x + project(state, self.recurrent_kernel, state_mask))
        return output, self._as_given([output], states)

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        if self.activation is not activations.tanh or (training and self.recurrent_dropout):
            return None
        outputs, state = ops.simple_rnn(
            fused_inputs(self, sequences, training),
            self.kernel,
            self.recurrent_kernel,
            self._fused_bias(),
            states[0],
            mask=mask,
            go_backwards=go_backwards,
        )
        return outputs, [state]


class SimpleRNN(_OneCellRNN, _RecurrentArguments):
    """Fully connected recurrence: each output depends on the input and on the output before.

    Shapes: input (batch, steps, in), kernel (in, units), recurrent kernel (units, units), bias
    (units,), output (batch, units) of the last step or (batch, steps, units); then the last state
    (batch, units) if asked for.
    Source: Elman 1990; Keras `SimpleRNN`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.SimpleRNN(1, activation=None, recurrent_initializer="ones",
    ...                             kernel_initializer="ones", return_sequences=True)
    >>> layer(np.ones((1, 3, 1), "float32")).ravel()
    array([1., 2., 3.], dtype=float32)
    """

    cell_class: ClassVar[Any] = SimpleRNNCell
    formula: ClassVar[str] = r"h_t = \sigma(x_t W + h_{t-1} U + b)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4, 3)),
        Example({"units": 2, "return_sequences": True, "go_backwards": True}, (2, 3, 4)),
        Example(
            {"units": 2, "activation": "softsign", "use_bias": False, "return_state": True},
            (2, 3, 2),
        ),
    )

    seed: Seed = seed_field()
