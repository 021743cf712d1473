"""Images shifted at random."""

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
    checked_factor,
    fill_mode_field,
    fill_value_field,
    interpolation_field,
    limits,
    transforms,
)
from layerscope.layers.preprocessing.image_layer import seed_field
from layerscope.random import Seed


def _factor(name: str) -> Any:
    return checked_factor(name, lambda value: -1 <= value <= 1, "[-1.0, 1.0]")


class RandomTranslation(_AffineLayer):
    """Shifts images down and to the right by fractions drawn for each; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomTranslation`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
    >>> layer(np.arange(4.0).reshape(1, 1, 4, 1)).ravel()
    array([0., 0., 1., 2.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{i,j} = x_{i - uH,\ j - vW}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"height_factor": 0.2, "width_factor": 0.3, "seed": 1}, (3, 4, 5, 2)),
        Example({"height_factor": [-0.5, 0.1], "width_factor": 0.3, "fill_mode": "constant",
                 "fill_value": 0.5, "seed": 1, "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    height_factor: Any = field(
        converter=_factor("height_factor"), help="Largest shift as a fraction, or two limits."
    )
    width_factor: Any = field(
        converter=_factor("width_factor"), help="Largest shift as a fraction, or two limits."
    )
    fill_mode: FillMode = fill_mode_field()
    interpolation: Interpolation = interpolation_field()
    seed: Seed = seed_field()
    fill_value: float = fill_value_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        height, width = self._lengths(shape)
        down = self._uniform((shape[0], 1), limits(self.height_factor), seed) * height
        right = self._uniform((shape[0], 1), limits(self.width_factor), seed) * width
        return {"translations": np.concatenate([right, down], axis=1), "input_shape": shape}

    def _matrix(self, transformation: Any, shape: Any) -> np.ndarray:
        right, down = transformation["translations"].T
        return transforms(1.0, 0.0, -right, 0.0, 1.0, -down)
