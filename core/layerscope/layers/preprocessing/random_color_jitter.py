"""Brightness, contrast, saturation and hue changed at random, one after the other."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import (
    _RandomImageLayer,
    limits_of,
    seed_field,
    value_range_field,
)
from layerscope.layers.preprocessing.random_colors import RandomHue, RandomSaturation
from layerscope.layers.preprocessing.random_contrast import RandomBrightness, RandomContrast
from layerscope.random import Seed, SeedGenerator


def _factor_field(name: str, low: float) -> Any:
    """Declare the factor of one of the layers, which is handed on as it is."""
    check = limits_of(f"{name}_factor", low, 1)

    def convert(value: Any) -> Any:
        if value is not None:
            check(value)
        return value

    return field(
        default=None, converter=convert, help=f"Of `Random{name.title()}`; None: unchanged."
    )


class RandomColorJitter(_RandomImageLayer):
    """Changes brightness, contrast, saturation and hue, of what has a factor; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandomColorJitter`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandomColorJitter((0, 1), brightness_factor=(0.25, 0.25))
    >>> layer(np.array([0.5, 0.25, 0.875]).reshape(1, 1, 1, 3)).ravel()
    array([0.75, 0.5 , 1.  ], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \operatorname{hue}(\operatorname{sat}(\ldots(x)))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"value_range": [-4, 4], "brightness_factor": 0.1, "contrast_factor": 0.2,
                 "seed": 1}, (3, 2, 3, 3)),
        Example({"value_range": [-4, 4], "hue_factor": 0.2, "seed": 1}, (3, 2, 3, 3)),
    )  # fmt: skip

    value_range: tuple[float, float] = value_range_field()
    brightness_factor: Any = _factor_field("brightness", -1)
    contrast_factor: Any = _factor_field("contrast", 0)
    saturation_factor: Any = _factor_field("saturation", -1)
    hue_factor: Any = _factor_field("hue", 0)
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = {
            "brightness": RandomBrightness,
            "contrast": RandomContrast,
            "saturation": RandomSaturation,
            "hue": RandomHue,
        }
        self._steps = []
        for name, kind in kinds.items():
            layer = None
            if (factor := getattr(self, f"{name}_factor")) is not None:
                seed = None if isinstance(self.seed, SeedGenerator) else self.seed
                layer = kind(
                    factor,
                    value_range=self.value_range,
                    seed=seed,
                    data_format=self.data_format,
                    dtype=self.dtype,
                )
                self._steps.append(layer)
            setattr(self, f"random_{name}", layer)

    def build(self, input_shape: Any) -> None:
        for layer in self._steps:
            layer.build(input_shape)

    def _draw(self, shape: Any, seed: Any) -> Any:
        return [layer._draw(shape, seed) for layer in self._steps]

    def _transform(self, images: Any, transformation: Any) -> Any:
        for layer, drawn in zip(self._steps, transformation, strict=True):
            images = layer.transform_images(images, drawn)
        return images
