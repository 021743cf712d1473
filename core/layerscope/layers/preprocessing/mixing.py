"""Images and labels mixed with those of other samples, at random."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    for_each_image,
    limits_of,
    seed_field,
)
from layerscope.random import Seed, generator_of


class _MixingLayer(_RandomImageLayer):
    """Base of layers that mix each sample of a batch with another."""

    def _transform_labels(self, labels: Any, transformation: Any) -> Any:
        if transformation is None:
            return labels
        weight = np.reshape(transformation["mix_weight"], (-1, 1)).astype(self.dtype)
        others = ops.take(labels, transformation["permutation_order"], axis=0)
        return weight * labels + (1 - weight) * others


class MixUp(_MixingLayer):
    """Averages each image with another of the batch, and labels likewise; not at inference.

    Shapes: input and output are the same; called on a dict of ``images`` and ``labels``, one-hot.
    Source: Keras `MixUp`; Zhang et al. 2017.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.MixUp(seed=0)(np.full((2, 1, 2, 1), 0.0)).ravel()
    array([0., 0., 0., 0.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \lambda x_i + (1 - \lambda) x_j,\ \lambda \sim B(\alpha, \alpha)"
    examples: ClassVar[tuple[Example, ...]] = (Example({"alpha": 0.4, "seed": 1}, (4, 2, 3, 2)),)

    alpha: float = field(default=0.2, gt=0, slider=(0.1, 2), help="How evenly samples are mixed.")
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        order = generator_of(seed).permutation(shape[0])
        weight = generator_of(seed).beta(self.alpha, self.alpha, shape[0]).astype(self.dtype)
        return {"mix_weight": weight, "permutation_order": order}

    def _transform(self, images: Any, transformation: Any) -> Any:
        weight = for_each_image(transformation["mix_weight"]).astype(self.dtype)
        others = ops.take(images, transformation["permutation_order"], axis=0)
        return weight * images + (1 - weight) * others

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._transform(masks, transformation)


class CutMix(_MixingLayer):
    """Pastes a rectangle of another image of the batch into each; not at inference.

    Labels are mixed as the areas are. One image alone is not changed.

    Shapes: input and output are the same; called on a dict of ``images`` and ``labels``, one-hot.
    Source: Keras `CutMix`; Yun et al. 2019.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.CutMix(seed=0)(np.full((2, 1, 2, 1), 3.0)).ravel()
    array([3., 3., 3., 3.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_p = x_{j,p}\ \text{if}\ p \in R,\ x_{i,p}\ \text{otherwise}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"seed": 1}, (4, 4, 5, 2)),
        Example({"factor": 0.5, "seed": 2, "data_format": "channels_first"}, (4, 1, 4, 5)),
    )

    factor: Any = field(
        default=1.0,
        converter=limits_of("factor", 0, 1),
        help="How even the areas are, or two limits.",
    )
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draw rectangles and partners, None for one image alone."""
        images = data["images"] if isinstance(data, dict) else data
        alone = len(images.shape) == 3
        return super().get_random_transformation(data, training and not alone, seed)

    def _draw(self, shape: Any, seed: Any) -> Any:
        batch, (height, width) = shape[0], self._lengths(shape)
        alpha = float(self._uniform((), self.factor, seed)) + 1e-6
        part = np.sqrt(1 - generator_of(seed).beta(alpha, alpha, batch))
        (left, right), (top, bottom) = (
            self._interval(length, part, seed) for length in (width, height)
        )
        columns = self._between(width, left, right)[:, None, :]
        rows = self._between(height, top, bottom)[:, :, None]
        channels = 1 if self.data_format == "channels_first" else 3
        area = (right - left) * (bottom - top) / (width * height)
        return {
            "permutation_order": generator_of(seed).permutation(batch),
            "batch_masks": np.broadcast_to(np.expand_dims(rows & columns, channels), shape),
            "mix_weight": for_each_image(1 - area).astype(self.dtype),
        }

    def _interval(self, length: int, part: np.ndarray, seed: Any) -> tuple[np.ndarray, np.ndarray]:
        start = self._uniform(part.shape, (0, 1), seed) * (length - part * length)
        return start, start + part * length

    @staticmethod
    def _between(length: int, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        places = np.arange(length)
        return (places >= start[:, None]) & (places < end[:, None])

    def _transform(self, images: Any, transformation: Any) -> Any:
        if transformation is None:
            return images
        others = ops.take(images, transformation["permutation_order"], axis=0)
        return ops.where(transformation["batch_masks"], others, images)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._transform(masks, transformation)
