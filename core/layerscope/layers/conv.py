"""Convolution over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.configurable import field, lower_case
from layerscope.layers.convolution import _SharedKernel
from layerscope.layers.layer import Example
from layerscope.layers.low_rank import _LowRankAdapted
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


class _Conv(_LowRankAdapted, _SharedKernel):
    """Base of the convolutions that differ in the number of spatial axes.

    With a `lora_rank` the kernel is frozen and a product of two small weights is added to it.
    """

    groups: int = field(
        default=1,
        ge=1,
        slider=(1, 8),
        after="dilation_rate",
        help="Number of independent channel groups.",
        refusal="The number of groups must be a positive integer. Received: groups={value}.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % self.groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={self.groups}, filters={self.filters}."
            )

    def _check_channels(self, input_shape: Shape) -> int:
        channels = super()._check_channels(input_shape)
        if channels % self.groups:
            raise ShapeError(
                "The number of input channels must be evenly divisible by the number of groups. "
                f"Received groups={self.groups}, but the input has {channels} channels (full "
                f"input shape is {input_shape})."
            )
        return channels

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self._adapt_when_asked()

    def _add_kernels(self, channels: int) -> None:
        self._kernel = self._new_kernel(*self.kernel_size, channels // self.groups, self.filters)

    @property
    def kernel(self) -> Any:
        """The kernel, with what low-rank adaptation adds to it."""
        return self._effective()

    def _apply_kernels(self, inputs: Any) -> Any:
        return self._convolve(ops.conv, ops.biased_conv, inputs, self.kernel)


class Conv1D(_Conv):
    """Slides a bank of filters over sequences: ``activation(conv(x, kernel) + bias)``.

    Cross-correlation, as in Keras: the kernel is not flipped. With ``"causal"`` padding no output
    depends on later steps.

    Shapes: input (batch, steps, channels), kernel (kernel length, channels / groups, filters), bias
    (filters,), output (batch, windows, filters). With ``"channels_first"`` sequences have their
    channels second; the kernel's layout stays.
    Source: Keras `Conv1D`; causal: van den Oord et al. 2016.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Conv1D(16, 3).compute_output_shape((None, 8, 4))
    (None, 6, 16)
    >>> ls.layers.Conv1D(16, 3, padding="causal").compute_output_shape((None, 8, 4))
    (None, 8, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("Convolution1D",)
    formula: ClassVar[str] = r"y_{ik} = \sigma\Big(b_k + \sum_{u,c} x_{is+ud,\,c}\, W_{uck}\Big)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 3, "kernel_size": 2, "activation": "tanh"}, (2, 5, 2)),
        Example({"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"}, (2, 6, 1)),
        Example(
            {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "padding": "causal"}, (2, 5, 2)
        ),
        Example(
            {"filters": 4, "kernel_size": 2, "groups": 2, "data_format": "channels_first"},
            (2, 4, 5),
        ),
    )

    padding: Literal["valid", "same", "causal"] = field(  # type: ignore[assignment]
        default="valid",
        converter=lower_case,
        after="strides",
        help="Windows inside the sequence only, zeros around it to keep its length, or all zeros "
        "before it so that nothing depends on later steps.",
    )


class Conv2D(_Conv):
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

    rank: ClassVar[int] = 2
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
        Example({"filters": 2, "kernel_size": 2, "lora_rank": 1}, (2, 3, 3, 2)),
    )


class Conv3D(_Conv):
    """Slides a bank of filters over volumes: ``activation(conv(x, kernel) + bias)``.

    Cross-correlation, as in Keras: the kernel is not flipped.

    Shapes: input (batch, depth, height, width, channels), kernel (kernel depth, kernel height,
    kernel width, channels / groups, filters), bias (filters,), output (batch, planes, rows,
    columns, filters). With ``"channels_first"`` volumes have their channels second; the kernel's
    layout stays. Source: Keras `Conv3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Conv3D(16, 3).compute_output_shape((None, 8, 8, 8, 1))
    (None, 6, 6, 6, 16)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("Convolution3D",)
    formula: ClassVar[str] = (
        r"y_{pijk} = \sigma\Big(b_k + \sum_{t,u,v,c} "
        r"x_{ps+td,\,is+ud,\,js+vd,\,c}\, W_{tuvck}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2, "activation": "tanh"}, (2, 3, 2, 3, 2)),
        Example(
            {"filters": 2, "kernel_size": (1, 2, 2), "strides": (1, 2, 1), "padding": "same"},
            (2, 2, 3, 3, 1),
        ),
        Example(
            {"filters": 2, "kernel_size": 2, "groups": 2, "data_format": "channels_first"},
            (2, 2, 2, 3, 2),
        ),
    )
