"""What layers share that slide windows: arguments, weights, shapes and the bias."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import activations, constraints, initializers, regularizers
from layerscope.config import DataFormat
from layerscope.configurable import field, lower_case, sizes
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Layer
from layerscope.layers.layout import data_format_field
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape, Variable

#: What to say of a number of channels below one, for an argument called ``{name}``.
NOT_POSITIVE = (
    "Invalid value for argument `{name}`. Expected a strictly positive value. "
    "Received {name}={{value}}."
)


class _Filters(Layer):
    """The argument that convolutions with a free number of output channels begin with."""

    filters: int = field(
        ge=1,
        slider=(1, 64),
        help="Number of filters, the output's channels.",
        refusal=NOT_POSITIVE.format(name="filters"),
    )


class _WindowArguments(Layer):
    """Where the windows of an image are.

    Attributes
    ----------
    rank : number of spatial axes.
    """

    rank: ClassVar[int]

    kernel_size: tuple[int, ...] = field(
        converter=sizes,
        per_axis=True,
        ge=1,
        slider=(1, 7),
        help="Length of a filter along each spatial axis.",
    )
    strides: tuple[int, ...] = field(
        default=1,
        converter=sizes,
        per_axis=True,
        ge=1,
        slider=(1, 4),
        help="Step between windows.",
    )
    padding: Literal["valid", "same"] = field(
        default="valid",
        converter=lower_case,
        help="Windows inside the image only, or zeros around it to keep its size.",
    )
    data_format: DataFormat | None = data_format_field()

    @property
    def _channels_first(self) -> bool:
        return self.data_format == "channels_first"


class _Dilated(Layer):
    """The argument that spreads the entries of a window."""

    dilation_rate: tuple[int, ...] = field(
        default=1,
        converter=sizes,
        per_axis=True,
        ge=1,
        slider=(1, 4),
        after="data_format",
        help="Distance between the entries a filter looks at.",
    )


class _Windowed(_WindowArguments):
    """Base of layers that weigh the windows of an image, add a bias and activate."""

    _positional: ClassVar[dict[str, str]] = {"activity_regularizer": "bias_regularizer"}
    _window_arguments: ClassVar[tuple[str, ...]] = ("kernel_size", "strides", "padding")

    activation: activations.Activation = field(
        default=None, converter=activations.get, help="Applied after the bias."
    )
    use_bias: bool = field(default=True, help="Whether to add a learned offset per filter.")
    bias_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the bias."
    )
    bias_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the bias."
    )
    bias_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the bias after each step."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _add_bias(self, *shape: int) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=shape,
                initializer=self._first_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def _spatial(self, input_shape: Shape) -> Shape:
        """Return the lengths of the input's spatial axes."""
        return input_shape[2:] if self._channels_first else input_shape[1:-1]

    def _check_channels(self, input_shape: Shape) -> int:
        """Return the input's number of channels."""
        self.input_spec.check(input_shape, 0, self.name)
        channels = input_shape[1 if self._channels_first else -1]
        if channels is None:
            raise ShapeError(
                "The channel dimension of the inputs should be defined. "
                f"The input_shape received is {input_shape}."
            )
        return channels

    def _apply_kernels(self, inputs: Any) -> Any:
        """Return the windows weighed, plus the bias."""
        raise NotImplementedError

    def _output_channels(self, channels: int) -> int:
        raise NotImplementedError

    def _output_lengths(self, spatial: Shape) -> Shape:
        return shapes.windows(spatial, self.kernel_size, self.strides, self.padding)

    def call(self, inputs: Any) -> Any:
        return self.activation(self._apply_kernels(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = self._output_channels(self._check_channels(input_shape))
        out = self._output_lengths(self._spatial(input_shape))
        if any(length is not None and length <= 0 for length in out):
            given = [f"{name}={getattr(self, name)!r}" for name in self._window_arguments]
            raise ShapeError(
                f"Computed output size would be zero or negative. Received: input shape "
                f"{input_shape}, {', '.join(given)}."
            )
        batch = input_shape[0]
        return (batch, channels, *out) if self._channels_first else (batch, *out, channels)


class _Convolution(_Dilated, _Windowed):
    """Base of all convolutions: every window meets the same kernels.

    A subclass creates its kernels in ``_add_kernels(channels)``, applies them in ``_apply_kernels``
    and may override ``_output_channels`` and ``_output_lengths``.
    """

    section: ClassVar[str] = "convolution"
    _window_arguments: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "strides",
        "dilation_rate",
        "padding",
    )

    def build(self, input_shape: Shape) -> None:
        channels = self._check_channels(input_shape)
        self._add_kernels(channels)
        self._add_bias(self._output_channels(channels))
        axis = 1 if self._channels_first else -1
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})

    def _add_kernels(self, channels: int) -> None:
        raise NotImplementedError

    def _convolve(self, plain: Any, biased: Any, inputs: Any, kernel: Any, **more: Any) -> Any:
        """Call an operation with the arguments all have in common, or the one that adds a bias."""
        options = {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            **more,
        }
        if self.bias is None:
            return plain(inputs, kernel, **options)
        return biased(inputs, kernel, self.bias, **options)

    def _output_lengths(self, spatial: Shape) -> Shape:
        return shapes.windows(
            spatial, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )


class _Kernel(_Windowed, _Filters):
    """Base of layers whose one kernel mixes the channels."""

    kernel_initializer: initializers.Initializer = field(
        default="glorot_uniform",
        converter=initializers.get,
        after="use_bias",
        help="First values of the kernel.",
    )
    kernel_regularizer: regularizers.Regularizer | None = field(
        default=None,
        converter=regularizers.get,
        after="bias_initializer",
        help="Penalty on the kernel.",
    )
    kernel_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        after="activity_regularizer",
        help="Projection of the kernel after each step.",
    )

    def _new_kernel(self, *shape: int) -> Variable:
        return self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def _output_channels(self, channels: int) -> int:
        return self.filters


class _SharedKernel(_Kernel, _Convolution):
    """Base of convolutions whose one kernel mixes the channels."""

    #: What is wrong with both, in Keras's words.
    _stride_and_dilation: ClassVar[str] = (
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._stride_and_dilation} "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )


class _KernelPerChannel(_Convolution):
    """Base of convolutions that filter every channel by itself first."""

    depthwise_initializer: initializers.Initializer = field(
        default="glorot_uniform",
        converter=initializers.get,
        after="use_bias",
        help="First values of the kernel that filters each channel.",
    )
    depthwise_regularizer: regularizers.Regularizer | None = field(
        default=None,
        converter=regularizers.get,
        after="bias_initializer",
        help="Penalty on the kernel that filters each channel.",
    )
    depthwise_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        after="activity_regularizer",
        help="Projection of the kernel that filters each channel, after each step.",
    )

    def _depthwise_kernel(self, name: str, channels: int, multiplier: int) -> Variable:
        return self.add_weight(
            name=name,
            shape=(*self.kernel_size, channels, multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
