"""Dropout that keeps mean and variance of self-normalizing networks."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import random
from layerscope.config import float_type_for
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.noise import NO_FRACTION, _Noise, check_noise_shape
from layerscope.random import Seed, check_seed

# What SELU tends to far below zero.
_LOWEST = -1.6732632423543772 * 1.0507009873554805


class AlphaDropout(_Noise):
    """Sets a random fraction of the entries to SELU's lowest value while training.

    A linear map afterwards restores mean zero and variance one; at inference nothing changes.
    Shapes: input and output are the same. Source: Klambauer et al. 2017; Keras `AlphaDropout`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.AlphaDropout(0.5, seed=0)(np.ones((1, 4), "float32"))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    section: ClassVar[str] = "noise"
    formula: ClassVar[str] = (
        r"y = a\,(m \odot x + (1 - m)\,\alpha') + b,\ m \sim \mathrm{Bernoulli}(1 - p)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (4, 6)),
        Example({"rate": 0.3, "noise_shape": (None, 1, None), "seed": 1}, (2, 3, 4)),
        Example({"rate": 0}, (2, 3)),
    )

    rate: float = field(
        ge=0, le=1, slider=(0, 0.9), help="Fraction of the entries to drop.", refusal=NO_FRACTION
    )
    noise_shape: tuple[int | None, ...] | None = field(
        default=None,
        converter=check_noise_shape,
        help="Shape of the random mask, broadcast over the input; None entries take its length.",
    )
    seed: Seed = field(default=None, converter=check_seed, help="Makes the drops repeatable.")

    def __post_init__(self) -> None:
        self._seed_with(self.seed)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            raise ZeroDivisionError(
                "Argument `rate` must be less than 1 while training: nothing would be left to "
                f"restore the variance with. Received: rate={self.rate}"
            )
        kept = random.keep_mask(
            inputs.shape,
            float_type_for(inputs.dtype),
            self.rate,
            self.noise_shape,
            self.seed_generator,
        )
        scale = ((1 - self.rate) * (1 + self.rate * _LOWEST**2)) ** -0.5
        return scale * (inputs * kept + _LOWEST * (1 - kept)) - scale * _LOWEST * self.rate
