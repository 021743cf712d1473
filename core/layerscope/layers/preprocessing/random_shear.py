"""Images slanted at random."""

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


def _limits(name: str) -> Any:
    check = checked_factor(name, lambda value: 0 <= value <= 1, "[0, 1.0]")
    # Both limits of a config may be drawn from, where one number stands for two.
    return lambda value: limits(value if _are_limits(value) else check(value))


def _are_limits(value: Any) -> bool:
    """Tell whether `value` is what a single number between 0 and 1 became."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and -1 <= value[0] == -value[1] <= 0


class RandomShear(_AffineLayer):
    """Shifts rows by their height, and columns by their place, drawn for each; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomShear`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomShear((0.0, 0.0), (0.0, 0.0))
    >>> layer(np.arange(4.0).reshape(1, 2, 2, 1)).ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{i,j} = x_{i + u j,\ j + v i}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"x_factor": [0, 0.2], "y_factor": [0.1, 0.1], "seed": 1}, (3, 4, 5, 2)),
        Example({"x_factor": [0.2, 0.5], "fill_mode": "constant", "seed": 1,
                 "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    x_factor: Any = field(
        default=0.0, converter=_limits("x_factor"), help="Largest slant of columns, or two limits."
    )
    y_factor: Any = field(
        default=0.0, converter=_limits("y_factor"), help="Largest slant of rows, or two limits."
    )
    interpolation: Interpolation = interpolation_field()
    fill_mode: FillMode = fill_mode_field()
    fill_value: float = fill_value_field()
    data_format: DataFormat | None = data_format_field()
    seed: Seed = seed_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        signs = np.where(self._uniform((shape[0], 1), (0, 1), seed) > 0.5, -1, 1)
        down = self._uniform((shape[0], 1), self.y_factor, seed)
        across = self._uniform((shape[0], 1), self.x_factor, seed)
        factors = np.concatenate([across, down], axis=1) * signs
        return {"shear_factor": factors.astype(self.dtype), "input_shape": shape}

    def _matrix(self, transformation: Any, shape: Any) -> np.ndarray:
        across, down = transformation["shear_factor"].T
        return transforms(1.0, across, 0.0, down, 1.0, 0.0)
