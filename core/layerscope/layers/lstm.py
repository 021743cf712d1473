"""Long short-term memory: the layer and its cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.recurrent import _GatedRNN
from layerscope.layers.recurrent_cell import (
    _GatedArguments,
    _GatedCell,
    _Gates,
    fused_inputs,
    plus,
    project,
    seed_field,
)
from layerscope.random import Seed


class OpenForgetGate:
    """First values of a bias of four blocks, of which the second, the forget gate's, is ones.

    Source: Jozefowicz et al. 2015.

    Parameters
    ----------
    initializer : what the other blocks begin with.
    biases : number of such biases one behind the other; only the last has the ones.
    """

    def __init__(self, initializer: Callable[..., Any], biases: int = 1) -> None:
        self.initializer = initializer
        self.biases = biases

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        units = shape[0] // (4 * self.biases)
        before = self.initializer((shape[0] - 3 * units,), dtype=dtype)
        after = self.initializer((2 * units,), dtype=dtype)
        return np.concatenate([before, np.ones(units, dtype), after])


class _ForgetGate(_Gates):
    """The argument of what has a forget gate."""

    unit_forget_bias: bool = field(
        default=True,
        after="bias_initializer",
        help="Whether the forget gate's bias begins with ones, so that states last.",
    )


class LSTMCell(_GatedCell, _ForgetGate):
    """One step of `LSTM`: output and new states from input, hidden state and carry.

    Shapes: input (batch, in), kernel (in, 4 units), recurrent kernel (units, 4 units), bias
    (4 units,), output and both states (batch, units). The blocks are those of the input gate, the
    forget gate, the candidate and the output gate.
    Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000; Keras `LSTMCell`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> cell = ls.layers.LSTMCell(3)
    >>> output, states = cell(np.ones((2, 4), "float32"), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 3), 2)
    """

    gates: ClassVar[int] = 4
    _biases: ClassVar[int] = 1
    formula: ClassVar[str] = (
        r"\begin{aligned} c_t &= f \odot c_{t-1} + i \odot g \\ h_t &= o \odot \tanh(c_t)"
        r" \end{aligned}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4)),
        Example(
            {"units": 2, "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False}, (3, 2)
        ),
    )

    seed: Seed = seed_field()

    @property
    def state_size(self) -> list[int]:
        """Lengths of the hidden state and of the carry."""
        return [self.units, self.units]

    def _bias_shape(self) -> tuple[int, ...]:
        return (4 * self._biases * self.units,)

    def _first_bias(self) -> Any:
        first = self.bias_initializer
        return OpenForgetGate(first, self._biases) if self.unit_forget_bias else first

    def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
        state, carry = self._states(inputs, states)
        input_mask, state_mask = self._dropout_masks(inputs, state, training)
        x = project(inputs, self.kernel, input_mask)
        x = x + project(state, self.recurrent_kernel, state_mask)
        x = plus(x, self._applied_bias())
        i, f, g, o = ops.split(x, 4, axis=-1)
        gate = self.recurrent_activation
        carry = gate(f) * carry + gate(i) * self.activation(g)
        output = gate(o) * self.activation(carry)
        return output, [output, carry]

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        if not self._fusible(training):
            return None
        outputs, state, carry = ops.lstm(
            fused_inputs(self, sequences, training),
            self.kernel,
            self.recurrent_kernel,
            self._fused_bias(),
            *states,
            mask=mask,
            go_backwards=go_backwards,
        )
        return outputs, [state, carry]


class LSTM(_GatedRNN, _ForgetGate, _GatedArguments):
    """Long short-term memory: gates decide what a carried state keeps, takes up and shows.

    Shapes: input (batch, steps, in), kernel (in, 4 units), recurrent kernel (units, 4 units), bias
    (4 units,), output (batch, units) of the last step or (batch, steps, units); then the hidden
    state and the carry, (batch, units) each, if asked for. The blocks are those of the input gate,
    the forget gate, the candidate and the output gate.
    Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000; Keras `LSTM`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.LSTM(3, return_sequences=True, return_state=True)
    >>> [value.shape for value in layer(np.ones((2, 5, 4), "float32"))]
    [(2, 5, 3), (2, 3), (2, 3)]
    """

    cell_class: ClassVar[Any] = LSTMCell
    formula: ClassVar[str] = (
        r"\begin{aligned} (i, f, g, o) &= x_t W + h_{t-1} U + b \\"
        r" c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\"
        r" h_t &= \sigma(o) \odot \tanh(c_t) \end{aligned}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4, 3)),
        Example({"units": 2, "return_sequences": True, "return_state": True}, (2, 3, 4)),
        Example(
            {"units": 2, "activation": "softsign", "use_bias": False, "go_backwards": True},
            (2, 3, 2),
        ),
    )

    seed: Seed = seed_field(after="recurrent_dropout")
