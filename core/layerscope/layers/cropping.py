"""Cutting the borders off."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.config import DataFormat
from layerscope.configurable import field, sizes
from layerscope.layers.borders import Borders, pairs_of
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.spatial import _Spatial
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


class _Cropping(_Spatial):
    """Base of layers that cut entries off both ends of the spatial axes."""

    section: ClassVar[str] = "convolution"
    _too_much: ClassVar[str] = (
        "Values in `cropping` argument should be smaller than the corresponding spatial"
    )

    def _borders(self) -> Borders:
        """Return how many entries to cut before and after each spatial axis."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        lengths = self._output_lengths(tuple(inputs.shape[axis] for axis in self._axes))
        key: list[Any] = [slice(None)] * len(inputs.shape)
        for axis, (before, after), length in zip(self._axes, self._borders(), lengths, strict=True):
            stop = -after or None if length is None else before + length
            key[axis] = slice(before, stop)
        return inputs[tuple(key)]

    def _output_lengths(self, lengths: Shape) -> Shape:
        out = tuple(
            None if length is None else length - sum(border)
            for length, border in zip(lengths, self._borders(), strict=True)
        )
        if any(length is not None and length <= 0 for length in out):
            raise ShapeError(
                f"{self._too_much} dimension of the input. Received: spatial input shape "
                f"{lengths}, cropping={self._borders()}"
            )
        return out


class Cropping1D(_Cropping):
    """Cuts steps off both ends of a sequence.

    Shapes: input (batch, steps, channels), output (batch, steps - before - after, channels).
    Source: Keras `Cropping1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Cropping1D((1, 2)).compute_output_shape((None, 8, 3))
    (None, 5, 3)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = r"y_{i} = x_{i + a}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 5, 3)),
        Example({"cropping": (2, 0)}, (2, 4, 2)),
    )
    _too_much: ClassVar[str] = (
        "`cropping` parameter of `Cropping1D` layer must be smaller than the spatial"
    )

    cropping: tuple[int, int] = field(
        default=(1, 1),
        converter=sizes,
        ge=0,
        slider=(0, 4),
        help="Steps to cut off at the start and the end, or one number for both.",
    )

    def _borders(self) -> Borders:
        return (self.cropping,)


class Cropping2D(_Cropping):
    """Cuts rows and columns off the borders of images.

    Shapes: input (batch, height, width, channels), output (batch, height - top - bottom, width -
    left - right, channels); channels second with ``"channels_first"``. Source: Keras `Cropping2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Cropping2D(((1, 2), (0, 1))).compute_output_shape((None, 8, 8, 3))
    (None, 5, 7, 3)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = r"y_{ij} = x_{i + t,\, j + l}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"cropping": 1}, (2, 4, 5, 2)),
        Example({"cropping": ((1, 0), (0, 2))}, (2, 3, 4, 2)),
        Example({"cropping": (1, 2), "data_format": "channels_first"}, (2, 2, 4, 6)),
    )

    cropping: Borders = field(
        default=((0, 0), (0, 0)),
        converter=pairs_of(2, "cropping"),
        help="((top, bottom), (left, right)), (rows, columns) for both ends, or one number.",
    )
    data_format: DataFormat | None = data_format_field()

    def _borders(self) -> Borders:
        return self.cropping


class Cropping3D(_Cropping):
    """Cuts planes, rows and columns off the borders of volumes.

    Shapes: input (batch, depth, height, width, channels), output with each spatial axis shorter by
    its two crops; channels second with ``"channels_first"``. Source: Keras `Cropping3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Cropping3D().compute_output_shape((None, 8, 6, 4, 3))
    (None, 6, 4, 2, 3)
    """

    rank: ClassVar[int] = 3
    formula: ClassVar[str] = r"y_{hij} = x_{h + f,\, i + t,\, j + l}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 4, 3, 2)),
        Example(
            {"cropping": ((1, 0), (0, 0), (0, 2)), "data_format": "channels_first"}, (1, 2, 3, 2, 4)
        ),
        Example({"cropping": (0, 1, 0)}, (1, 2, 3, 2, 1)),
    )

    cropping: Borders = field(
        default=((1, 1), (1, 1), (1, 1)),
        converter=pairs_of(3, "cropping"),
        help="((before, after), ...) per axis, a number per axis for both ends, or one number.",
    )
    data_format: DataFormat | None = data_format_field()

    def _borders(self) -> Borders:
        return self.cropping
