"""Dropout of whole channels."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import random
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.noise import NO_FRACTION, _Noise
from layerscope.random import Seed, check_seed


class _SpatialDropout(_Noise):
    """Base of layers that zero all entries of a channel together."""

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \frac{m \odot x}{1 - p},\ m_{c} \sim \mathrm{Bernoulli}(1 - p)"
    rank: ClassVar[int]
    _positional: ClassVar[dict[str, str]] = {"name": "seed", "dtype": "name"}

    rate: float = field(
        ge=0, le=1, slider=(0, 0.9), help="Fraction of the channels to zero.", refusal=NO_FRACTION
    )
    seed: Seed = field(default=None, converter=check_seed, help="Makes the zeros repeatable.")

    def __post_init__(self) -> None:
        self._seed_with(self.seed)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        first = getattr(self, "data_format", None) == "channels_first"
        unit = (1,) * self.rank
        noise_shape = (None, None, *unit) if first else (None, *unit, None)
        return random.dropout(inputs, self.rate, noise_shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        # Keras's constructor knows no `trainable`, and its config holds the bare type.
        config = super().get_config() | {"dtype": self.dtype}
        if self.trainable:
            del config["trainable"]
        return config


class SpatialDropout1D(_SpatialDropout):
    """Zeroes a random fraction of the channels of a sequence while training.

    Shapes: input and output (batch, steps, channels). Source: Tompson et al. 2014; Keras
    `SpatialDropout1D`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.SpatialDropout1D(0.5, seed=0)(np.ones((1, 1, 4), "float32"))
    array([[[1., 1., 1., 1.]]], dtype=float32)
    """

    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (2, 3, 4)),
        Example({"rate": 0}, (2, 3, 2)),
    )


class SpatialDropout2D(_SpatialDropout):
    """Zeroes a random fraction of the channels of images while training.

    Shapes: input and output (batch, height, width, channels); channels second with
    ``"channels_first"``. Source: Tompson et al. 2014; Keras `SpatialDropout2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.SpatialDropout2D(0.5).compute_output_shape((None, 4, 4, 8))
    (None, 4, 4, 8)
    """

    rank: ClassVar[int] = 2
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (2, 3, 2, 4)),
        Example({"rate": 0.3, "data_format": "channels_first", "seed": 1}, (2, 4, 3, 2)),
    )

    data_format: DataFormat | None = data_format_field(after="rate")


class SpatialDropout3D(_SpatialDropout):
    """Zeroes a random fraction of the channels of volumes while training.

    Shapes: input and output (batch, depth, height, width, channels); channels second with
    ``"channels_first"``. Source: Tompson et al. 2014; Keras `SpatialDropout3D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.SpatialDropout3D(0.5).compute_output_shape((None, 2, 4, 4, 8))
    (None, 2, 4, 4, 8)
    """

    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"rate": 0.5, "seed": 0}, (2, 2, 1, 2, 4)),
        Example({"rate": 0.3, "data_format": "channels_first", "seed": 1}, (2, 4, 2, 1, 2)),
    )

    data_format: DataFormat | None = data_format_field(after="rate")
