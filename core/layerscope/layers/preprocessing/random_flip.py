"""Mirror images, at random."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    for_each_image,
    seed_field,
)
from layerscope.random import Seed


class RandomFlip(_RandomImageLayer):
    """Mirrors every second image, on average; at inference nothing changes.

    In both directions an image is mirrored in both or in none, as in Keras.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomFlip`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomFlip("horizontal", seed=1)
    >>> layer(np.arange(3.0).reshape(1, 1, 3, 1)).ravel()
    array([0., 1., 2.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{i,j} = x_{i,\ W-1-j},\ p = \tfrac{1}{2}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"mode": "horizontal", "seed": 1}, (4, 3, 4, 2)),
        Example({"seed": 1, "data_format": "channels_first"}, (4, 1, 3, 4)),
    )

    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = field(
        default="horizontal_and_vertical", help="Which way to mirror."
    )
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        flips = self._uniform((shape[0],), (0, 1), seed) <= 0.5
        return {"flips": for_each_image(flips), "input_shape": shape}

    def _transform(self, images: Any, transformation: Any) -> Any:
        mirrored = images
        if self.mode != "vertical":
            mirrored = ops.flip(mirrored, axis=self._width_axis)
        if self.mode != "horizontal":
            mirrored = ops.flip(mirrored, axis=self._height_axis)
        return ops.where(transformation["flips"], mirrored, images)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._transform(masks, transformation)
