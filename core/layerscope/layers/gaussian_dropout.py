"""Multiplication by normal noise while training."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from layerscope import random
from layerscope.config import float_type_for
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.noise import NO_FRACTION, _Noise
from layerscope.random import Seed, check_seed


class GaussianDropout(_Noise):
    """Multiplies by normal noise with mean one while training; at inference nothing changes.

    The noise has the standard deviation ``sqrt(rate / (1 - rate))``, that of a dropout's factors.
    Shapes: input and output are the same. Source: Srivastava et al. 2014; Keras `GaussianDropout`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.GaussianDropout(0.5, seed=0)(np.ones((1, 4), "float32"))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    section: ClassVar[str] = "noise"
    formula: ClassVar[str] = r"y = x \odot n,\ n \sim \mathcal{N}\Big(1, \frac{p}{1 - p}\Big)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (4, 6)),
        Example({"rate": 0}, (2, 3)),
    )

    rate: float = field(
        ge=0,
        le=1,
        slider=(0, 0.9),
        help="Dropout rate whose spread the noise has.",
        refusal=NO_FRACTION,
    )
    seed: Seed = field(default=None, converter=check_seed, help="Makes the noise repeatable.")

    def __post_init__(self) -> None:
        self._seed_with(self.seed)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            raise ZeroDivisionError(
                "Argument `rate` must be less than 1 while training: the noise would be infinite. "
                f"Received: rate={self.rate}"
            )
        return inputs * random.normal(
            inputs.shape,
            mean=1.0,
            stddev=math.sqrt(self.rate / (1 - self.rate)),
            dtype=float_type_for(inputs.dtype),
            seed=self.seed_generator,
        )
