"""Pooling to a length that is asked for, whatever the input's is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.spatial import _Spatial
from layerscope.tensor import Shape


def _lengths(value: int | tuple[int, ...]) -> Any:
    if not isinstance(value, (int, np.integer, tuple, list)):
        raise TypeError(
            "Argument `output_size` must be an integer or a tuple of integers. "
            f"Received: output_size={value!r} (of type {type(value).__name__})"
        )
    return value


class _AdaptivePooling(_Spatial):
    """Base of layers that cut each axis into windows, as many as the output is to be long.

    Window i of n over a length L begins at floor(i L / n) and ends before ceil((i + 1) L / n), so
    that neighbours overlap where n does not divide L.
    """

    section: ClassVar[str] = "pooling"

    output_size: tuple[int, ...] = field(
        converter=_lengths, ge=1, slider=(1, 8), per_axis=True, help="Lengths of the output."
    )
    data_format: DataFormat | None = data_format_field()

    def _output_lengths(self, lengths: Shape) -> Shape:
        return self.output_size

    def _pooled(self, inputs: Any, reduce: Callable[..., Any]) -> Any:
        """Reduce the windows of one axis after the other, which gives those of all together."""
        for axis, count in zip(self._axes, self.output_size, strict=True):
            length = inputs.shape[axis]
            parts = []
            for index in range(count):
                window: list[Any] = [slice(None)] * len(inputs.shape)
                window[axis] = slice(index * length // count, -(-(index + 1) * length // count))
                parts.append(reduce(inputs[tuple(window)], axis=axis, keepdims=True))
            inputs = ops.concatenate(parts, axis=axis)
        return inputs


class _AdaptiveAveragePooling(_AdaptivePooling):
    """Keeps the mean of each window."""

    def call(self, inputs: Any) -> Any:
        return self._pooled(inputs, ops.mean)


class _AdaptiveMaxPooling(_AdaptivePooling):
    """Keeps the largest value of each window."""

    def call(self, inputs: Any) -> Any:
        return self._pooled(inputs, ops.max)


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """Keeps the mean of each window of a sequence, for an output of a given size.

    Shapes: input (batch, steps, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveAveragePooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveAveragePooling1D(3).compute_output_shape((None, 9, 16))
    (None, 3, 16)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = r"y_{ic} = \frac{1}{|W_i|} \sum_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": 3}, (2, 7, 3)),
        Example({"output_size": 2, "data_format": "channels_first"}, (2, 3, 5)),
    )


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """Keeps the mean of each window of an image, for an output of a given size.

    Shapes: input (batch, height, width, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveAveragePooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveAveragePooling2D(3).compute_output_shape((None, 9, 6, 16))
    (None, 3, 3, 16)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = r"y_{ic} = \frac{1}{|W_i|} \sum_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": (3, 2)}, (2, 5, 4, 3)),
        Example({"output_size": 2, "data_format": "channels_first"}, (2, 3, 4, 5)),
    )


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """Keeps the mean of each window of a volume, for an output of a given size.

    Shapes: input (batch, depth, height, width, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveAveragePooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveAveragePooling3D(3).compute_output_shape((None, 9, 6, 4, 16))
    (None, 3, 3, 3, 16)
    """

    rank: ClassVar[int] = 3
    formula: ClassVar[str] = r"y_{ic} = \frac{1}{|W_i|} \sum_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": (2, 3, 1)}, (2, 3, 4, 3, 2)),
        Example({"output_size": 2, "data_format": "channels_first"}, (1, 2, 4, 3, 3)),
    )


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """Keeps the largest value of each window of a sequence, for an output of a given size.

    Shapes: input (batch, steps, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveMaxPooling1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveMaxPooling1D(3).compute_output_shape((None, 9, 16))
    (None, 3, 16)
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = r"y_{ic} = \max_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": 3}, (2, 7, 3)),
        Example({"output_size": 2, "data_format": "channels_first"}, (2, 3, 5)),
    )


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """Keeps the largest value of each window of an image, for an output of a given size.

    Shapes: input (batch, height, width, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveMaxPooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveMaxPooling2D(3).compute_output_shape((None, 9, 6, 16))
    (None, 3, 3, 16)
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = r"y_{ic} = \max_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": (3, 2)}, (2, 5, 4, 3)),
        Example({"output_size": 2, "data_format": "channels_first"}, (2, 3, 4, 5)),
    )


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """Keeps the largest value of each window of a volume, for an output of a given size.

    Shapes: input (batch, depth, height, width, channels), output (batch, *output_size, channels);
    channels second with ``"channels_first"``. Source: Keras `AdaptiveMaxPooling3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.AdaptiveMaxPooling3D(3).compute_output_shape((None, 9, 6, 4, 16))
    (None, 3, 3, 3, 16)
    """

    rank: ClassVar[int] = 3
    formula: ClassVar[str] = r"y_{ic} = \max_{u \in W_i} x_{uc}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"output_size": (2, 3, 1)}, (2, 3, 4, 3, 2)),
        Example({"output_size": 2, "data_format": "channels_first"}, (1, 2, 4, 3, 3)),
    )
