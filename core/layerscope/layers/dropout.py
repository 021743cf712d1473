"""Random zeros while training."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import random
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.noise import NO_FRACTION, _Noise, check_noise_shape
from layerscope.random import Seed, check_seed


class Dropout(_Noise):
    """Zeroes a random fraction of the entries while training and scales up the rest.

    Kept entries are multiplied by ``1 / (1 - rate)``, so the expected sum stays the same; at
    inference nothing changes. Shapes: input and output are the same.
    Source: Srivastava et al. 2014; Keras `Dropout`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Dropout(0.5, seed=0)(np.ones((1, 4), "float32"))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \frac{m \odot x}{1 - p},\ m \sim \mathrm{Bernoulli}(1 - p)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (4, 6)),
        Example({"rate": 0.3, "noise_shape": (None, 1, None), "seed": 1}, (2, 3, 4)),
        Example({"rate": 0}, (2, 3)),
    )

    rate: float = field(
        ge=0, le=1, slider=(0, 0.9), help="Fraction of the entries to zero.", refusal=NO_FRACTION
    )
    noise_shape: tuple[int | None, ...] | None = field(
        default=None,
        converter=check_noise_shape,
        help="Shape of the random mask, broadcast over the input; None entries take its length.",
    )
    seed: Seed = field(default=None, converter=check_seed, help="Makes the zeros repeatable.")

    def __post_init__(self) -> None:
        self._seed_with(self.seed)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)
