"""Images enlarged or reduced at random."""

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
    check = checked_factor(name, lambda value: -1 < value <= 1, "(-1.0, 1.0]")
    return lambda value: None if value is None else check(value)


class RandomZoom(_AffineLayer):
    """Shows more of images (positive factors) or less (negative), drawn for each; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomZoom`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomZoom((-0.5, -0.5), interpolation="nearest")
    >>> layer(np.arange(5.0).reshape(1, 1, 5, 1)).ravel()
    array([1., 2., 2., 2., 3.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_p = x_{c + (1 + f)(p - c)}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"height_factor": 0.4, "seed": 1}, (3, 4, 5, 2)),
        Example({"height_factor": [-0.5, 0.1], "width_factor": 0.3, "fill_mode": "nearest",
                 "seed": 1, "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    height_factor: Any = field(
        converter=_factor("height_factor"), help="Largest part shown more or less, or two limits."
    )
    width_factor: Any = field(
        default=None, converter=_factor("width_factor"), help="The same across; None: as in height."
    )
    fill_mode: FillMode = fill_mode_field()
    interpolation: Interpolation = interpolation_field()
    seed: Seed = seed_field()
    fill_value: float = fill_value_field()
    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.height_factor is None:
            raise ValueError(
                "The `height_factor` argument should be a number (or a list of two numbers) in the "
                "range (-1.0, 1.0]. Received: height_factor=None"
            )

    def _draw(self, shape: Any, seed: Any) -> Any:
        def zooms(factor: Any) -> np.ndarray:
            low, high = limits(factor)
            return self._uniform((shape[0], 1), (1 + low, 1 + high), seed)

        down = zooms(self.height_factor)
        across = down if self.width_factor is None else zooms(self.width_factor)
        return {"height_zoom": down, "width_zoom": across, "input_shape": shape}

    def _matrix(self, transformation: Any, shape: Any) -> np.ndarray:
        height, width = self._lengths(shape)
        down, across = (
            transformation[name][:, 0].astype(float) for name in ("height_zoom", "width_zoom")
        )
        x, y = (width - 1) / 2, (height - 1) / 2
        return transforms(across, 0.0, x * (1 - across), 0.0, down, y * (1 - down))
