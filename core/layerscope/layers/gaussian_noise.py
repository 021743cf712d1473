"""Normal noise added while training."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import random
from layerscope.config import float_type_for
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.noise import _Noise
from layerscope.random import Seed, check_seed


class GaussianNoise(_Noise):
    """Adds normal noise with mean zero while training; at inference nothing changes.

    Shapes: input and output are the same. Source: Keras `GaussianNoise`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.GaussianNoise(0.5, seed=0)(np.ones((1, 4), "float32"))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    section: ClassVar[str] = "noise"
    formula: ClassVar[str] = r"y = x + n,\ n \sim \mathcal{N}(0, s^2)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"stddev": 0.5, "seed": 0}, (4, 6)),
        Example({"stddev": 0}, (2, 3)),
    )

    stddev: float = field(ge=0, le=1, slider=(0, 1), help="Standard deviation of the noise.")
    seed: Seed = field(default=None, converter=check_seed, help="Makes the noise repeatable.")

    def __post_init__(self) -> None:
        self._seed_with(self.seed)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        dtype = float_type_for(inputs.dtype)
        return inputs + random.normal(
            inputs.shape, stddev=self.stddev, dtype=dtype, seed=self.seed_generator
        )
