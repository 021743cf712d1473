"""Long short-term memory over images: the layers and their cells."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.convolution import _Dilated, _Filters, _SharedKernel, _WindowArguments
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.layers.lstm import OpenForgetGate, _ForgetGate
from layerscope.layers.recurrent import _OneCellRNN
from layerscope.layers.recurrent_cell import _DroppingCell, seed_field
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed
from layerscope.tensor import Shape


class _ConvLSTMArguments(_ForgetGate, _Dilated, _WindowArguments, _Filters):
    """Arguments of the cells, and of the layers that are made of them."""


class _ConvLSTMCell(_DroppingCell, _ConvLSTMArguments, _SharedKernel):
    """Base of the cells that differ in the number of spatial axes.

    Attributes
    ----------
    spatial : the states are images, which a size does not describe.
    """

    section: ClassVar[str] = "recurrent"
    formula: ClassVar[str] = (
        r"\begin{aligned} c_t &= f \odot c_{t-1} + i \odot g \\ h_t &= o \odot \tanh(c_t)"
        r" \end{aligned}"
    )
    gates: ClassVar[int] = 4
    spatial: ClassVar[bool] = True
    _stride_and_dilation: ClassVar[str] = (
        "Specifying `strides > 1` is not compatible with `dilation_rate > 1`."
    )

    seed: Seed = seed_field(after="recurrent_dropout")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dropout_mask_count = self.gates

    @property
    def state_size(self) -> list[int]:
        """Numbers of channels of the hidden state and of the carry."""
        return [self.filters, self.filters]

    @property
    def _channel_axis(self) -> int:
        return 1 if self._channels_first else -1

    def build(self, input_shape: Shape) -> None:
        channels = self._check_channels(input_shape)
        if None in input_shape[1:]:
            raise ShapeError(
                "ConvLSTM layers only support static input shapes for the spatial dimension. "
                f"Received invalid input shape: input_shape={input_shape}"
            )
        self._state_shape = super().compute_output_shape(input_shape)[1:]
        outputs = self.gates * self.filters
        self.kernel = self._new_kernel(*self.kernel_size, channels, outputs)
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(*self.kernel_size, self.filters, outputs),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self._add_bias(outputs)
        axes = dict(enumerate(input_shape[1:], start=1))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=axes)

    def _first_bias(self) -> Any:
        first = self.bias_initializer
        return OpenForgetGate(first) if self.unit_forget_bias else first

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        shape: Any = (batch_size, *self._state_shape)
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in self.state_size]

    def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
        state, carry = self._states(inputs, states)
        x = self._from_input(inputs, training)
        state, carry = self._advance(x, state, carry, training)
        return state, [state, carry]

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        if training and self._drops(self.dropout):
            return None
        batch, n_steps, *image = sequences.shape
        x = self._from_input(ops.reshape(sequences, (batch * n_steps, *image)), training)
        steps = ops.unstack(ops.reshape(x, (batch, n_steps, *x.shape[1:])), axis=1)
        state, carry = states
        outputs = []
        for index, x in enumerate(reversed(steps) if go_backwards else steps):
            new_state, new_carry = self._advance(x, state, carry, training)
            if mask is not None:
                counts = mask[:, index].reshape(-1, *(1,) * (self.rank + 1))
                new_state = ops.where(counts, new_state, state)
                new_carry = ops.where(counts, new_carry, carry)
            state, carry = new_state, new_carry
            outputs.append(state)
        return ops.stack(outputs, axis=1), [state, carry]

    def _drops(self, rate: float) -> bool:
        # As in Keras, where a cell that would drop everything drops nothing.
        return 0 < rate < 1

    def _from_input(self, inputs: Any, training: Any) -> Any:
        """Return what an input adds to the four blocks."""
        masks = self.get_dropout_mask(inputs) if training else None
        return self._convolved(
            inputs,
            self.kernel,
            masks,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )

    def _advance(self, x: Any, state: Any, carry: Any, training: Any) -> tuple[Any, Any]:
        """Return the new states, given what the input adds to the blocks."""
        masks = self.get_recurrent_dropout_mask(state) if training else None
        x = x + self._convolved(state, self.recurrent_kernel, masks, None, padding="same")
        i, f, g, o = ops.split(x, self.gates, axis=self._channel_axis)
        gate = self.recurrent_activation
        carry = gate(f) * carry + gate(i) * self.activation(g)
        return gate(o) * self.activation(carry), carry

    def _convolved(
        self, value: Any, kernel: Any, masks: list[Any] | None, bias: Any, **options: Any
    ) -> Any:
        """Convolve, with factors for the value in each of the four blocks."""
        options["data_format"] = self.data_format

        def convolved(value: Any, kernel: Any, bias: Any) -> Any:
            if bias is None:
                return ops.conv(value, kernel, **options)
            return ops.biased_conv(value, kernel, bias, **options)

        if masks is None:
            return convolved(value, kernel, bias)
        kernels = ops.split(kernel, self.gates, axis=-1)
        biases = [None] * self.gates if bias is None else ops.split(bias, self.gates)
        parts = [
            convolved(value * mask, *block)
            for mask, *block in zip(masks, kernels, biases, strict=True)
        ]
        return ops.concatenate(parts, axis=self._channel_axis)

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        out = super().compute_output_shape(input_shape)
        return out, [out for _ in self.state_size]


class _ConvLSTM1DCell(_ConvLSTMCell):
    rank: ClassVar[int] = 1


class ConvLSTM2DCell(_ConvLSTMCell):
    """One step of `ConvLSTM2D`: output and new states from an image, hidden state and carry.

    Keras 2 had it once; since then it is private there. Its defaults are those of Keras 3.

    Shapes: input (batch, height, width, channels), kernel (kernel height, kernel width, channels,
    4 filters), recurrent kernel (kernel height, kernel width, filters, 4 filters), bias
    (4 filters,), output and both states (batch, rows, columns, filters); channels second with
    ``"channels_first"``. The blocks are those of the input gate, the forget gate, the candidate
    and the output gate. Source: Shi et al. 2015; Keras 2 `ConvLSTM2DCell`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RNN(ls.layers.ConvLSTM2DCell(3, 2))
    >>> layer(np.ones((2, 4, 5, 5, 1), "float32")).shape
    (2, 4, 4, 3)
    """

    rank: ClassVar[int] = 2
    in_keras_3: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2}, (2, 3, 3, 2)),
        Example(
            {
                "filters": 1,
                "kernel_size": (1, 2),
                "strides": 2,
                "padding": "same",
                "data_format": "channels_first",
                "unit_forget_bias": False,
            },
            (2, 2, 3, 4),
        ),
    )


class _ConvLSTM3DCell(_ConvLSTMCell):
    rank: ClassVar[int] = 3


class _ConvLSTM(_OneCellRNN, _ConvLSTMArguments):
    """Base of the layers that differ in the number of spatial axes."""

    formula: ClassVar[str] = (
        r"\begin{aligned} (i, f, g, o) &= x_t * W + h_{t-1} * U + b \\"
        r" c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\"
        r" h_t &= \sigma(o) \odot \tanh(c_t) \end{aligned}"
    )

    seed: Seed = seed_field(after="recurrent_dropout")
    unroll: bool = field(
        default=False,
        kw_only=True,
        help="Whether to take the steps one by one even if their input can be convolved at once.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cell.name = "conv_lstm_cell"
        self.input_spec = InputSpec(ndim=self.rank + 3)


class ConvLSTM1D(_ConvLSTM):
    """Long short-term memory over sequences of sequences, whose products are convolutions.

    The input is convolved as by `Conv1D`, the state with stride 1 and ``"same"`` padding.

    Shapes: input (batch, steps, length, channels), kernel (kernel length, channels, 4 filters),
    recurrent kernel (kernel length, filters, 4 filters), bias (4 filters,), output (batch, windows,
    filters) of the last step or (batch, steps, windows, filters); then the hidden state and the
    carry, (batch, windows, filters) each, if asked for; channels before the length with
    ``"channels_first"``. The blocks are those of the input gate, the forget gate, the candidate
    and the output gate. Source: Shi et al. 2015; Keras `ConvLSTM1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ConvLSTM1D(3, 2).compute_output_shape((None, 4, 6, 1))
    (None, 5, 3)
    """

    rank: ClassVar[int] = 1
    cell_class: ClassVar[Any] = _ConvLSTM1DCell
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2}, (2, 3, 4, 2)),
        Example(
            {
                "filters": 1,
                "kernel_size": 2,
                "padding": "same",
                "dilation_rate": 2,
                "use_bias": False,
                "return_sequences": True,
                "return_state": True,
            },
            (2, 2, 3, 1),
        ),
    )


class ConvLSTM2D(_ConvLSTM):
    """Long short-term memory over sequences of images, whose products are convolutions.

    The input is convolved as by `Conv2D`, the state with stride 1 and ``"same"`` padding.

    Shapes: input (batch, steps, height, width, channels), kernel (kernel height, kernel width,
    channels, 4 filters), recurrent kernel (kernel height, kernel width, filters, 4 filters), bias
    (4 filters,), output (batch, rows, columns, filters) of the last step or (batch, steps, rows,
    columns, filters); then the hidden state and the carry, (batch, rows, columns, filters) each,
    if asked for; channels before the height with ``"channels_first"``. The blocks are those of the
    input gate, the forget gate, the candidate and the output gate.
    Source: Shi et al. 2015; Keras `ConvLSTM2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ConvLSTM2D(3, 2).compute_output_shape((None, 4, 6, 5, 1))
    (None, 5, 4, 3)
    """

    rank: ClassVar[int] = 2
    cell_class: ClassVar[Any] = ConvLSTM2DCell
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2}, (2, 2, 3, 2, 1)),
        Example(
            {
                "filters": 1,
                "kernel_size": (2, 1),
                "strides": (1, 2),
                "data_format": "channels_first",
                "recurrent_activation": "hard_sigmoid",
                "return_sequences": True,
                "go_backwards": True,
            },
            (1, 2, 2, 3, 3),
        ),
    )


class ConvLSTM3D(_ConvLSTM):
    """Long short-term memory over sequences of volumes, whose products are convolutions.

    The input is convolved as by `Conv3D`, the state with stride 1 and ``"same"`` padding.

    Shapes: input (batch, steps, depth, height, width, channels), kernel (kernel depth, kernel
    height, kernel width, channels, 4 filters), recurrent kernel (kernel depth, kernel height,
    kernel width, filters, 4 filters), bias (4 filters,), output (batch, planes, rows, columns,
    filters) of the last step or (batch, steps, planes, rows, columns, filters); then the hidden
    state and the carry, (batch, planes, rows, columns, filters) each, if asked for; channels before
    the depth with ``"channels_first"``. The blocks are those of the input gate, the forget gate,
    the candidate and the output gate. Source: Shi et al. 2015; Keras `ConvLSTM3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ConvLSTM3D(3, 2).compute_output_shape((None, 4, 6, 5, 4, 1))
    (None, 5, 4, 3, 3)
    """

    rank: ClassVar[int] = 3
    cell_class: ClassVar[Any] = _ConvLSTM3DCell
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 1, "kernel_size": 2}, (1, 2, 2, 3, 2, 1)),
        Example(
            {"filters": 1, "kernel_size": (1, 1, 2), "padding": "same", "return_state": True},
            (2, 2, 1, 2, 2, 1),
        ),
    )
