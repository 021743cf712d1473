"""Maximum and average pooling over windows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field, lower_case, sizes
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.spatial import _Spatial
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


class _Pooling(_Spatial):
    """Base of layers that keep one value of each window."""

    section: ClassVar[str] = "pooling"
    _positional: ClassVar[dict[str, str]] = {"name": "data_format"}

    pool_size: tuple[int, ...] = field(
        default=2, converter=sizes, ge=1, slider=(1, 6), per_axis=True, help="Window lengths."
    )
    strides: tuple[int, ...] | None = field(
        default=None,
        converter=sizes,
        ge=1,
        slider=(1, 6),
        per_axis=True,
        help="Step between windows; None: the pool size.",
    )
    padding: Literal["valid", "same"] = field(
        default="valid",
        converter=lower_case,
        help="Whole windows only, or also those that reach over the edge.",
    )
    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.strides = self.pool_size if self.strides is None else self.strides

    def _windows(self) -> dict[str, Any]:
        """Return the options of the operation."""
        return {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }

    def _output_lengths(self, lengths: Shape) -> Shape:
        out = shapes.windows(lengths, self.pool_size, self.strides or self.pool_size, self.padding)
        if any(n == 0 and length != 0 for n, length in zip(out, lengths, strict=True)):
            raise ShapeError(
                "Computed output size would be zero or negative. Received: spatial input shape "
                f"{lengths}, pool_size={self.pool_size}, strides={self.strides}, "
                f"padding={self.padding!r}."
            )
        return out


class _MaxPooling(_Pooling):
    """Keeps the largest value of each window."""

    def call(self, inputs: Any) -> Any:
        return ops.max_pool(inputs, **self._windows())


class _AveragePooling(_Pooling):
    """Keeps the mean of each window."""

    pool_size: tuple[int, ...] = field(
        converter=sizes, ge=1, slider=(1, 6), per_axis=True, help="Window lengths."
    )

    def call(self, inputs: Any) -> Any:
        return ops.average_pool(inputs, **self._windows())


class MaxPooling1D(_MaxPooling):
    """Keeps the largest value of each window of a sequence.

    Shapes: input (batch, steps, channels), output (batch, windows, channels); channels second with
    ``"channels_first"``. Padding never wins. Source: Keras `MaxPooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.MaxPooling1D().compute_output_shape((None, 8, 16))
    (None, 4, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("MaxPool1D",)
    formula: ClassVar[str] = r"y_{ic} = \max_{u} x_{is+u,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 6, 3)),
        Example({"pool_size": 3, "strides": 2, "padding": "same"}, (2, 6, 2)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (2, 3, 5)),
    )


class MaxPooling2D(_MaxPooling):
    """Keeps the largest value of each window of an image.

    Shapes: input (batch, height, width, channels), output (batch, rows, columns, channels);
    channels second with ``"channels_first"``. Padding never wins. Source: Keras `MaxPooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.MaxPooling2D().compute_output_shape((None, 6, 6, 16))
    (None, 3, 3, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("MaxPool2D",)
    formula: ClassVar[str] = r"y_{ijc} = \max_{u,v} x_{is+u,\,js+v,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 4, 6, 3)),
        Example({"pool_size": (3, 2), "strides": 2, "padding": "same"}, (2, 5, 4, 2)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (2, 3, 4, 4)),
    )


class MaxPooling3D(_MaxPooling):
    """Keeps the largest value of each window of a volume.

    Shapes: input (batch, depth, height, width, channels), output (batch, planes, rows, columns,
    channels); channels second with ``"channels_first"``. Padding never wins. Source: Keras
    `MaxPooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.MaxPooling3D().compute_output_shape((None, 4, 6, 6, 8))
    (None, 2, 3, 3, 8)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("MaxPool3D",)
    formula: ClassVar[str] = r"y_{hijc} = \max_{t,u,v} x_{hs+t,\,is+u,\,js+v,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (1, 2, 4, 4, 2)),
        Example({"pool_size": (1, 3, 2), "strides": 2, "padding": "same"}, (2, 3, 4, 3, 1)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (1, 2, 3, 3, 2)),
    )


class AveragePooling1D(_AveragePooling):
    """Keeps the mean of each window of a sequence.

    Shapes: input (batch, steps, channels), output (batch, windows, channels); channels second with
    ``"channels_first"``. Padding does not count. Source: Keras `AveragePooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AveragePooling1D(2).compute_output_shape((None, 8, 16))
    (None, 4, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("AvgPool1D",)
    formula: ClassVar[str] = r"y_{ic} = \frac{1}{n} \sum_{u} x_{is+u,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"pool_size": 2}, (2, 6, 3)),
        Example({"pool_size": 3, "strides": 2, "padding": "same"}, (2, 6, 2)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (2, 3, 5)),
    )


class AveragePooling2D(_AveragePooling):
    """Keeps the mean of each window of an image.

    Shapes: input (batch, height, width, channels), output (batch, rows, columns, channels);
    channels second with ``"channels_first"``. Padding does not count. Source: Keras
    `AveragePooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AveragePooling2D(2).compute_output_shape((None, 6, 6, 16))
    (None, 3, 3, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("AvgPool2D",)
    formula: ClassVar[str] = r"y_{ijc} = \frac{1}{n} \sum_{u,v} x_{is+u,\,js+v,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"pool_size": 2}, (2, 4, 6, 3)),
        Example({"pool_size": (3, 2), "strides": 2, "padding": "same"}, (2, 5, 4, 2)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (2, 3, 4, 4)),
    )


class AveragePooling3D(_AveragePooling):
    """Keeps the mean of each window of a volume.

    Shapes: input (batch, depth, height, width, channels), output (batch, planes, rows, columns,
    channels); channels second with ``"channels_first"``. Padding does not count. Source: Keras
    `AveragePooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AveragePooling3D(2).compute_output_shape((None, 4, 6, 6, 8))
    (None, 2, 3, 3, 8)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("AvgPool3D",)
    formula: ClassVar[str] = r"y_{hijc} = \frac{1}{n} \sum_{t,u,v} x_{hs+t,\,is+u,\,js+v,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"pool_size": 2}, (1, 2, 4, 4, 2)),
        Example({"pool_size": (1, 3, 2), "strides": 2, "padding": "same"}, (2, 3, 4, 3, 1)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (1, 2, 3, 3, 2)),
    )
