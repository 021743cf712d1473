"""Adding zeros around the borders."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field, sizes
from layerscope.layers.borders import Borders, pairs_of
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.spatial import _Spatial
from layerscope.tensor import Shape


class _ZeroPadding(_Spatial):
    """Base of layers that add zeros at both ends of the spatial axes."""

    section: ClassVar[str] = "convolution"

    def _borders(self) -> Borders:
        """Return how many zeros to add before and after each spatial axis."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        widths = [(0, 0)] * len(inputs.shape)
        for axis, border in zip(self._axes, self._borders(), strict=True):
            widths[axis] = border
        return ops.pad(inputs, widths)

    def _output_lengths(self, lengths: Shape) -> Shape:
        return tuple(
            None if length is None else length + sum(border)
            for length, border in zip(lengths, self._borders(), strict=True)
        )


class ZeroPadding1D(_ZeroPadding):
    """Adds zeros at both ends of a sequence.

    Shapes: input (batch, steps, channels), output (batch, steps + before + after, channels);
    channels second with ``"channels_first"``. Source: Keras `ZeroPadding1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ZeroPadding1D((1, 2)).compute_output_shape((None, 5, 3))
    (None, 8, 3)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = r"y_{i} = x_{i - a}\ \text{or}\ 0"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 2)),
        Example({"padding": (2, 0), "data_format": "channels_first"}, (2, 2, 3)),
    )

    padding: tuple[int, int] = field(
        default=1,
        converter=sizes,
        ge=0,
        slider=(0, 4),
        help="Zeros to add at the start and the end, or one number for both.",
    )
    data_format: DataFormat | None = data_format_field()

    def _borders(self) -> Borders:
        return (self.padding,)


class ZeroPadding2D(_ZeroPadding):
    """Adds rows and columns of zeros around images.

    Shapes: input (batch, height, width, channels), output (batch, height + top + bottom, width +
    left + right, channels); channels second with ``"channels_first"``.
    Source: Keras `ZeroPadding2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ZeroPadding2D(((1, 2), (0, 1))).compute_output_shape((None, 5, 5, 3))
    (None, 8, 6, 3)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = r"y_{ij} = x_{i - t,\, j - l}\ \text{or}\ 0"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 2, 2)),
        Example({"padding": ((1, 0), (0, 2))}, (2, 3, 2, 1)),
        Example({"padding": (1, 2), "data_format": "channels_first"}, (2, 1, 3, 2)),
    )

    padding: Borders = field(
        default=(1, 1),
        converter=pairs_of(2, "padding"),
        help="((top, bottom), (left, right)), (rows, columns) for both ends, or one number.",
    )
    data_format: DataFormat | None = data_format_field()

    def _borders(self) -> Borders:
        return self.padding


class ZeroPadding3D(_ZeroPadding):
    """Adds planes, rows and columns of zeros around volumes.

    Shapes: input (batch, depth, height, width, channels), output with each spatial axis longer by
    its two pads; channels second with ``"channels_first"``. Source: Keras `ZeroPadding3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.ZeroPadding3D().compute_output_shape((None, 2, 3, 4, 1))
    (None, 4, 5, 6, 1)
    """

    rank: ClassVar[int] = 3
    formula: ClassVar[str] = r"y_{hij} = x_{h - f,\, i - t,\, j - l}\ \text{or}\ 0"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (1, 2, 1, 2, 2)),
        Example(
            {"padding": ((1, 0), (0, 0), (0, 2)), "data_format": "channels_first"}, (1, 2, 2, 1, 2)
        ),
        Example({"padding": (0, 1, 0)}, (1, 2, 1, 2, 1)),
    )

    padding: Borders = field(
        default=((1, 1), (1, 1), (1, 1)),
        converter=pairs_of(3, "padding"),
        help="((before, after), ...) per axis, a number per axis for both ends, or one number.",
    )
    data_format: DataFormat | None = data_format_field()

    def _borders(self) -> Borders:
        return self.padding
