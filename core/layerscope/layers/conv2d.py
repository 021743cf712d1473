"""Two-dimensional convolution."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import activations, constraints, initializers, ops, regularizers
from layerscope.config import DataFormat, standardize_data_format
from layerscope.configurable import field, sizes
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


class Conv2D(Layer):
    """Slides a bank of filters over images: ``activation(conv(x, kernel) + bias)``.

    Cross-correlation, as in Keras: the kernel is not flipped.

    Shapes: input (batch, height, width, channels), kernel (kernel height, kernel width,
    channels / groups, filters), bias (filters,), output (batch, rows, columns, filters). With
    ``"channels_first"`` images have their channels second; the kernel's layout stays.
    Source: Keras `Conv2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Conv2D(16, 3).compute_output_shape((None, 8, 8, 1))
    (None, 6, 6, 16)
    """

    section: ClassVar[str] = "convolution"
    aliases: ClassVar[tuple[str, ...]] = ("Convolution2D",)
    formula: ClassVar[str] = (
        r"y_{ijk} = \sigma\Big(b_k + \sum_{u,v,c} x_{is+ud,\,js+vd,\,c}\, W_{uvck}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 3, "kernel_size": 2, "activation": "tanh"}, (2, 4, 5, 2)),
        Example(
            {"filters": 2, "kernel_size": (3, 2), "strides": 2, "padding": "same"}, (2, 5, 5, 1)
        ),
        Example({"filters": 4, "kernel_size": 2, "groups": 2, "use_bias": False}, (2, 3, 3, 4)),
        Example(
            {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "data_format": "channels_first"},
            (2, 2, 4, 5),
        ),
    )

    filters: int = field(ge=1, slider=(1, 64), help="Number of filters, the output's channels.")
    kernel_size: tuple[int, int] = field(
        converter=sizes, ge=1, slider=(1, 7), help="Height and width of a filter."
    )
    strides: tuple[int, int] = field(
        default=(1, 1), converter=sizes, ge=1, slider=(1, 4), help="Step between windows."
    )
    padding: Literal["valid", "same"] = field(
        default="valid", help="Windows inside the image only, or zeros around it to keep its size."
    )
    data_format: DataFormat | None = field(
        default=None,
        converter=standardize_data_format,
        help="Where the channels are; None: the ambient setting.",
    )
    dilation_rate: tuple[int, int] = field(
        default=(1, 1),
        converter=sizes,
        ge=1,
        slider=(1, 4),
        help="Distance between the entries a filter looks at.",
    )
    groups: int = field(
        default=1, ge=1, slider=(1, 8), help="Number of independent channel groups."
    )
    activation: activations.Activation = field(
        default=None, converter=activations.get, help="Applied after the bias."
    )
    use_bias: bool = field(default=True, help="Whether to add a learned offset per filter.")
    kernel_initializer: initializers.Initializer = field(
        default="glorot_uniform", converter=initializers.get, help="First values of the kernel."
    )
    bias_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the bias."
    )
    kernel_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the kernel."
    )
    bias_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the bias."
    )
    kernel_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        kw_only=True,
        help="Projection of the kernel after each step.",
    )
    bias_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        kw_only=True,
        help="Projection of the bias after each step.",
    )

    def __post_init__(self) -> None:
        if self.filters % self.groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={self.groups}, filters={self.filters}."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.input_spec = InputSpec(ndim=4)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape: Shape) -> None:
        channels = self._check_channels(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=4, axes={self._channel_axis: channels})

    def _check_channels(self, input_shape: Shape) -> int:
        self.input_spec.check(input_shape, 0, self.name)
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ShapeError(
                "The channel dimension of the inputs should be defined. "
                f"The input_shape received is {input_shape}."
            )
        if channels % self.groups:
            raise ShapeError(
                "The number of input channels must be evenly divisible by the number of groups. "
                f"Received groups={self.groups}, but the input has {channels} channels (full "
                f"input shape is {input_shape})."
            )
        return channels

    def call(self, inputs: Any) -> Any:
        x = ops.conv(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        if self.bias is not None:
            first = self.data_format == "channels_first"
            x = x + (ops.reshape(self.bias, (self.filters, 1, 1)) if first else self.bias)
        return self.activation(x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_channels(input_shape)
        first = self.data_format == "channels_first"
        spatial = input_shape[2:] if first else input_shape[1:-1]
        out = shapes.windows(
            spatial, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )
        if any(length is not None and length <= 0 for length in out):
            raise ShapeError(
                f"Computed output size would be zero or negative. Received: input shape "
                f"{input_shape}, kernel_size={self.kernel_size}, strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}, padding={self.padding!r}."
            )
        batch = input_shape[0]
        return (batch, self.filters, *out) if first else (batch, *out, self.filters)
