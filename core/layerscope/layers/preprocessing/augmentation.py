"""Policies: several random changes of images, of which a layer draws some."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.affine_layer import Interpolation, interpolation_field
from layerscope.layers.preprocessing.image_layer import (
    _ImageLayer,
    _RandomImageLayer,
    limits_of,
    seed_field,
    value_range_field,
)
from layerscope.layers.preprocessing.random_colors import RandomColorDegeneration
from layerscope.layers.preprocessing.random_contrast import RandomBrightness, RandomContrast
from layerscope.layers.preprocessing.random_details import RandomPosterization, RandomSharpness
from layerscope.layers.preprocessing.random_rotation import RandomRotation
from layerscope.layers.preprocessing.random_shear import RandomShear
from layerscope.layers.preprocessing.random_translation import RandomTranslation
from layerscope.layers.preprocessing.tones import AutoContrast, Equalization, Solarization
from layerscope.random import Seed, SeedGenerator, generator_of

#: Changes that a policy chooses from, in Keras's order.
GEOMETRY_AND_TONES = (
    "random_shear",
    "random_translation",
    "random_rotation",
    "random_posterization",
    "solarization",
    "auto_contrast",
    "equalization",
)
COLORS = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
IN_ORDER_OF_RAND_AUGMENT = (
    *GEOMETRY_AND_TONES[:3],
    *COLORS,
    *GEOMETRY_AND_TONES[3:],
)


class _PolicyLayer(_RandomImageLayer):
    """Base of layers that draw which of their layers to apply."""

    value_range: Any = field(kw_only=True, default=(0, 255), help="Limits of pixels.")
    factor: Any = field(kw_only=True, default=0.5, help="Strength of the changes.")
    interpolation: Interpolation = field(kw_only=True, default="bilinear", help="Of geometry.")

    def _choices(self) -> tuple[str, ...]:
        """Return the names of the changes to choose from."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self._choices():
            setattr(self, name, self._make(name))

    def _make(self, name: str) -> _ImageLayer:
        seed = None if isinstance(self.seed, SeedGenerator) else self.seed
        common: dict[str, Any] = {"data_format": self.data_format, "dtype": self.dtype}
        random = {**common, "seed": seed}
        geometry = {**random, "interpolation": self.interpolation}
        colors = {**random, "value_range": self.value_range}
        factor = self.factor
        bits: Any = max(1, int(8 * factor[1]))
        makers = {
            "random_shear": lambda: RandomShear(factor, factor, **geometry),
            "random_translation": lambda: RandomTranslation(factor, factor, **geometry),
            "random_rotation": lambda: RandomRotation(factor, **geometry),
            "random_posterization": lambda: RandomPosterization(bits, **colors),
            "solarization": lambda: Solarization(factor, factor, **colors),
            "auto_contrast": lambda: AutoContrast(self.value_range, **common),
            "equalization": lambda: Equalization(self.value_range, **common),
            "random_brightness": lambda: RandomBrightness(factor, **colors),
            "random_color_degeneration": lambda: RandomColorDegeneration(factor, **colors),
            "random_contrast": lambda: RandomContrast(factor, **colors),
            "random_sharpness": lambda: RandomSharpness(factor, **colors),
        }
        return makers[name]()

    def build(self, input_shape: Any) -> None:
        for name in self._choices():
            getattr(self, name).build(input_shape)


