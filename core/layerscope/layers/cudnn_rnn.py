"""Keras 2's recurrent layers for graphics cards, here computed on the processor."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import activations, ops
from layerscope.layers.gru import GRUCell
from layerscope.layers.keras2 import _Keras2Only
from layerscope.layers.layer import Example
from layerscope.layers.lstm import LSTMCell, _ForgetGate
from layerscope.layers.recurrent import _OneCellRNN
from layerscope.layers.recurrent_cell import _RecurrentArguments


class _CuDNNGRUCell(GRUCell):
    """A `GRUCell` whose two biases are one behind the other."""

    def _bias_shape(self) -> tuple[int, ...]:
        return (6 * self.units,)

    def _applied_bias(self) -> Any:
        return ops.reshape(self.bias, (2, 3 * self.units))


class _CuDNNLSTMCell(LSTMCell):
    """An `LSTMCell` with a bias for the input and one for the state, which are added."""

    _biases: ClassVar[int] = 2

    def _applied_bias(self) -> Any:
        return ops.sum(ops.reshape(self.bias, (2, 4 * self.units)), axis=0)


class _CuDNNRNN(_Keras2Only, _OneCellRNN, _RecurrentArguments):
    """Base of the layers whose activations are given, and which take no masks."""

    # What graphics cards have code for; none of it is an argument.
    activation = staticmethod(activations.tanh)  # type: ignore[assignment]
    recurrent_activation = staticmethod(activations.sigmoid)
    use_bias = True
    dropout = 0.0  # type: ignore[assignment]
    recurrent_dropout = 0.0  # type: ignore[assignment]
    unroll = False
    zero_output_for_mask = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supports_masking = False

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        if mask is not None:
            raise ValueError("Masking is not supported for CuDNN RNNs.")
        return super().call(sequences, initial_state, None, training)


class CuDNNGRU(_CuDNNRNN):
    """Gated recurrent unit with Keras 2's weights for graphics cards.

    The same as a `GRU` with `reset_after`, but for the shape of the bias, and without masks.

    Shapes: those of `GRU`; bias (6 units,), that for the input before that for the state.
    Source: Cho et al. 2014; Keras 2 `CuDNNGRU`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.CuDNNGRU(4)
    >>> layer.compute_output_shape((None, 10, 8))
    (None, 4)
    """

    cell_class: ClassVar[Any] = _CuDNNGRUCell
    formula: ClassVar[str] = r"h_t = z \odot h_{t-1} + (1 - z) \odot \tilde{h}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4, 3)),
        Example({"units": 2, "return_sequences": True, "return_state": True}, (2, 3, 4)),
    )


class CuDNNLSTM(_CuDNNRNN, _ForgetGate):
    """Long short-term memory with Keras 2's weights for graphics cards.

    The same as an `LSTM`, but for a second bias, and without masks.

    Shapes: those of `LSTM`; bias (8 units,), that for the input before that for the state, of which
    the latter begins with ones at the forget gate. Both are added.
    Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000; Keras 2 `CuDNNLSTM`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.CuDNNLSTM(4, return_sequences=True)
    >>> layer.compute_output_shape((None, 10, 8))
    (None, 10, 4)
    """

    cell_class: ClassVar[Any] = _CuDNNLSTMCell
    formula: ClassVar[str] = (
        r"\begin{aligned} c_t &= f \odot c_{t-1} + i \odot g \\ h_t &= o \odot \tanh(c_t)"
        r" \end{aligned}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3}, (2, 4, 3)),
        Example({"units": 2, "go_backwards": True, "return_state": True}, (2, 3, 4)),
    )
