"""Convolution of every channel by itself, over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.convolution import NOT_POSITIVE, _KernelPerChannel
from layerscope.layers.layer import Example


class _DepthwiseConv(_KernelPerChannel):
    """Base of the depthwise convolutions that differ in the number of spatial axes."""

    depth_multiplier: int = field(
        default=1,
        ge=1,
        slider=(1, 8),
        after="padding",
        help="Number of output channels made of each input channel.",
        refusal=NOT_POSITIVE.format(name="depth_multiplier"),
    )

    def _add_kernels(self, channels: int) -> None:
        self.kernel = self._depthwise_kernel("kernel", channels, self.depth_multiplier)

    def _output_channels(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def _apply_kernels(self, inputs: Any) -> Any:
        return self._convolve(ops.depthwise_conv, ops.biased_depthwise_conv, inputs, self.kernel)


class DepthwiseConv1D(_DepthwiseConv):
    """Slides filters over each channel of a sequence by itself, without mixing channels.

    Shapes: input (batch, steps, channels), kernel (kernel length, channels, multiplier), bias
    (channels * multiplier,), output (batch, windows, channels * multiplier); channels second with
    ``"channels_first"``. What is made of one channel stands together.
    Source: Keras `DepthwiseConv1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.DepthwiseConv1D(3, depth_multiplier=2).compute_output_shape((None, 8, 4))
    (None, 6, 8)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = (
        r"y_{i,\,cM+m} = \sigma\Big(b_{cM+m} + \sum_u x_{is+ud,\,c}\, W_{ucm}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2, "depth_multiplier": 2, "activation": "tanh"}, (2, 5, 3)),
        Example(
            {
                "kernel_size": 2,
                "strides": 2,
                "padding": "same",
                "dilation_rate": 2,
                "data_format": "channels_first",
            },
            (2, 2, 5),
        ),
    )


class DepthwiseConv2D(_DepthwiseConv):
    """Slides filters over each channel of an image by itself, without mixing channels.

    Shapes: input (batch, height, width, channels), kernel (kernel height, kernel width, channels,
    multiplier), bias (channels * multiplier,), output (batch, rows, columns, channels *
    multiplier); channels second with ``"channels_first"``. What is made of one channel stands
    together. Source: Keras `DepthwiseConv2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 8, 8, 4))
    (None, 6, 6, 8)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = (
        r"y_{ij,\,cM+m} = \sigma\Big(b_{cM+m} + \sum_{u,v} x_{is+ud,\,js+vd,\,c}\, W_{uvcm}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2, "depth_multiplier": 2, "activation": "tanh"}, (2, 3, 4, 2)),
        Example(
            {"kernel_size": (3, 2), "strides": 2, "padding": "same", "use_bias": False},
            (2, 5, 4, 3),
        ),
        Example(
            {"kernel_size": 2, "dilation_rate": (1, 2), "data_format": "channels_first"},
            (2, 2, 3, 4),
        ),
    )


class DepthwiseConv3D(_DepthwiseConv):
    """Slides filters over each channel of a volume by itself, without mixing channels.

    Keras has no such layer; it is to `DepthwiseConv2D` what `Conv3D` is to `Conv2D`, and equals
    ``Conv3D(channels * multiplier, kernel_size, groups=channels)``.

    Shapes: input (batch, depth, height, width, channels), kernel (kernel depth, kernel height,
    kernel width, channels, multiplier), bias (channels * multiplier,), output (batch, planes, rows,
    columns, channels * multiplier); channels second with ``"channels_first"``. What is made of one
    channel stands together. Source: Keras `DepthwiseConv2D`, with one more axis.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.DepthwiseConv3D(3, depth_multiplier=2).compute_output_shape((None, 8, 8, 8, 4))
    (None, 6, 6, 6, 8)
    """

    rank: ClassVar[int] = 3
    in_keras_3: ClassVar[bool] = False
    formula: ClassVar[str] = (
        r"y_{pij,\,cM+m} = \sigma\Big(b_{cM+m} + \sum_{t,u,v} "
        r"x_{ps+td,\,is+ud,\,js+vd,\,c}\, W_{tuvcm}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2, "depth_multiplier": 2, "activation": "tanh"}, (2, 2, 3, 2, 2)),
        Example(
            {
                "kernel_size": (1, 2, 2),
                "strides": (1, 2, 1),
                "padding": "same",
                "data_format": "channels_first",
            },
            (2, 2, 2, 3, 2),
        ),
    )