class RandAugment(_PolicyLayer):
    """Changes images in a few ways, drawn for the batch from eleven; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `RandAugment`; Cubuk et al. 2019.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.RandAugment(num_ops=1, seed=1)
    >>> layer(np.zeros((1, 2, 2, 3)), training=False).sum()
    np.float32(0.0)
    """

    formula: ClassVar[str] = r"y = f_{k_n}(\ldots f_{k_1}(x))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"value_range": [-4, 4], "factor": 0.2, "num_ops": 1, "seed": 2}, (2, 4, 5, 3)),
    )

    value_range: Any = value_range_field()
    num_ops: int = field(default=2, ge=0, slider=(0, 5), help="How many changes are made.")
    factor: Any = field(
        default=0.5, converter=limits_of("factor", 0, 1), help="Strength, or two limits of it."
    )
    interpolation: Interpolation = interpolation_field()
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _choices(self) -> tuple[str, ...]:
        return IN_ORDER_OF_RAND_AUGMENT

    def _draw(self, shape: Any, seed: Any) -> Any:
        chosen = generator_of(seed).integers(0, len(self._choices()), self.num_ops)
        drawn = {name: getattr(self, name)._draw(shape, seed) for name in self._choices()}
        return {"layer_idxes": chosen, "transforms": drawn}

    def _steps(self, transformation: Any) -> list[tuple[Any, Any]]:
        """Return the layers to apply, each with what was drawn for it."""
        names = [self._choices()[int(index)] for index in transformation["layer_idxes"]]
        return [(getattr(self, name), transformation["transforms"][name]) for name in names]

    def _transform(self, images: Any, transformation: Any) -> Any:
        for layer, drawn in self._steps(transformation):
            images = layer.transform_images(images, drawn)
        return images

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        for layer, drawn in self._steps(transformation):
            masks = layer.transform_segmentation_masks(masks, drawn)
        return masks


class AugMix(_PolicyLayer):
    """Averages images that went through chains of random changes; not at inference.

    Shapes: input and output are the same, (batch, height, width, 3) or one image.
    Source: Keras `AugMix`; Hendrycks et al. 2019.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.AugMix(seed=1)
    >>> layer(np.zeros((1, 2, 2, 3)), training=False).sum()
    np.float32(0.0)
    """

    formula: ClassVar[str] = r"y = m\,x + (1 - m) \sum_k w_k\, f_{k_n}(\ldots f_{k_1}(x))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"value_range": [-4, 4], "num_chains": 2, "chain_depth": 1, "seed": 6},
                (2, 4, 5, 3)),
        Example({"value_range": [-4, 4], "num_chains": 1, "all_ops": False, "seed": 8},
                (2, 4, 5, 3)),
    )  # fmt: skip

    value_range: Any = value_range_field()
    num_chains: int = field(default=3, ge=1, slider=(1, 5), help="How many chains are mixed.")
    chain_depth: int = field(default=3, ge=1, slider=(1, 5), help="Changes of a chain at most.")
    factor: Any = field(
        default=0.3, converter=limits_of("factor", 0, 1), help="Strength, or two limits of it."
    )
    alpha: float = field(default=1.0, gt=0, slider=(0.1, 3), help="How evenly chains are mixed.")
    all_ops: bool = field(default=True, help="Whether colours are changed too.")
    interpolation: Interpolation = interpolation_field()
    seed: Seed = seed_field()
    data_format: DataFormat | None = data_format_field()

    def _choices(self) -> tuple[str, ...]:
        return (*GEOMETRY_AND_TONES, *COLORS) if self.all_ops else GEOMETRY_AND_TONES

    def _draw(self, shape: Any, seed: Any) -> Any:
        generator = generator_of(seed)
        names = self._choices()
        chains = []
        for _ in range(self.num_chains):
            # One more than there are names: no change at all.
            chosen = generator.integers(0, len(names) + 1, self.chain_depth)
            chain = [names[index] for index in chosen if index < len(names)]
            chains.append(
                [
                    {"layer_name": name, "transformation": getattr(self, name)._draw(shape, seed)}
                    for name in chain
                ]
            )
        return {
            "chain_mixing_weights": generator.dirichlet(np.full(self.num_chains, self.alpha)),
            "weight_sample": generator.beta(self.alpha, self.alpha),
            "chain_transforms": chains,
        }

    def _mixed(self, images: Any, transformation: Any, step: str) -> Any:
        weights = np.asarray(transformation["chain_mixing_weights"], self.dtype)
        total = 0.0
        for weight, chain in zip(weights, transformation["chain_transforms"], strict=True):
            changed = images
            for link in chain:
                change = getattr(getattr(self, link["layer_name"]), step)
                changed = change(changed, link["transformation"])
            total = total + changed * weight
        share = np.asarray(transformation["weight_sample"], self.dtype)
        return images * share + total * (1 - share)

    def _transform(self, images: Any, transformation: Any) -> Any:
        mixed = self._mixed(images, transformation, "transform_images")
        return ops.clip(mixed, *self.value_range)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._mixed(masks, transformation, "transform_segmentation_masks")
