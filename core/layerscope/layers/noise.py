"""What layers share that change their input at random."""

from __future__ import annotations

from typing import Any

from layerscope.layers.layer import Layer
from layerscope.random import Seed, SeedGenerator
from layerscope.tensor import Shape


def check_noise_shape(value: Any) -> tuple[int | None, ...] | None:
    """Return a valid shape of a random mask.

    Raises
    ------
    ValueError
        If it is neither None nor a tuple of positive integers and None.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(
        length is None or (isinstance(length, int) and length > 0) for length in value
    ):
        raise ValueError(
            "Argument `noise_shape` must be a tuple of positive integers or None. "
            f"Received: noise_shape={value!r}"
        )
    return tuple(value)


class _Noise(Layer):
    """Base of layers that are random while training and the identity at inference."""

    def _seed_with(self, seed: Seed) -> None:
        self.supports_masking = True
        self.seed_generator = seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
