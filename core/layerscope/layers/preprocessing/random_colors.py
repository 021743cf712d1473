"""Colours changed at random: towards grey, around the circle of hues, in saturation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat, epsilon
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    for_each_image,
    limits_of,
    rescaled,
    seed_field,
    value_range_field,
)
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed


class _RandomColorLayer(_RandomImageLayer):
    """Base of layers that take red, green and blue apart."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, dict):
            return {**input_shape, "images": self.compute_output_shape(input_shape["images"])}
        if len(input_shape) not in (3, 4):
            raise ShapeError(
                "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
                f"Received: input_shape={input_shape}"
            )
        channels = input_shape[self._channel_axis]
        if channels not in (None, 3):
            raise ShapeError(
                f"Input images must have 3 channels, but received images with {channels} channels. "
                f"Received: input_shape={input_shape}"
            )
        return input_shape

    def _planes(self, images: Any) -> list[Any]:
        self.compute_output_shape(images.shape)
        return ops.split(images, 3, self._channel_axis)


class RandomGrayscale(_RandomImageLayer):
    """Makes images grey, each with a probability; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandomGrayscale`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.RandomGrayscale(1.0)(np.array([0.0, 100.0, 0.0]).reshape(1, 1, 1, 3)).ravel()
    array([58.7, 58.7, 58.7], dtype=float32)
    """

    keeps_type = True
    formula: ClassVar[str] = r"y = 0.2989\,r + 0.587\,g + 0.114\,b"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"seed": 1}, (4, 2, 3, 3)),
        Example({"factor": 1.0, "seed": 1, "data_format": "channels_first"}, (2, 3, 2, 3)),
    )

    factor: float = field(
        default=0.5,
        ge=0,
        le=1,
        slider=(0, 1),
        help="Probability that an image becomes grey.",
        refusal="`factor` should be a number between 0 and 1. Received: factor={value}",
    )
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        return for_each_image(self._uniform((shape[0],), (0, 1), seed) < self.factor)

    def _transform(self, images: Any, transformation: Any) -> Any:
        gray = ops.image.rgb_to_grayscale(images, data_format=self.data_format)
        return ops.where(transformation, gray, images)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras's config has none, but its constructor takes one.
        return {key: value for key, value in config.items() if (key, value) != ("seed", None)}


class RandomColorDegeneration(_RandomColorLayer):
    """Brings colours nearer to grey, or farther from it; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandomColorDegeneration`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomColorDegeneration((0.5, 0.5))
    >>> layer(np.array([0.0, 100.0, 0.0]).reshape(1, 1, 1, 3)).ravel()
    array([29.35, 79.35, 29.35], dtype=float32)
    """

    formula: ClassVar[str] = r"y = x + f\,(\operatorname{gray}(x) - x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.5, "value_range": [-9, 9], "seed": 1}, (3, 2, 3, 3)),
        Example({"factor": [0.2, 0.4], "value_range": [-9, 9], "seed": 1,
                 "data_format": "channels_first"}, (2, 3, 2, 3)),
    )  # fmt: skip

    factor: Any = field(
        converter=limits_of("factor", -1, 1), help="How grey images become, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        return {"factor": self._uniform((shape[0], 1, 1, 1), self.factor, seed)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        self.compute_output_shape(images.shape)
        gray = ops.image.rgb_to_grayscale(images, data_format=self.data_format)
        return ops.clip(images + transformation["factor"] * (gray - images), *self.value_range)


class RandomHue(_RandomColorLayer):
    """Turns the circle of hues; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandomHue`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomHue((1.0, 1.0), value_range=(0, 1))
    >>> layer(np.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)).ravel()
    array([0., 1., 1.], dtype=float32)
    """

    formula: ClassVar[str] = r"h' = h \pm \tfrac{f}{2} \pmod 1"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.5, "value_range": [-4, 4], "seed": 1}, (3, 2, 3, 3)),
        Example({"factor": [0.2, 0.4], "value_range": [-4, 4], "seed": 1,
                 "data_format": "channels_first"}, (2, 3, 2, 3)),
    )  # fmt: skip

    factor: Any = field(
        converter=limits_of("factor", 0, 1), help="Largest part of half a turn, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        signs = np.where(self._uniform((shape[0],), (0, 1), seed) > 0.5, -0.5, 0.5)
        return {"factor": signs.astype(self.dtype) * self._uniform(shape[:1], self.factor, seed)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        unit = rescaled(images, self.value_range, (0, 1))
        hue, saturation, value = self._planes(ops.image.rgb_to_hsv(unit, self.data_format))
        hue = hue + for_each_image(transformation["factor"])
        hue = ops.where(hue > 1.0, hue - 1.0, hue)
        hue = ops.where(hue < 0.0, hue + 1.0, hue)
        turned = ops.concatenate([hue, saturation, value], self._channel_axis)
        turned = ops.clip(ops.image.hsv_to_rgb(turned, self.data_format), 0.0, 1.0)
        return rescaled(turned, (0, 1), self.value_range)


class RandomSaturation(_RandomColorLayer):
    """Multiplies the saturation of colours; not at inference.

    A factor of one half changes nothing, zero makes images grey.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandomSaturation`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomSaturation((0.0, 0.0), value_range=(0, 1))
    >>> layer(np.array([0.5, 0.25, 0.25]).reshape(1, 1, 1, 3)).ravel()
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    formula: ClassVar[str] = r"s' = s\,\frac{f}{1 - f}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": [0.2, 0.6], "value_range": [0, 1], "seed": 1}, (3, 2, 3, 3)),
        Example({"factor": [0.3, 0.4], "seed": 1, "data_format": "channels_first"}, (2, 3, 2, 3)),
    )

    factor: Any = field(
        converter=limits_of("factor", -1, 1), help="Where saturation goes, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        factor = self._uniform(shape[:1], self.factor, seed)
        return {"factor": (factor / (1 - factor + epsilon())).astype(self.dtype)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        hue, saturation, value = self._planes(ops.image.rgb_to_hsv(images, self.data_format))
        saturation = saturation * for_each_image(transformation["factor"])
        saturation = ops.clip(saturation, *self.value_range)
        changed = ops.concatenate([hue, saturation, value], self._channel_axis)
        return ops.image.hsv_to_rgb(changed, self.data_format)
