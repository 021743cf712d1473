"""Two weights at a time: the penalty over their plane, and where a projection takes its points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.penalties import limits_of, scalar

__all__ = ["Plane", "plane_of"]

Array = NDArray[Any]
Float64Array = NDArray[np.float64]

#: Largest weights for so many points along each side, so that the picture takes some 20 ms.
_POINTS = ((5_000, 21), (100_000, 9), (np.inf, 7))
_ARROWS = ((5_000, 9), (100_000, 7), (np.inf, 5))
#: Weights beyond this are judged by one column alone.
_MOST_VALUES = 200_000


@dataclass(frozen=True, slots=True)
class Plane:
    """What happens in the plane of two weights while all others stay.

    Attributes
    ----------
    places
        Which two: their indices.
    reach
        The plane goes from -reach to reach in both directions.
    penalty
        The regularizer on a grid of points, float64 (n, n), the second weight upward; None
        without one.
    starts, ends
        Points and where the constraint takes them, float64 (m, 2) each; only those that move.
    now, stepped, projected
        The two weights, after a step, and after the constraint, float64 (2,).
    """

    places: tuple[tuple[int, ...], tuple[int, ...]]
    reach: float
    penalty: Float64Array | None
    starts: Float64Array
    ends: Float64Array
    now: Float64Array
    stepped: Float64Array
    projected: Float64Array


def plane_of(
    values: Array,
    stepped: Array,
    regularizer: Callable[[Any], Any] | None,
    constraint: Callable[[Any], Any] | None,
    axes: tuple[int, ...],
) -> Plane | None:
    """Return the plane of the two weights of one column that a step changes most.

    Parameters
    ----------
    values, stepped
        The weight before and after a step.
    regularizer, constraint
        The objects themselves: what is drawn is what they return.
    axes
        Along which a column lies.

    Returns
    -------
    Plane
        None for a weight of less than two entries, or not of finite numbers.
    """
    if values.size < 2 or not np.isfinite(values).all() or not np.isfinite(stepped).all():
        return None
    chosen = _two(np.abs(stepped - values) + 1e-6 * np.abs(values), axes)
    first, second = (np.unravel_index(one, values.shape) for one in chosen)
    places = (tuple(map(int, first)), tuple(map(int, second)))
    now = np.array([values[place] for place in places], np.float64)
    after = np.array([stepped[place] for place in places], np.float64)
    limits = limits_of(constraint)
    reach = 1.3 * max(*np.abs(now), *np.abs(after), *limits) or 1.0
    block, corners = _block(values, places, axes)
    penalty = None if regularizer is None else _penalty(regularizer, block, corners, reach)
    starts = ends = np.zeros((0, 2))
    projected = after
    if constraint is not None:
        side = next(points for size, points in _ARROWS if block.size <= size)
        ticks = np.linspace(-reach, reach, side + 2)[1:-1]
        starts = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        ends = np.array([_projected(constraint, block, corners, point) for point in starts])
        moves = np.abs(ends - starts).max(axis=1) > 1e-3 * reach
        starts, ends = starts[moves], ends[moves]
        projected = _projected(constraint, block, corners, after)
    return Plane(places, reach, penalty, starts, ends, now, after, projected)


def _two(weight: Array, axes: tuple[int, ...]) -> tuple[int, int]:
    """Return the flat places of the two largest entries of the column with the largest."""
    top = int(np.argmax(weight))
    place = np.unravel_index(top, weight.shape)
    column = tuple(
        slice(None) if axis in axes else slice(index, index + 1) for axis, index in enumerate(place)
    )
    places = np.arange(weight.size).reshape(weight.shape)[column].reshape(-1)
    if places.size < 2:
        places = np.arange(weight.size)
    others = places[places != top]
    second = int(others[np.argmax(weight.reshape(-1)[others])])
    return min(top, second), max(top, second)


def _block(
    values: Array, places: tuple[tuple[int, ...], tuple[int, ...]], axes: tuple[int, ...]
) -> tuple[Array, Any]:
    """Return a copy to try points in, of a very large weight the column only."""
    if values.size <= _MOST_VALUES or any(
        one != other for axis, (one, other) in enumerate(zip(*places, strict=True))
        if axis not in axes
    ):  # fmt: skip
        return np.array(values), places
    column = tuple(
        slice(None) if axis in axes else slice(index, index + 1)
        for axis, index in enumerate(places[0])
    )
    inside = tuple(
        tuple(index if axis in axes else 0 for axis, index in enumerate(place)) for place in places
    )
    return np.array(values[column]), inside


def _penalty(
    regularizer: Callable[[Any], Any], block: Array, places: Any, reach: float
) -> Float64Array:
    side = next(points for size, points in _POINTS if block.size <= size)
    ticks = np.linspace(-reach, reach, side)
    found = np.empty((side, side))
    for row, y in enumerate(ticks):
        for column, x in enumerate(ticks):
            block[places[0]], block[places[1]] = x, y
            found[row, column] = scalar(regularizer(block))
    return found


def _projected(
    constraint: Callable[[Any], Any], block: Array, places: Any, point: Array
) -> Float64Array:
    block[places[0]], block[places[1]] = point
    # A constraint may write where it reads.
    image = constraint(np.array(block))
    return np.array([image[places[0]], image[places[1]]], np.float64)
