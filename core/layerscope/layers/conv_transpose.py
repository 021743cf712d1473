"""Transposed convolution over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field, sizes
from layerscope.layers.convolution import _SharedKernel
from layerscope.layers.layer import Example
from layerscope.ops import shapes
from layerscope.tensor import Shape


class _ConvTranspose(_SharedKernel):
    """Base of the transposed convolutions that differ in the number of spatial axes."""

    output_padding: tuple[int, ...] | None = field(
        default=None,
        converter=sizes,
        per_axis=True,
        ge=0,
        slider=(0, 3),
        after="padding",
        help="How much longer than the shortest possible the output is, less than `strides`; None: "
        "as long as the strides call for.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for axis, (extra, stride) in enumerate(
            zip(self.output_padding or (), self.strides, strict=False)
        ):
            if extra >= stride:
                raise ValueError(
                    "`output_padding` must be strictly less than `strides` for all dimensions. At "
                    f"dimension {axis}, `output_padding` is {extra} but `strides` is {stride}. "
                    f"Received: output_padding={self.output_padding}, strides={self.strides}"
                )

    def _add_kernels(self, channels: int) -> None:
        self.kernel = self._new_kernel(*self.kernel_size, self.filters, channels)

    def _apply_kernels(self, inputs: Any) -> Any:
        return self._convolve(
            ops.conv_transpose,
            ops.biased_conv_transpose,
            inputs,
            self.kernel,
            output_padding=self.output_padding,
        )

    def _output_lengths(self, spatial: Shape) -> Shape:
        return shapes.transposed_windows(
            spatial,
            self.kernel_size,
            self.strides,
            self.padding,
            self.output_padding,
            self.dilation_rate,
        )


class Conv1DTranspose(_ConvTranspose):
    """Makes sequences longer: every step adds a multiple of the kernel to the output.

    The linear map whose matrix is the transpose of that of `Conv1D`, with a bias and an activation.

    Shapes: input (batch, steps, channels), kernel (kernel length, filters, channels), bias
    (filters,), output (batch, length, filters) with the length ``steps * strides`` for ``"same"``;
    channels second with ``"channels_first"``. Source: Zeiler et al. 2010; Keras `Conv1DTranspose`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Conv1DTranspose(16, 3, strides=2).compute_output_shape((None, 4, 1))
    (None, 9, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("Convolution1DTranspose",)
    formula: ClassVar[str] = r"y_{is+ud,\,k} \mathrel{+}= \sum_c x_{ic}\, W_{ukc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 3, "kernel_size": 3, "activation": "tanh"}, (2, 4, 2)),
        Example(
            {
                "filters": 2,
                "kernel_size": 4,
                "strides": 3,
                "padding": "same",
                "output_padding": 1,
                "data_format": "channels_first",
            },
            (2, 2, 3),
        ),
        Example({"filters": 2, "kernel_size": 2, "dilation_rate": 2, "use_bias": False}, (2, 3, 1)),
    )


class Conv2DTranspose(_ConvTranspose):
    """Makes images larger: every pixel adds a multiple of the kernel to the output.

    The linear map whose matrix is the transpose of that of `Conv2D`, with a bias and an activation.

    Shapes: input (batch, height, width, channels), kernel (kernel height, kernel width, filters,
    channels), bias (filters,), output (batch, rows, columns, filters) with ``height * strides``
    rows for ``"same"``; channels second with ``"channels_first"``.
    Source: Zeiler et al. 2010; Keras `Conv2DTranspose`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.Conv2DTranspose(16, 3, strides=2, padding="same")
    >>> layer.compute_output_shape((None, 4, 4, 1))
    (None, 8, 8, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("Convolution2DTranspose",)
    formula: ClassVar[str] = r"y_{is+ud,\,js+vd,\,k} \mathrel{+}= \sum_c x_{ijc}\, W_{uvkc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 3, "kernel_size": 2, "strides": 2}, (2, 2, 3, 2)),
        Example(
            {
                "filters": 2,
                "kernel_size": (3, 2),
                "strides": (2, 3),
                "padding": "same",
                "output_padding": (1, 0),
            },
            (2, 2, 2, 2),
        ),
        Example(
            {"filters": 1, "kernel_size": 3, "padding": "same", "data_format": "channels_first"},
            (2, 2, 3, 3),
        ),
    )


class Conv3DTranspose(_ConvTranspose):
    """Makes volumes larger: every entry adds a multiple of the kernel to the output.

    The linear map whose matrix is the transpose of that of `Conv3D`, with a bias and an activation.

    Shapes: input (batch, depth, height, width, channels), kernel (kernel depth, kernel height,
    kernel width, filters, channels), bias (filters,), output (batch, planes, rows, columns,
    filters) with ``depth * strides`` planes for ``"same"``; channels second with
    ``"channels_first"``. Source: Zeiler et al. 2010; Keras `Conv3DTranspose`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.Conv3DTranspose(16, 3, strides=2, padding="same")
    >>> layer.compute_output_shape((None, 4, 4, 4, 1))
    (None, 8, 8, 8, 16)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("Convolution3DTranspose",)
    formula: ClassVar[str] = (
        r"y_{ps+td,\,is+ud,\,js+vd,\,k} \mathrel{+}= \sum_c x_{pijc}\, W_{tuvkc}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2, "strides": (1, 2, 1)}, (2, 2, 2, 1, 2)),
        Example(
            {
                "filters": 1,
                "kernel_size": 2,
                "strides": 2,
                "padding": "same",
                "output_padding": 1,
                "data_format": "channels_first",
            },
            (2, 2, 2, 1, 2),
        ),
    )

    # Keras takes these two in the other order here than in one and two dimensions.
    output_padding: tuple[int, ...] | None = field(
        default=None,
        converter=sizes,
        per_axis=True,
        ge=0,
        slider=(0, 3),
        after="data_format",
        help="How much longer than the shortest possible the output is, less than `strides`; None: "
        "as long as the strides call for.",
    )
