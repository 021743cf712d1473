"""Normalization: the mean and the spread of which numbers, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import layers
from layerscope.masks import get_keras_mask
from layerscope_explorer.derivation.entry import Entry, array_of
from layerscope_explorer.derivation.records import Derivation, Line, Term, agree

__all__ = ["as_normalized"]

Array = NDArray[Any]


def as_normalized(entry: Entry) -> Derivation | None:
    """Return an entry as its distance from a mean in standard deviations, scaled and shifted."""
    for way in _ways(entry):
        if agree(way.result, entry.value, max(abs(line.value) for line in way.lines)):
            return way
    return None


def _ways(entry: Entry) -> Iterator[Derivation]:
    """Yield what the entry would be by each statistic that the layer may have used."""
    layer, x = entry.layer, float(entry.inputs[0][entry.index])
    if isinstance(layer, layers.BatchNormalization):
        yield from _batch_ways(entry, x)
    elif isinstance(layer, layers.GroupNormalization):
        group = _group(entry)
        gamma, beta = (_per_channel(entry, layer.axis, w) for w in (layer.gamma, layer.beta))
        yield _standardized(entry, x, group.mean(), group.var(), gamma, beta)
    elif isinstance(layer, layers.UnitNormalization):
        row = _along(entry, layer.axis)
        length = float(np.sqrt(max((row**2).sum(), 1e-12)))
        lines = [Line("length", length, {}, {"count": f"{row.size:,}"})]
        yield _divided(entry, x, lines, length, 1.0)
    elif isinstance(layer, layers.RMSNormalization):
        row = _along(entry, layer.axis)
        square = float((row**2).mean())
        lines = [Line("mean_square", square, {}, {"count": f"{row.size:,}"})]
        scale = _over_axes(entry, layer.axis, layer.scale)
        yield _divided(entry, x, lines, float(np.sqrt(square + layer.epsilon)), scale)
    elif isinstance(layer, layers.LayerNormalization):
        row = _along(entry, layer.axis)
        gamma, beta = (_over_axes(entry, layer.axis, w) for w in (layer.gamma, layer.beta))
        yield _standardized(entry, x, row.mean(), row.var(), gamma, beta)


def _batch_ways(entry: Entry, x: float) -> Iterator[Derivation]:
    layer = entry.layer
    axis = layer.axis % (entry.inputs[0].ndim + 1)
    channel = entry.index[axis - 1]
    gamma, beta = (_per_channel(entry, layer.axis, w) for w in (layer.gamma, layer.beta))
    mean, variance = (
        float(array_of(one)[channel]) for one in (layer.moving_mean, layer.moving_variance)
    )
    yield _standardized(entry, x, mean, variance, gamma, beta, "moving")
    values = np.moveaxis(np.asarray(entry.step.inputs[0], np.float64), axis, -1)[..., channel]
    mask = get_keras_mask(entry.step.inputs[0])
    if mask is not None and np.shape(mask) == values.shape:
        values = values[np.asarray(mask) != 0]
    batch = values.mean(), values.var()
    yield _standardized(entry, x, *batch, gamma, beta, "batch")
    if layer.renorm:
        yield _standardized(
            entry, x, *batch, gamma, beta, "batch", _corrections(layer, *batch, channel)
        )


def _corrections(layer: Any, mean: float, variance: float, channel: int) -> tuple[float, float]:
    """Return factor and offset from the batch's statistics to the averages', within limits."""
    limits = layer.renorm_clipping or {}
    stddev = float(np.sqrt(variance + layer.epsilon))
    usual = max(float(array_of(layer.renorm_stddev)[channel]), float(np.sqrt(layer.epsilon)))
    reach = limits.get("dmax", np.inf)
    offset = (mean - float(array_of(layer.renorm_mean)[channel])) / usual
    return (
        float(np.clip(stddev / usual, limits.get("rmin", 0.0), limits.get("rmax", np.inf))),
        float(np.clip(offset, -reach, reach)),
    )


def _along(entry: Entry, axes: int | Sequence[int]) -> Array:
    """Return the numbers of the sample that the entry is normalized with."""
    given = np.asarray(entry.inputs[0], np.float64)
    chosen = _own_axes(given.ndim, axes)
    taken = tuple(
        slice(None) if axis in chosen else place for axis, place in enumerate(entry.index)
    )
    return given[taken].reshape(-1)


def _own_axes(rank: int, axes: int | Sequence[int]) -> list[int]:
    """Return axes counted from the first behind the batch."""
    named = [axes] if isinstance(axes, int) else list(axes)
    return sorted(axis % (rank + 1) - 1 for axis in named)


def _group(entry: Entry) -> Array:
    given = np.asarray(entry.inputs[0], np.float64)
    axis = entry.layer.axis % (given.ndim + 1) - 1
    size = given.shape[axis] // entry.layer.groups
    first = entry.index[axis] // size * size
    return np.take(given, range(first, first + size), axis=axis).reshape(-1)


def _per_channel(entry: Entry, axis: int, weight: Any) -> float | None:
    if weight is None:
        return None
    return float(array_of(weight)[entry.index[axis % (entry.inputs[0].ndim + 1) - 1]])


def _over_axes(entry: Entry, axes: int | Sequence[int], weight: Any) -> float | None:
    if weight is None:
        return None
    chosen = _own_axes(entry.inputs[0].ndim, axes)
    return float(array_of(weight)[tuple(entry.index[axis] for axis in chosen)])


def _standardized(
    entry: Entry,
    x: float,
    mean: float,
    variance: float,
    gamma: float | None,
    beta: float | None,
    whose: str = "sample",
    correction: tuple[float, float] | None = None,
) -> Derivation:
    """Return the steps of (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    epsilon = float(entry.layer.epsilon)
    mean, variance = float(mean), float(variance)
    result = (x - mean) / float(np.sqrt(variance + epsilon))
    lines = [
        Line(f"mean_{whose}", mean),
        Line(f"variance_{whose}", variance),
        Line(
            "standardized",
            result,
            {"x": x, "mean": mean, "variance": variance, "epsilon": epsilon},
        ),
    ]
    if correction is not None:
        factor, offset = correction
        numbers = {"before": result, "factor": factor, "offset": offset}
        result = result * factor + offset
        lines.append(Line("renormalized", result, numbers))
    return _scaled(entry, x, lines, result, gamma, beta)


def _divided(
    entry: Entry, x: float, lines: list[Line], divisor: float, scale: float | None
) -> Derivation:
    result = x / divisor
    lines.append(Line("divided", result, {"x": x, "divisor": divisor}))
    return _scaled(entry, x, lines, result, None if scale == 1.0 else scale, None)


def _scaled(
    entry: Entry,
    x: float,
    lines: list[Line],
    result: float,
    gamma: float | None,
    beta: float | None,
) -> Derivation:
    if gamma is not None:
        lines.append(Line("scale", result * gamma, {"before": result, "gamma": gamma}))
        result *= gamma
    if beta is not None:
        lines.append(Line("shift", result + beta, {"before": result, "beta": beta}))
        result += beta
    place = int(np.ravel_multi_index(entry.index, entry.inputs[0].shape))
    term = Term(0, place, x, None, x)
    return Derivation("normalized", result, (term,), 1, 0.0, tuple(lines), entry.slopes)
