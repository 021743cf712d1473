"""Tones of images mapped to others: solarized, spread evenly, spread to the full range."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.affine_layer import checked_factor
from layerscope.layers.preprocessing.image_layer import (
    _ImageLayer,
    _RandomImageLayer,
    is_number,
    rescaled,
    seed_field,
    value_range_field,
)
from layerscope.random import Seed


def _from_zero(name: str) -> Any:
    check = checked_factor(name, lambda value: 0 <= value <= 1, "[0, 1]")

    def convert(value: Any) -> tuple[float, float]:
        check(value)
        return (0, value) if is_number(value) else (min(value), max(value))

    return convert


class Solarization(_RandomImageLayer):
    """Brightens images, then inverts what is brighter than a threshold; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `Solarization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.Solarization()
    >>> layer(np.array([0.0, 200.0]).reshape(1, 1, 2, 1)).ravel()
    array([255.,  55.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = x + a\ \text{if}\ x + a < t,\ 255 - x - a\ \text{otherwise}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"addition_factor": 0.2, "threshold_factor": 0.8, "value_range": [-4, 4],
                 "seed": 1}, (3, 4, 5, 2)),
    )  # fmt: skip

    addition_factor: Any = field(
        default=0.0, converter=_from_zero("addition_factor"), help="Largest brightening, or limits."
    )
    threshold_factor: Any = field(
        default=0.0, converter=_from_zero("threshold_factor"), help="Largest threshold, or limits."
    )
    value_range: tuple[float, float] = value_range_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        def draw(factor: Any) -> np.ndarray:
            # As in Keras, only the upper limit is a part of the range.
            return self._uniform((shape[0], 1, 1, 1), (factor[0], factor[1] * 255), seed)

        return {
            "additions": draw(self.addition_factor),
            "thresholds": draw(self.threshold_factor),
        }

    def _transform(self, images: Any, transformation: Any) -> Any:
        levels = rescaled(images, self.value_range, (0, 255))
        levels = ops.clip(levels + transformation["additions"], 0, 255)
        levels = ops.where(levels < transformation["thresholds"], levels, 255 - levels)
        return rescaled(levels, (0, 255), self.value_range)


class AutoContrast(_ImageLayer):
    """Spreads the tones of each channel of an image over the full range, also at inference.

    Keras takes the extremes over the second and third axis whatever the layout is.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `AutoContrast`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.AutoContrast()(np.array([50.0, 75.0, 100.0]).reshape(1, 1, 3, 1)).ravel()
    array([  0. , 127.5, 255. ], dtype=float32)
    """

    formula: ClassVar[str] = r"y = a + (b - a)\frac{x - \min x}{\max x - \min x}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (3, 4, 5, 2)),
        Example({"value_range": [0, 1]}, (2, 3, 4, 3)),
    )

    value_range: tuple[float, float] = value_range_field()

    def _transform(self, images: Any, transformation: Any) -> Any:
        axes = (self._height_axis, self._width_axis)
        low = ops.min(images, axis=axes, keepdims=True)
        spread = ops.max(images, axis=axes, keepdims=True) - low
        flat = spread <= 0
        unit = ops.clip((images - low) / ops.where(flat, 1.0, spread), 0.0, 1.0)
        return ops.where(flat, images, rescaled(unit, (0, 1), self.value_range))

    def _at_inference(self, images: Any) -> Any:
        return self._transform(images, None)


class Equalization(_ImageLayer):
    """Spreads the tones of each channel evenly over the range, all images alike; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `Equalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Equalization()(np.array([10.0, 20.0, 30.0]).reshape(1, 1, 3, 1)).ravel()
    array([  0., 128., 255.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = 255\,\frac{F(x) - F_{\min}}{n - F_{\min}}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"value_range": [-4, 4]}, (3, 4, 5, 2)),
        Example({"value_range": [-4, 4], "bins": 16, "data_format": "channels_first"},
                (2, 2, 4, 3)),
    )  # fmt: skip

    value_range: tuple[float, float] = value_range_field()
    bins: int = field(default=256, ge=1, slider=(2, 256), help="How many tones are told apart.")
    data_format: DataFormat | None = data_format_field()

    def _transform(self, images: Any, transformation: Any) -> Any:
        values = ops.convert_to_numpy(images)
        levels = rescaled(values, self.value_range, (0, 255)).astype("float32")
        channels = np.moveaxis(levels, self._channel_axis, 0)
        equalized = np.stack([self._equalized(channel) for channel in channels])
        restored = np.moveaxis(equalized, 0, self._channel_axis)
        return rescaled(restored, (0, 255), self.value_range).astype(self.dtype)

    def _equalized(self, channel: np.ndarray) -> np.ndarray:
        """Return one channel, with levels to 255, through its own distribution function."""
        last = self.bins - 1
        places = np.clip((channel * last / 255).astype(int), 0, last)
        counts = np.bincount(places.ravel(), minlength=self.bins)
        if np.count_nonzero(counts) <= 1:
            return channel
        below = counts.cumsum()
        first = below[below > 0][0]
        table = np.clip(np.round((below - first) * 255 / (below[-1] - first)), 0, 255)
        return table[np.clip(channel / np.float32(255.0) * last, 0, last).astype(int)]
