"""Parts of images, from random places."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import _RandomImageLayer, seed_field
from layerscope.layers.preprocessing.resizing import _ImagesOfSize
from layerscope.random import Seed, make_seed


class RandomCrop(_RandomImageLayer, _ImagesOfSize):
    """Cuts a part out of images, from a place that is drawn for the batch; at inference the middle.

    Images that are not larger than the part are cut to its proportions and enlarged. Keras
    announces the size of the part at inference too, but gives the whole image then.

    Shapes: input (batch, h, w, channels) or one image, output (batch, height, width, channels);
    channels before height with ``"channels_first"``. Source: Keras `RandomCrop`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomCrop(1, 2, seed=0)
    >>> layer(np.arange(12.0).reshape(1, 3, 4, 1), training=False).ravel()
    array([5., 6.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{i,j} = x_{i+u,\ j+v}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"height": 2, "width": 3, "seed": 1}, (2, 4, 6, 2)),
        Example({"height": 5, "width": 3, "seed": 1}, (2, 4, 4, 1)),
        Example({"height": 2, "width": 2, "seed": 1, "data_format": "channels_first"},
                (2, 1, 3, 5)),
    )  # fmt: skip
    _positional: ClassVar[dict[str, str]] = {"name": "data_format"}

    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        if self.seed is None:
            self.seed = make_seed()
        super().__post_init__()

    def get_random_transformation(
        self, data: Any, training: bool = True, seed: Any = None
    ) -> tuple[int, int]:
        """Draw the row and the column where the part begins; at inference that of the middle."""
        drawn = super().get_random_transformation(data, training, seed)
        if drawn is not None:
            return drawn
        images = data["images"] if isinstance(data, dict) else data
        return self._middle(*self._lengths(images.shape))

    def _draw(self, shape: Any, seed: Any) -> tuple[int, int]:
        height, width = self._lengths(shape)
        if height <= self.height or width <= self.width:
            return self._middle(height, width)
        top = self._uniform((), (0, height - self.height + 1), seed)
        left = self._uniform((), (0, width - self.width + 1), seed)
        return min(int(top), height - self.height), min(int(left), width - self.width)

    def _middle(self, height: int, width: int) -> tuple[int, int]:
        (top, _), (left, _) = ops.image.aspect_window(height, width, self.height, self.width)
        return top, left

    def _transform(self, images: Any, transformation: Any) -> Any:
        top, left = transformation
        part = self._cut(images, top, left, self.height, self.width)
        if self._lengths(part.shape) == (self.height, self.width):
            return part
        return ops.image.resize(part, (self.height, self.width), data_format=self.data_format)

    def _at_inference(self, images: Any) -> Any:
        height, width = self._lengths(images.shape)
        if height < self.height or width < self.width:
            return self._cut_to_shape(images)
        down, across = height - self.height, width - self.width
        return self._cut(images, down // 2, across // 2, self.height, self.width)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._transform(masks, transformation)
