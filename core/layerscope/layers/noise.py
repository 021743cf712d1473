"""What layers share that change their input at random."""

from __future__ import annotations

from typing import Any

from layerscope.layers.layer import Layer
from layerscope.random import Seed, SeedGenerator
from layerscope.tensor import Shape

#: What to say of a rate that is no fraction.
NO_FRACTION = (
    "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
    "Received: rate={value}"
)


def check_noise_shape(value: Any) -> tuple[int | None, ...] | None:
    """Return a valid shape of a random mask.

    Raises
    ------
    ValueError
        If it is neither None nor a tuple of positive integers and None.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        wanted = "a tuple or list of integers"
    elif not all(length is None or isinstance(length, int) for length in value):
        wanted = "all elements to be integers or None"
    elif not all(length is None or length > 0 for length in value):
        wanted = "all dimensions to be positive integers or None"
    else:
        return tuple(value)
    raise ValueError(
        f"Invalid value received for argument `noise_shape`. Expected {wanted}. "
        f"Received: noise_shape={value!r}"
    )


class _Noise(Layer):
    """Base of layers that are random while training and the identity at inference."""

    def _seed_with(self, seed: Seed) -> None:
        self.supports_masking = True
        self.seed_generator = seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
