"""Images seen from other places, at random."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.affine_layer import (
    Interpolation,
    fill_value_field,
    interpolation_field,
)
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    for_each_image,
    limits_of,
    seed_field,
)
from layerscope.random import Seed


class RandomPerspective(_RandomImageLayer):
    """Moves the corners of images, straight lines staying straight; not at inference.

    Shapes: input and output are the same, (batch, height, width, channels) or one image.
    Source: Keras `RandomPerspective`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomPerspective(factor=0.0)
    >>> layer(np.arange(4.0).reshape(1, 2, 2, 1)).ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """

    formula: ClassVar[str] = (
        r"y_p = x_q,\ q = \tfrac{1}{k}(a_0 p_x + a_1 p_y + a_2,\ b_0 p_x + b_1 p_y + b_2)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"seed": 1}, (3, 4, 5, 2)),
        Example({"factor": [0.4, 0.6], "scale": 0.3, "fill_value": 0.5, "seed": 2,
                 "data_format": "channels_first"}, (3, 1, 4, 5)),
    )  # fmt: skip

    factor: Any = field(
        default=1.0, converter=limits_of("factor", 0, 1), help="How likely an image is changed."
    )
    scale: float = field(
        default=1.0,
        ge=0,
        le=1,
        help="How far corners may move, as twice a part of the image.",
        refusal="The `scale` argument should be a number in the range [0,1]. "
        "Received: scale={value}",
    )
    interpolation: Interpolation = interpolation_field()
    fill_value: float = fill_value_field()
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _draw(self, shape: Any, seed: Any) -> Any:
        height, width = self._lengths(shape)
        right, bottom = width - 1, height - 1
        corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], self.dtype)
        happens = self._happens(shape[0], self.factor, seed)
        half = 0.5 * self.scale
        moves = corners * self._uniform((shape[0], 4, 2), (-half, half), seed)
        return {
            "apply_perspective": happens,
            "start_points": np.broadcast_to(corners, moves.shape),
            "end_points": corners + moves,
            "input_shape": shape,
        }

    def _seen(self, images: Any, transformation: Any, interpolation: str) -> Any:
        seen = ops.image.perspective_transform(
            images,
            transformation["start_points"],
            transformation["end_points"],
            interpolation=interpolation,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return ops.where(for_each_image(transformation["apply_perspective"]), seen, images)

    def _transform(self, images: Any, transformation: Any) -> Any:
        return self._seen(images, transformation, self.interpolation)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._seen(masks, transformation, "nearest")
