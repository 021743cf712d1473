"""Enlarging by whole factors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.config import FLOAT_TYPES, DataFormat
from layerscope.configurable import field, lower_case, sizes, whole_number
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.spatial import _Spatial
from layerscope.tensor import Shape


class _UpSampling(_Spatial):
    """Base of layers that repeat the entries of the spatial axes."""

    section: ClassVar[str] = "convolution"

    def _factors(self) -> tuple[int, ...]:
        """Return how often to repeat along each spatial axis."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        for axis, factor in zip(self._axes, self._factors(), strict=True):
            inputs = ops.repeat(inputs, factor, axis=axis)
        return inputs

    def _output_lengths(self, lengths: Shape) -> Shape:
        return tuple(
            None if length is None else length * factor
            for length, factor in zip(lengths, self._factors(), strict=True)
        )


class UpSampling1D(_UpSampling):
    """Repeats each step of a sequence.

    Shapes: input (batch, steps, channels), output (batch, steps * size, channels).
    Source: Keras `UpSampling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.UpSampling1D(3).compute_output_shape((None, 4, 2))
    (None, 12, 2)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = r"y_{i} = x_{\lfloor i / s \rfloor}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 2)),
        Example({"size": 3}, (2, 2, 1)),
    )

    size: int = field(
        default=2,
        converter=whole_number("size"),
        ge=1,
        slider=(1, 5),
        help="How often to repeat each step.",
        refusal="Argument `size` should be a positive integer. Received: size={value}",
    )

    def _factors(self) -> tuple[int, ...]:
        return (self.size,)


class UpSampling2D(_UpSampling):
    """Enlarges images by repeating entries or interpolating between them.

    Interpolation takes an entry to stand in the middle of its cell and repeats the border.

    Shapes: input (batch, height, width, channels), output (batch, height * rows, width * columns,
    channels); channels second with ``"channels_first"``. Source: Keras `UpSampling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.UpSampling2D((2, 3)).compute_output_shape((None, 4, 4, 1))
    (None, 8, 12, 1)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = r"y_{ij} = x_{\lfloor i / s \rfloor,\, \lfloor j / s \rfloor}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 2, 2)),
        Example({"size": (2, 3), "interpolation": "bilinear"}, (2, 3, 2, 1)),
        Example({"interpolation": "bicubic", "data_format": "channels_first"}, (2, 1, 3, 4)),
        Example({"size": 3, "interpolation": "lanczos3"}, (1, 2, 3, 1)),
    )

    size: tuple[int, int] = field(
        default=(2, 2),
        converter=sizes,
        ge=1,
        slider=(1, 5),
        help="Factors of the height and the width.",
    )
    data_format: DataFormat | None = data_format_field()
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = field(
        default="nearest", converter=lower_case, help="How the entries in between are made."
    )

    def _factors(self) -> tuple[int, ...]:
        return self.size

    def call(self, inputs: Any) -> Any:
        if self.interpolation == "nearest" and str(inputs.dtype) not in FLOAT_TYPES:
            # Only copies keep other types.
            return super().call(inputs)
        size = [n * inputs.shape[axis] for axis, n in zip(self._axes, self.size, strict=True)]
        return ops.image.resize(
            inputs, size, interpolation=self.interpolation, data_format=self.data_format
        )


class UpSampling3D(_UpSampling):
    """Repeats the entries of volumes along each spatial axis.

    Shapes: input (batch, depth, height, width, channels), output with each spatial axis times its
    factor; channels second with ``"channels_first"``. Source: Keras `UpSampling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.UpSampling3D().compute_output_shape((None, 2, 3, 4, 1))
    (None, 4, 6, 8, 1)
    """

    rank: ClassVar[int] = 3
    formula: ClassVar[str] = (
        r"y_{hij} = x_{\lfloor h / s \rfloor,\, \lfloor i / s \rfloor,\, \lfloor j / s \rfloor}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (1, 2, 1, 2, 2)),
        Example({"size": (1, 2, 3), "data_format": "channels_first"}, (1, 2, 2, 1, 2)),
    )

    size: tuple[int, int, int] = field(
        default=(2, 2, 2), converter=sizes, ge=1, slider=(1, 5), help="Factor of each spatial axis."
    )
    data_format: DataFormat | None = data_format_field()

    def _factors(self) -> tuple[int, ...]:
        return self.size
