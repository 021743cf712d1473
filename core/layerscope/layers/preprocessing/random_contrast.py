"""Contrast and brightness changed at random."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    like,
    limits_of,
    seed_field,
    value_range_field,
)
from layerscope.random import Seed


class RandomContrast(_RandomImageLayer):
    """Brings pixels nearer to the mean of their channel or farther from it; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomContrast`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomContrast(0.0)
    >>> layer(np.array([10.0, 300.0]).reshape(1, 1, 2, 1)).ravel()
    array([ 10., 255.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = (x - \bar x) f + \bar x"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.5, "value_range": [-2, 2], "seed": 1}, (3, 4, 5, 2)),
        Example({"factor": [0.2, 0.6], "value_range": [-9, 9], "seed": 1,
                 "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    factor: Any = field(
        converter=limits_of("factor", 0, 1), help="Largest relative change, or one for each way."
    )
    value_range: tuple[float, float] = value_range_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        less, more = self.factor
        factor = self._uniform((shape[0], 1, 1, 1), (1 - less, 1 + more), seed)
        return {"contrast_factor": factor}

    def _transform(self, images: Any, transformation: Any) -> Any:
        mean = ops.mean(images, axis=(self._height_axis, self._width_axis), keepdims=True)
        changed = (images - mean) * transformation["contrast_factor"] + mean
        return ops.clip(changed, *self.value_range)


class RandomBrightness(_RandomImageLayer):
    """Adds a number drawn for each image to all its pixels; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Whole numbers
    remain such. Source: Keras `RandomBrightness`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))
    >>> layer(np.array([0.25, 0.75]).reshape(1, 1, 2, 1)).ravel()
    array([0.75, 1.  ], dtype=float32)
    """

    keeps_type = True
    formula: ClassVar[str] = r"y = x + f\,(b - a)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.3, "value_range": [-2, 2], "seed": 1}, (3, 4, 5, 2)),
    )

    factor: Any = field(
        converter=limits_of("factor", -1, 1), help="Largest part of the range added, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        low, high = self.value_range
        delta = self._uniform((shape[0], 1, 1, 1), self.factor, seed) * (high - low)
        return {"rgb_delta": delta.astype(self.dtype)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        delta = transformation["rgb_delta"]
        if not str(images.dtype).startswith("float"):
            delta = np.trunc(delta)
        return like(images, ops.clip(images + delta, *self.value_range))
