"""Details of images changed at random: sharper, blurred, coarser, inverted, covered."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops, random
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    for_each_image,
    is_number,
    limits_of,
    rescaled,
    seed_field,
    value_range_field,
)
from layerscope.ops.colors import smooth
from layerscope.random import Seed

#: The pixel itself and those around it, as Keras weighs them.
_NEIGHBOURHOOD = np.where(np.arange(9).reshape(3, 3) == 4, 5.0, 1.0) / 13.0


class RandomSharpness(_RandomImageLayer):
    """Brings images nearer to smoothed ones, or farther from them; not at inference.

    A factor of one half changes nothing, less blurs and more sharpens.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomSharpness`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomSharpness((1.0, 1.0))
    >>> layer(np.full((1, 3, 3, 1), 13.0))[0, 1, 1]
    array([13.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = x + (1 - 2f)(\bar x - x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.8, "value_range": [-9, 9], "seed": 1}, (3, 4, 5, 2)),
        Example({"factor": [0.2, 0.4], "value_range": [-9, 9], "seed": 1,
                 "data_format": "channels_first"}, (2, 2, 4, 3)),
    )  # fmt: skip

    factor: Any = field(
        converter=limits_of("factor", 0, 1), help="How sharp images become, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        return {"factor": self._uniform(shape[:1], self.factor, seed)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        smoothed = smooth(images, _NEIGHBOURHOOD, self.data_format)
        share = for_each_image(1.0 - 2 * transformation["factor"]).astype(self.dtype)
        return ops.clip(images + share * (smoothed - images), *self.value_range)


class RandomPosterization(_RandomImageLayer):
    """Leaves few of the eight bits that a colour has, how many is drawn; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomPosterization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomPosterization((1, 1))
    >>> layer(np.array([100.0, 200.0]).reshape(1, 1, 2, 1)).ravel()
    array([  0., 128.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = 2^{8-f} \lfloor x / 2^{8-f} \rfloor"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": [2, 5], "value_range": [-5, 5], "seed": 1}, (3, 4, 5, 2)),
    )

    factor: Any = field(
        converter=limits_of("factor", 1, 8), help="Largest number of bits, or two limits."
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        low, high = self.factor
        if low == high:
            bits = np.full(shape[:1], low, "uint8")
        else:
            bits = random.randint(shape[:1], int(low), int(high), "uint8", seed)
        return {"shift_factor": (8 - bits).astype("uint8")}

    def _transform(self, images: Any, transformation: Any) -> Any:
        levels = ops.floor(ops.clip(rescaled(images, self.value_range, (0, 255)), 0, 255))
        step = for_each_image(2.0 ** transformation["shift_factor"]).astype(self.dtype)
        return rescaled(ops.floor(levels / step) * step, (0, 255), self.value_range)


class RandomInvert(_RandomImageLayer):
    """Makes negatives of images, each with a probability; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomInvert`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.RandomInvert((1.0, 1.0))(np.array([0.0, 200.0]).reshape(1, 1, 2, 1)).ravel()
    array([255.,  55.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = b - x"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.9, "value_range": [0, 1], "seed": 1}, (4, 3, 2, 2)),
    )

    factor: Any = field(
        default=1.0, converter=limits_of("factor", 0, 1), help="Probability, or two limits of it."
    )
    value_range: tuple[float, float] = value_range_field()
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        return {"apply_inversion": self._happens(shape[0], self.factor, seed)}

    def _transform(self, images: Any, transformation: Any) -> Any:
        happens = for_each_image(transformation["apply_inversion"])
        return ops.where(happens, self.value_range[1] - images, images)


def _check_fill(value: Any) -> Any:
    three = isinstance(value, (tuple, list)) and len(value) == 3 and all(map(is_number, value))
    if value is not None and not is_number(value) and not three:
        raise ValueError(
            "The `fill_value` argument should be a number (or a list of three numbers) or None. "
            f"Received: fill_value={value}"
        )
    return value


class RandomErasing(_RandomImageLayer):
    """Covers a rectangle of images, drawn for each, with noise or a colour; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomErasing`; Zhong et al. 2017.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomErasing(scale=(1, 1), factor=(1, 1), fill_value=7)
    >>> layer(np.zeros((1, 1, 2, 1))).ravel()
    array([7., 7.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_p = v \ \text{if}\ p \in R,\ x_p\ \text{otherwise}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"value_range": [-1, 1], "seed": 1}, (3, 4, 5, 3)),
        Example({"fill_value": 0.5, "scale": 0.8, "seed": 1, "data_format": "channels_first"},
                (3, 1, 4, 5)),
    )  # fmt: skip

    factor: Any = field(
        default=1.0, converter=limits_of("factor", 0, 1), help="Probability, or two limits of it."
    )
    scale: Any = field(
        default=(0.02, 0.33),
        converter=limits_of("scale", 0, 1),
        help="Largest part of the area, or two limits.",
    )
    fill_value: Any = field(
        default=None, converter=_check_fill, help="Colour of the rectangle; None: noise."
    )
    value_range: tuple[float, float] = value_range_field()
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        height, width = self._lengths(shape)
        parts = np.sqrt(self._uniform((shape[0], 2), self.scale, seed))
        columns = self._interval(width, parts[:, 0], seed)
        rows = self._interval(height, parts[:, 1], seed)
        covered = rows[:, :, None] & columns[:, None, :]
        channels = 1 if self.data_format == "channels_first" else 3
        covered = np.broadcast_to(np.expand_dims(covered, channels), shape)
        happens = self._happens(shape[0], self.factor, seed)
        return {
            "apply_erasing": happens,
            "batch_masks": covered,
            "fill_value": self._filling(shape, seed),
        }

    def _interval(self, length: int, part: np.ndarray, seed: Any) -> np.ndarray:
        """Draw an interval that is a part of a length; return which places are inside."""
        size = part * length
        start = self._uniform(part.shape, (0, 1), seed) * (length - size)
        places = np.arange(length)
        return (places >= start[:, None]) & (places < (start + size)[:, None])

    def _filling(self, shape: Any, seed: Any) -> np.ndarray:
        if self.fill_value is None:
            noise = random.normal(shape, dtype=self.dtype, seed=seed)
            spread = np.asarray(self.value_range[1], self.dtype)
            return np.clip(noise * spread, *self.value_range)
        color = np.asarray(self.fill_value, self.dtype)
        if color.ndim and self.data_format == "channels_first":
            color = color[:, None, None]
        return np.clip(np.broadcast_to(color, shape), *self.value_range)

    def _transform(self, images: Any, transformation: Any) -> Any:
        happens = for_each_image(transformation["apply_erasing"])
        covered = transformation["batch_masks"] & happens
        filling = np.asarray(transformation["fill_value"], self.dtype)
        return ops.where(covered, filling, images)


def _odd_sizes(value: Any) -> tuple[int, int]:
    sizes: Any = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
    if not all(isinstance(one, (int, np.integer)) and one % 2 and one > 0 for one in sizes):
        raise ValueError(
            f"kernel_size must be an odd number, or two. Received: kernel_size={value}"
        )
    return int(sizes[0]), int(sizes[1])


class RandomGaussianBlur(_RandomImageLayer):
    """Blurs images, by how much is drawn for the batch; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomGaussianBlur`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomGaussianBlur(kernel_size=1)
    >>> layer(np.array([1.0, 2.0]).reshape(1, 1, 2, 1)).ravel()
    array([1., 2.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_p = \sum_q \mathcal{N}(q;\,0,\,\sigma^2)\,x_{p+q}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": [0.9, 1.0], "value_range": [-9, 9], "seed": 1}, (3, 4, 5, 2)),
        Example({"kernel_size": 5, "sigma": [0.5, 0.9], "value_range": [-9, 9], "seed": 1,
                 "data_format": "channels_first"}, (2, 1, 6, 5)),
    )  # fmt: skip

    factor: Any = field(
        default=1.0, converter=limits_of("factor", 0, 1), help="Probability, or two limits of it."
    )
    kernel_size: tuple[int, int] = field(
        default=3, converter=_odd_sizes, help="Width and height of the window, odd."
    )
    sigma: Any = field(
        default=1.0,
        converter=limits_of("sigma", 0, 1),
        help="Largest standard deviation in pixels, or two limits.",
    )
    value_range: tuple[float, float] = value_range_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        happens = self._happens(shape[0], self.factor, seed)
        widths = self._uniform((2,), self.sigma, seed) + 1e-6
        return {"should_apply_blur": happens, "blur_factor": widths}

    def _transform(self, images: Any, transformation: Any) -> Any:
        blurred = ops.image.gaussian_blur(
            images, self.kernel_size, transformation["blur_factor"], self.data_format
        )
        happens = for_each_image(transformation["should_apply_blur"])
        return ops.clip(ops.where(happens, blurred, images), *self.value_range)
