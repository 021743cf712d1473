"""Maximum and average over all spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.masked import follows
from layerscope.layers.spatial import _Spatial
from layerscope.tensor import Shape


class _GlobalPooling(_Spatial):
    """Base of layers that keep one value per channel."""

    section: ClassVar[str] = "pooling"

    data_format: DataFormat | None = data_format_field()
    keepdims: bool = field(default=False, help="Whether to keep the spatial axes, of length one.")

    def _output_lengths(self, lengths: Shape) -> Shape:
        return (1,) * len(lengths) if self.keepdims else ()


class _GlobalMaxPooling(_GlobalPooling):
    """Keeps the largest value of each channel."""

    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    """Keeps the mean of each channel."""

    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """Keeps the largest value of each channel of a sequence.

    Shapes: input (batch, steps, channels), channels second with ``"channels_first"``; output
    (batch, channels), with unit axes for `keepdims`. Source: Keras `GlobalMaxPooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalMaxPooling1D().compute_output_shape((None, 8, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("GlobalMaxPool1D",)
    formula: ClassVar[str] = r"y_{c} = \max_{i} x_{ic}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 4, 3)),
        Example({"keepdims": True, "data_format": "channels_first"}, (2, 3, 4)),
    )


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """Keeps the largest value of each channel of an image.

    Shapes: input (batch, height, width, channels), channels second with ``"channels_first"``;
    output (batch, channels), with unit axes for `keepdims`. Source: Keras `GlobalMaxPooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalMaxPooling2D().compute_output_shape((None, 6, 6, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("GlobalMaxPool2D",)
    formula: ClassVar[str] = r"y_{c} = \max_{i,j} x_{ijc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 4, 3)),
        Example({"keepdims": True}, (2, 3, 3, 2)),
        Example({"data_format": "channels_first"}, (2, 3, 2, 4)),
    )


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """Keeps the largest value of each channel of a volume.

    Shapes: input (batch, depth, height, width, channels), channels second with
    ``"channels_first"``; output (batch, channels), with unit axes for `keepdims`. Source: Keras
    `GlobalMaxPooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalMaxPooling3D().compute_output_shape((None, 4, 6, 6, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("GlobalMaxPool3D",)
    formula: ClassVar[str] = r"y_{c} = \max_{h,i,j} x_{hijc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 2, 3, 2, 3)),
        Example({"keepdims": True, "data_format": "channels_first"}, (2, 2, 2, 3, 2)),
    )


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """Keeps the mean of each channel of a sequence.

    With a mask, only the steps that count enter the mean.

    Shapes: input (batch, steps, channels), channels second with ``"channels_first"``; output
    (batch, channels), with unit axes for `keepdims`; the mask is (batch, steps).
    Source: Keras `GlobalAveragePooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalAveragePooling1D().compute_output_shape((None, 8, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ("GlobalAvgPool1D",)
    formula: ClassVar[str] = r"y_{c} = \frac{1}{n} \sum_{i} x_{ic}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 4, 3)),
        Example({"keepdims": True, "data_format": "channels_first"}, (2, 3, 4)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        steps = self._axes[0]
        weights = ops.expand_dims(ops.cast(mask, self.dtype), 3 - steps)
        total = ops.sum(inputs * weights, axis=steps, keepdims=self.keepdims)
        return total / ops.sum(weights, axis=steps, keepdims=self.keepdims)

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """No step is left that a mask could name."""


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """Keeps the mean of each channel of an image.

    Shapes: input (batch, height, width, channels), channels second with ``"channels_first"``;
    output (batch, channels), with unit axes for `keepdims`. Source: Keras `GlobalAveragePooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalAveragePooling2D().compute_output_shape((None, 6, 6, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 2
    aliases: ClassVar[tuple[str, ...]] = ("GlobalAvgPool2D",)
    formula: ClassVar[str] = r"y_{c} = \frac{1}{n} \sum_{i,j} x_{ijc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 4, 3)),
        Example({"keepdims": True}, (2, 3, 3, 2)),
        Example({"data_format": "channels_first"}, (2, 3, 2, 4)),
    )


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """Keeps the mean of each channel of a volume.

    Shapes: input (batch, depth, height, width, channels), channels second with
    ``"channels_first"``; output (batch, channels), with unit axes for `keepdims`. Source: Keras
    `GlobalAveragePooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.GlobalAveragePooling3D().compute_output_shape((None, 4, 6, 6, 16))
    (None, 16)
    """

    rank: ClassVar[int] = 3
    aliases: ClassVar[tuple[str, ...]] = ("GlobalAvgPool3D",)
    formula: ClassVar[str] = r"y_{c} = \frac{1}{n} \sum_{h,i,j} x_{hijc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 2, 3, 2, 3)),
        Example({"keepdims": True, "data_format": "channels_first"}, (2, 2, 2, 3, 2)),
    )
