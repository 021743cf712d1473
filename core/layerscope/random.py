"""Random numbers without global state.

The ambient generator, which unseeded calls draw from, lives in a context variable: seeding it in
one session never touches another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np

from layerscope.compiled import dropout as loops
from layerscope.config import float_type_for, floatx
from layerscope.tensor import OPERATIONS, KerasTensor, Variable

_AMBIENT: ContextVar[np.random.Generator | None] = ContextVar("ambient_generator", default=None)


def set_seed(seed: int) -> None:
    """Make all unseeded randomness of this context reproducible."""
    _AMBIENT.set(np.random.default_rng(seed))


def make_seed() -> int:
    """Draw a fresh integer seed from the ambient generator."""
    generator = _AMBIENT.get()
    if generator is None:
        generator = np.random.default_rng()
        _AMBIENT.set(generator)
    return int(generator.integers(0, 2**31 - 1))


def ambient_state() -> dict[str, Any] | None:
    """Return the state of the generator that unseeded calls draw from, None before the first."""
    generator = _AMBIENT.get()
    return None if generator is None else dict(generator.bit_generator.state)


def restore_ambient_state(state: dict[str, Any] | None) -> None:
    """Let unseeded calls of this context draw what they drew after `ambient_state`."""
    if state is not None:
        generator = np.random.default_rng()
        generator.bit_generator.state = state
        _AMBIENT.set(generator)


class SeedGenerator:
    """A source of randomness with a state that advances with each use.

    Parameters
    ----------
    seed : starting point, not negative; None draws one.

    Attributes
    ----------
    state : the seed and how often it was used, a variable of the layer that has the generator.
    """

    keras_module: ClassVar[str] = "keras.random"

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and not (isinstance(seed, (int, np.integer)) and seed >= 0):
            raise ValueError(
                f"Argument `seed` must be an integer at least 0. Received: seed={seed!r}"
            )
        self.seed = make_seed() if seed is None else int(seed)
        self.state = Variable(
            np.array([self.seed % 2**32, 0], "uint32"), trainable=False, name="seed_generator_state"
        )

    def generator(self) -> np.random.Generator:
        """Return a NumPy generator for one use, and advance."""
        # The seed goes last: NumPy ignores zeros at the end, and the first use of a generator would
        # draw the same as what has its seed as a plain number.
        generator = np.random.default_rng(self.state.value[::-1])
        self.state.value[1] += 1
        return generator

    def next(self) -> int:
        """Return a fresh integer seed and advance."""
        return int(self.generator().integers(0, 2**31 - 1))

    def get_config(self) -> dict[str, Any]:
        """Return the starting seed."""
        return {"seed": self.seed}


Seed = int | SeedGenerator | None


def check_seed(seed: Any) -> Any:
    """Return a valid seed; the config of a `SeedGenerator` becomes one.

    Raises
    ------
    ValueError
        If it is neither an integer, a `SeedGenerator` nor None.
    """
    if isinstance(seed, dict) and seed.get("class_name") == "SeedGenerator":
        return SeedGenerator(seed["config"]["seed"])
    valid = seed is None or isinstance(seed, (int, np.integer, SeedGenerator))
    if not valid or isinstance(seed, bool):
        raise ValueError(
            "Argument `seed` must be an integer, a `layerscope.random.SeedGenerator` or None. "
            f"Received: seed={seed!r}"
        )
    return int(seed) if isinstance(seed, np.integer) else seed


def generator_of(seed: Seed) -> np.random.Generator:
    """Return a NumPy generator: repeatable for an integer, advancing for a `SeedGenerator`."""
    if isinstance(seed, SeedGenerator):
        return seed.generator()
    return np.random.default_rng(make_seed() if seed is None else seed)


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> np.ndarray:
    """Draw from a normal distribution."""
    kind = np.dtype(dtype or floatx())
    draws = np.asarray(generator_of(seed).standard_normal(tuple(shape), dtype=_drawable(kind)))
    return _moved(draws, kind, stddev, mean)


def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> np.ndarray:
    """Draw uniformly from ``[minval, maxval)``."""
    kind = np.dtype(dtype or floatx())
    draws = np.asarray(generator_of(seed).random(tuple(shape), dtype=_drawable(kind)))
    return _moved(draws, kind, maxval - minval, minval)


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> np.ndarray:
    """Draw from a normal distribution, redrawing what is beyond two standard deviations."""
    kind = np.dtype(dtype or floatx())
    generator = generator_of(seed)
    draws = np.asarray(generator.standard_normal(tuple(shape), dtype=_drawable(kind)))
    flat = draws.reshape(-1)
    beyond = np.flatnonzero(np.abs(flat) > 2)
    while beyond.size:
        flat[beyond] = generator.standard_normal(beyond.size, dtype=_drawable(kind))
        beyond = beyond[np.abs(flat[beyond]) > 2]
    return _moved(draws, kind, stddev, mean)


def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: str = "int32", seed: Seed = None
) -> np.ndarray:
    """Draw integers uniformly from ``[minval, maxval)``."""
    return generator_of(seed).integers(minval, maxval, tuple(shape)).astype(dtype)


def shuffle(x: np.ndarray, axis: int = 0, seed: Seed = None) -> np.ndarray:
    """Return a copy with its entries along `axis` in random order."""
    return generator_of(seed).permutation(x, axis=axis)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None
) -> Any:
    """Zero a random fraction `rate` of the entries and scale the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    noise_shape : shape of the random mask, broadcast over the input; None entries take the
        input's length.
    """
    if noise_shape is None and rate < 1 and not isinstance(inputs, KerasTensor):
        blocks = -(-math.prod(inputs.shape) // loops.BLOCK)
        keys = generator_of(seed).integers(0, 2**32, (blocks, 2), np.uint32)
        return OPERATIONS["drop"](inputs, keys=keys, rate=rate)
    # Symbolic inputs may lack lengths; a mask for one sample has the shape for any number.
    shape = [1 if length is None else length for length in inputs.shape]
    return inputs * dropout_mask(shape, str(inputs.dtype), rate, noise_shape, seed)


def dropout_mask(
    shape: Sequence[int],
    dtype: str,
    rate: float,
    noise_shape: Sequence[int | None] | None,
    seed: Seed,
) -> np.ndarray:
    """Draw the factors of a dropout: 0 or ``1 / (1 - rate)``."""
    # What is not a number with a point would lose the scale to rounding.
    dtype = float_type_for(dtype)
    if rate >= 1:
        return np.zeros(_noise_lengths(shape, noise_shape), dtype)
    kept = keep_mask(shape, dtype, rate, noise_shape, seed)
    return kept * np.dtype(dtype).type(1 / (1 - rate))


def keep_mask(
    shape: Sequence[int],
    dtype: str,
    rate: float,
    noise_shape: Sequence[int | None] | None,
    seed: Seed,
) -> np.ndarray:
    """Draw zeros with probability `rate` and ones otherwise."""
    lengths = _noise_lengths(shape, noise_shape)
    return (generator_of(seed).random(lengths, dtype=np.float32) >= rate).astype(dtype)


def _noise_lengths(
    shape: Sequence[int], noise_shape: Sequence[int | None] | None
) -> tuple[int, ...]:
    if noise_shape is None:
        return tuple(shape)
    if len(noise_shape) != len(shape):
        raise ValueError(
            "Argument `noise_shape` must have an entry for each axis of the input, whose shape is "
            f"{tuple(shape)}. Received: noise_shape={tuple(noise_shape)}"
        )
    return tuple(
        have if want is None else want for have, want in zip(shape, noise_shape, strict=True)
    )


def _moved(draws: np.ndarray, kind: np.dtype, factor: float, summand: float) -> np.ndarray:
    """Return ``draws * factor + summand`` in the place of `draws`, if these are of the type."""
    if draws.dtype != kind:
        return (draws * kind.type(factor) + kind.type(summand)).astype(kind)
    draws *= kind.type(factor)
    draws += kind.type(summand)
    return draws


def _drawable(kind: np.dtype) -> Any:
    return np.float64 if kind == np.float64 else np.float32
