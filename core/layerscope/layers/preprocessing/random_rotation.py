"""Images turned at random."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.affine_layer import (
    FillMode,
    Interpolation,
    _AffineLayer,
    fill_mode_field,
    fill_value_field,
    interpolation_field,
    transforms,
)
from layerscope.layers.preprocessing.image_layer import limits_of, seed_field
from layerscope.random import Seed


class RandomRotation(_AffineLayer):
    """Turns images by fractions of a full turn drawn for each; not at inference.

    Positive fractions turn counter-clockwise.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomRotation`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomRotation((0.5, 0.5))
    >>> layer(np.arange(4.0).reshape(1, 2, 2, 1)).ravel().round(4)
    array([3., 2., 1., 0.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_p = x_{c + R(2\pi f)(p - c)}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"factor": 0.2, "seed": 1}, (3, 4, 5, 2)),
        Example({"factor": [0.1, 0.3], "fill_mode": "wrap", "seed": 1,
                 "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    factor: Any = field(
        converter=limits_of("factor", -1, 1), help="Largest part of a full turn, or two limits."
    )
    fill_mode: FillMode = fill_mode_field()
    interpolation: Interpolation = interpolation_field()
    seed: Seed = seed_field()
    fill_value: float = fill_value_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        degrees = tuple(360.0 * limit for limit in self.factor)
        return {"angle": self._uniform((shape[0],), degrees, seed)}

    def _matrix(self, transformation: Any, shape: Any) -> np.ndarray:
        angle = np.deg2rad(transformation["angle"].astype(float))
        height, width = self._lengths(shape)
        x, y = (width - 1) / 2, (height - 1) / 2
        cos, sin = np.cos(angle), np.sin(angle)
        return transforms(cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos)
