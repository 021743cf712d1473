"""Made-up tasks that a small network can learn in a moment: points in the plane, and sequences.

Every function draws from the generator it is given and returns inputs and targets; classes are
whole numbers from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Drawn = tuple[np.ndarray, np.ndarray]

#: Steps of a sequence, and how many kinds there are: rising, falling, steady.
CHIRP_STEPS, CHIRP_CLASSES = 32, 3


def _two_classes(count: int) -> np.ndarray:
    return (np.arange(count) % 2).astype(np.int32)


def spiral(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return two arms that wind around each other, one and three quarter turns."""
    y = _two_classes(count)
    along = np.sqrt(generator.uniform(0.01, 1.0, count))
    angle = 3.5 * np.pi * along + np.pi * y
    x = 2.0 * along * np.array([np.cos(angle), np.sin(angle)])
    return x.T + 0.4 * jitter * generator.standard_normal((count, 2)), y


def circles(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return a disc and a ring around it."""
    y = _two_classes(count)
    radius = np.where(y, generator.uniform(1.4, 2.0, count), generator.uniform(0.0, 1.0, count))
    angle = generator.uniform(0.0, 2 * np.pi, count)
    x = radius * np.array([np.cos(angle), np.sin(angle)])
    return x.T + jitter * generator.standard_normal((count, 2)), y


def xor(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return points in a square whose class is whether their signs are alike."""
    x = generator.uniform(-2.0, 2.0, (count, 2))
    x += 0.15 * np.sign(x)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    return x + jitter * generator.standard_normal((count, 2)), y


def gauss(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return two clouds side by side."""
    y = _two_classes(count)
    centre = np.where(y[:, None], [1.0, 1.0], [-1.0, -1.0])
    return centre + (0.35 + jitter) * generator.standard_normal((count, 2)), y


def ripple(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return points of the plane and a height over them, sin(2a) · cos(b)."""
    x = generator.uniform(-2.0, 2.0, (count, 2))
    height = np.sin(2 * x[:, :1]) * np.cos(x[:, 1:])
    return x, height + jitter * generator.standard_normal((count, 1))


def chirps(count: int, jitter: float, generator: np.random.Generator) -> Drawn:
    """Return sequences of one feature that swing ever faster, ever slower, or evenly."""
    y = (np.arange(count) % CHIRP_CLASSES).astype(np.int32)
    time = np.linspace(0.0, 1.0, CHIRP_STEPS)
    swings = generator.uniform(3.0, 5.0, (count, 1))
    bend = np.array([1.0, -1.0, 0.0])[y][:, None] * generator.uniform(0.5, 0.9, (count, 1))
    phase = 2 * np.pi * (swings * (time + bend * time * (time - 1.0)))
    x = np.sin(phase + generator.uniform(0.0, 2 * np.pi, (count, 1)))
    return (x + jitter * generator.standard_normal(x.shape))[..., None], y


#: By name: what draws it, and how many classes it has; 0 where targets are numbers.
TOYS: Mapping[str, tuple[Callable[[int, float, np.random.Generator], Drawn], int]] = {
    "spiral": (spiral, 2),
    "circles": (circles, 2),
    "xor": (xor, 2),
    "gauss": (gauss, 2),
    "ripple": (ripple, 0),
    "chirps": (chirps, CHIRP_CLASSES),
}
