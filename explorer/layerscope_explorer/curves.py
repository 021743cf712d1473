"""What an activation does: its curve, its slope, and what it does to the data's own values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from layerscope import ops
from layerscope.autodiff import GradientTape

#: Points of a curve.
POINTS = 241
#: A slope below this share of the steepest one counts as saturated.
_FLAT = 0.05


@dataclass(frozen=True)
class Curve:
    """An activation sampled on a grid: x, y and the derivative, float32 (n,)."""

    x: np.ndarray
    y: np.ndarray
    derivative: np.ndarray


def curve_of(
    activation: Callable[[Any], Any], low: float, high: float, units: int, rank: int = 2
) -> Curve:
    """Sample an activation and its derivative between `low` and `high`.

    An activation that mixes units, such as softmax, is shown as the response of the first of
    `units` to its own input while the others stay at zero. `rank` is the number of axes it is
    given, the batch among them.
    """
    arguments = activation, float(low), float(high), max(units, 1), rank
    # A plain function keeps its curve; a layer's depends on what the layer was given.
    known = isinstance(activation, FunctionType)
    return _known_curve(*arguments) if known else _sampled(*arguments)


def _sampled(
    activation: Callable[[Any], Any], low: float, high: float, units: int, rank: int
) -> Curve:
    x = np.linspace(low, high, POINTS, dtype=np.float32)
    # A layer takes its own type; a function is sampled in double precision, whose formulas need no
    # machine code: loading it would make a person wait.
    plain = isinstance(activation, FunctionType)
    inputs = np.zeros((POINTS, units), np.float64 if plain else np.float32)
    inputs[:, 0] = x
    with GradientTape() as tape:
        watched = tape.watch(inputs)
        y = activation(ops.reshape(watched, _with_axes(inputs.shape, rank)))
        y = ops.reshape(y, inputs.shape)[:, 0]
        total = ops.sum(y)
    slope = tape.gradient(total, watched)
    slopes = np.zeros(POINTS, np.float32) if slope is None else slope[:, 0]
    return Curve(x, np.asarray(ops.convert_to_numpy(y), np.float32), slopes.astype(np.float32))


_known_curve = lru_cache(maxsize=256)(_sampled)


def _with_axes(shape: tuple[int, int], rank: int) -> tuple[int, ...]:
    """Return the shape with axes of length one in its middle, `rank` axes in all."""
    return (shape[0], *[1] * (rank - 2), shape[1])


def is_elementwise(activation: Callable[[Any], Any], rank: int = 2) -> bool:
    """Tell whether each value is treated alone, by trying it on an array of `rank` axes."""
    known = isinstance(activation, FunctionType)
    return _known_elementwise(activation, rank) if known else _tried_alone(activation, rank)


def _tried_alone(activation: Callable[[Any], Any], rank: int) -> bool:
    probe = np.array([[-1.25, 0.5, 2.0]], np.float32).reshape(_with_axes((1, 3), rank))
    together = np.asarray(activation(probe))
    alone = np.concatenate([np.asarray(activation(probe[..., [i]])) for i in range(3)], axis=-1)
    return together.shape == alone.shape and bool(np.allclose(together, alone, equal_nan=True))


_known_elementwise = lru_cache(maxsize=256)(_tried_alone)


def flat_shares(slopes: np.ndarray) -> tuple[float, float]:
    """Return the shares of units that are dead and saturated on the data.

    Parameters
    ----------
    slopes : those of an activation that treats each value alone, (..., units).

    Returns
    -------
    Share of units whose slope is exactly zero on all samples, and share of units whose slope is
    on average below 5 % of the steepest one met (the dead ones included).
    """
    steepness = np.abs(slopes).reshape(-1, slopes.shape[-1])
    steepest = float(steepness.max(initial=0.0))
    dead = float(np.mean(~steepness.any(axis=0)))
    if steepest == 0.0:
        return dead, 1.0
    return dead, float(np.mean(steepness.mean(axis=0) < _FLAT * steepest))
