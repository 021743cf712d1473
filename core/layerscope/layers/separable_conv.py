"""Convolution of every channel by itself followed by a mix of the channels."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers.convolution import NOT_POSITIVE, _Filters, _KernelPerChannel
from layerscope.layers.layer import Example


class _SeparableConv(_KernelPerChannel, _Filters):
    """Base of the separable convolutions that differ in the number of spatial axes."""

    depth_multiplier: int = field(
        default=1,
        ge=1,
        slider=(1, 8),
        after="dilation_rate",
        help="Number of channels made of each input channel before they are mixed.",
        refusal=NOT_POSITIVE.format(name="depth_multiplier"),
    )
    pointwise_initializer: initializers.Initializer = field(
        default="glorot_uniform",
        converter=initializers.get,
        after="depthwise_initializer",
        help="First values of the kernel that mixes the channels.",
    )
    pointwise_regularizer: regularizers.Regularizer | None = field(
        default=None,
        converter=regularizers.get,
        after="depthwise_regularizer",
        help="Penalty on the kernel that mixes the channels.",
    )
    pointwise_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        after="depthwise_constraint",
        help="Projection of the kernel that mixes the channels, after each step.",
    )

    def _add_kernels(self, channels: int) -> None:
        multiplier = self.depth_multiplier
        self.depthwise_kernel = self._depthwise_kernel("depthwise_kernel", channels, multiplier)
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel",
            shape=(*(1,) * self.rank, channels * multiplier, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )

    def _output_channels(self, channels: int) -> int:
        return self.filters

    def _apply_kernels(self, inputs: Any) -> Any:
        return ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            bias=self.bias,
        )


class SeparableConv1D(_SeparableConv):
    """Filters each channel of a sequence by itself, then mixes the channels at every step.

    Approximates `Conv1D` with far fewer weights.

    Shapes: input (batch, steps, channels), depthwise kernel (kernel length, channels, multiplier),
    pointwise kernel (1, channels * multiplier, filters), bias (filters,), output (batch, windows,
    filters); channels second with ``"channels_first"``.
    Source: Chollet 2017; Keras `SeparableConv1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.SeparableConv1D(16, 3).compute_output_shape((None, 8, 4))
    (None, 6, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("SeparableConvolution1D",)
    formula: ClassVar[str] = (
        r"y_{ik} = \sigma\Big(b_k + \sum_{c,m} P_{cmk} \sum_u x_{is+ud,\,c}\, D_{ucm}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2, "activation": "tanh"}, (2, 4, 3)),
        Example(
            {
                "filters": 3,
                "kernel_size": 3,
                "strides": 2,
                "padding": "same",
                "depth_multiplier": 2,
                "data_format": "channels_first",
            },
            (2, 2, 5),
        ),
    )


class SeparableConv2D(_SeparableConv):
    """Filters each channel of an image by itself, then mixes the channels at every pixel.

    Approximates `Conv2D` with far fewer weights.

    Shapes: input (batch, height, width, channels), depthwise kernel (kernel height, kernel width,
    channels, multiplier), pointwise kernel (1, 1, channels * multiplier, filters), bias (filters,),
    output (batch, rows, columns, filters); channels second with ``"channels_first"``.
    Source: Chollet 2017; Keras `SeparableConv2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.SeparableConv2D(16, 3).compute_output_shape((None, 8, 8, 4))
    (None, 6, 6, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("SeparableConvolution2D",)
    formula: ClassVar[str] = (
        r"y_{ijk} = \sigma\Big(b_k + \sum_{c,m} P_{cmk} "
        r"\sum_{u,v} x_{is+ud,\,js+vd,\,c}\, D_{uvcm}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2, "depth_multiplier": 2}, (2, 3, 4, 2)),
        Example(
            {
                "filters": 3,
                "kernel_size": (3, 2),
                "strides": 2,
                "padding": "same",
                "use_bias": False,
                "activation": "tanh",
            },
            (2, 5, 4, 2),
        ),
        Example(
            {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "data_format": "channels_first"},
            (2, 2, 3, 4),
        ),
    )
