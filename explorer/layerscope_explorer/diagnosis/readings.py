"""What is measured of a working layer on the data, once, for the rules of health to judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.layers.layer import Layer
from layerscope_explorer.curves import is_elementwise
from layerscope_explorer.steps import Array, Step, activation_of

#: Values that are looked at, at most; a share of all units, on all samples.
_MOST = 65_536
#: Their squares are numbers in single precision.
_SMALLEST, _LARGEST = 1e-15, 1e15
#: Activations with two flat ends, and their slopes in between, where they are steepest.
S_SHAPED = {"tanh": 1.0, "sigmoid": 0.25, "hard_sigmoid": 1 / 6, "hard_tanh": 1.0, "softsign": 1.0}
#: A slope below this share of the steepest one is almost none.
_FLAT = 0.05
#: Variance below this share of what normalization adds to it is lost.
_LOST = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """Measures of one layer on the data.

    Attributes
    ----------
    rms : root mean square of what it gives.
    before : that of its pre-activation; None if it has none.
    varying : root mean square of how what it gives differs between samples, 0 for a constant.
    nonfinite : whether anything it gives is NaN or infinite.
    activation : name of what it applies last, "" for nothing.
    dead : share of units whose slope is zero on all of the data.
    flat : share of values on the flat ends of an S-shaped activation.
    alike : share of its units whose weights another of its units has too.
    lost : share of channels that vary less than normalization allows for; 0 for other layers.
    fan_in, kernel : inputs of one unit, and root mean square of its kernel; 0 without one.
    """

    rms: float
    before: float | None
    varying: float
    nonfinite: bool
    activation: str = ""
    dead: float = 0.0
    flat: float = 0.0
    alike: float = 0.0
    lost: float = 0.0
    fan_in: int = 0
    kernel: float = 0.0


def own_slopes(step: Step) -> Array | None:
    """Return the slopes of a layer's activation on the data; None if it mixes values, or is none.

    They are an array like the layer's pre-activation.
    """
    activation = activation_of(step.layer)
    before = step.before
    if activation is None or before is None or before.dtype.kind != "f":
        return None
    try:
        alone = is_elementwise(activation, max(before.ndim, 2))
    except (ValueError, TypeError):
        # It takes arrays of other ranks only.
        return None
    return step.steepness() if alone else None


def reading_of(step: Step, dead: float = 0.0, slopes: Array | None = None) -> Reading:
    """Measure a layer.

    Parameters
    ----------
    step : the layer, working.
    dead : share of units without a slope, where its activation treats each value alone.
    slopes : what `own_slopes` returns of it.
    """
    rms, varying, finite = measured(step.output)
    activation = activation_of(step.layer)
    fan_in, kernel = _kernel(step.layer)
    return Reading(
        rms=rms,
        before=None if step.before is None else root_mean_square(step.before),
        varying=varying,
        nonfinite=not finite,
        activation="" if activation is None else name_of(activation),
        dead=dead,
        flat=_flat(step, slopes),
        alike=alike(step.layer),
        lost=_lost(step),
        fan_in=fan_in,
        kernel=kernel,
    )


def name_of(activation: Callable[[Any], Any]) -> str:
    """Return what an activation is called: ``leaky_relu`` for the function and for the layer."""
    name = getattr(activation, "__name__", "")
    return name or {"LeakyReLU": "leaky_relu", "PReLU": "prelu"}.get(
        type(activation).__name__, type(activation).__name__.lower()
    )


def measured(array: Array) -> tuple[float, float, bool]:
    """Return root mean squares of values and of their differences between samples.

    Returns
    -------
    The two, of finite values, and whether all are finite.
    """
    values, finite = _looked_at(array)
    if not values.size:
        return 0.0, 0.0, True
    with np.errstate(all="ignore"):
        # What all samples have in common is taken off first: it would drown what differs.
        apart = values - values[0]
        apart -= apart.mean(axis=0)
        return math.sqrt(_mean_square(values)), math.sqrt(_mean_square(apart)), finite


def root_mean_square(array: Array) -> float:
    """Return the root mean square of an array's finite values."""
    values, _ = _looked_at(array)
    with np.errstate(all="ignore"):
        return math.sqrt(_mean_square(values)) if values.size else 0.0


def _looked_at(array: Array) -> tuple[Array, bool]:
    """Return some values, (samples, units), and whether all of these are finite.

    They are float64 where their squares could leave the range of float32.
    """
    if array.dtype.kind not in "fiub" or not array.size:
        return np.zeros((0, 0)), True
    values = array.reshape(len(array), -1)
    # Every n-th unit, on all samples: between samples is where a signal is.
    step = max(1, math.ceil(values.size / _MOST))
    values = values[:, ::step]
    if len(values) > _MOST:
        values = values[:_MOST]
    low, high = float(values.min()), float(values.max())
    peak = max(-low, high)
    if values.dtype == np.float32 and (_SMALLEST < peak < _LARGEST or peak == 0.0):
        return np.ascontiguousarray(values), True
    values = np.ascontiguousarray(values, dtype=np.float64)
    if math.isfinite(low) and math.isfinite(high):
        return values, True
    return np.where(np.isfinite(values), values, 0.0), False


def _mean_square(values: Array) -> float:
    flat = values.reshape(-1)
    return float(np.dot(flat, flat)) / flat.size


def _flat(step: Step, slopes: Array | None) -> float:
    """Return the share of values that lie where an S-shaped activation is almost flat."""
    layer: Any = step.layer
    activation = activation_of(layer)
    if type(layer).__name__ == "SimpleRNN" and name_of(layer.activation) == "tanh":
        # What a step gives is tanh of what it does not show; its slope is one less its square.
        with np.errstate(all="ignore"):
            return float(np.mean(1 - np.square(step.output) < _FLAT))
    steepest = 0.0 if activation is None else S_SHAPED.get(name_of(activation), 0.0)
    if slopes is None or not steepest:
        return 0.0
    return float(np.mean(np.abs(slopes) < _FLAT * steepest))


def alike(layer: Layer) -> float:
    """Return the share of a layer's units whose weights another of its units has too."""
    units = next(
        (
            count
            for name in ("units", "filters", "output_dim")
            if isinstance(count := getattr(layer, name, None), int)
        ),
        0,
    )
    columns = []
    for weight in layer.trainable_weights:
        value = np.asarray(weight.value)
        if not value.ndim or weight.name.startswith("depthwise"):
            continue
        if "Transpose" in type(layer).__name__ and value.ndim > 2:
            value = np.moveaxis(value, -2, -1)
        if units and value.shape[-1] % units == 0:
            # Of a recurrent layer each unit has a column for every gate.
            columns.append(value.reshape(-1, units))
    if units < 2 or not columns or not any(one.size > units for one in columns):
        return 0.0
    if any(len(np.unique(one[0])) == units for one in columns):
        # One row of weights that tells all units apart is enough.
        return 0.0
    table = np.ascontiguousarray(np.concatenate(columns).T)
    rows = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1]))).reshape(-1)
    _, counts = np.unique(rows, return_counts=True)
    return float(counts[counts > 1].sum() / units)


def _kernel(layer: Layer) -> tuple[int, float]:
    """Return the inputs of one unit and the root mean square of the kernel."""
    for weight in layer.trainable_weights:
        value = np.asarray(weight.value)
        if value.ndim >= 2 and "kernel" in weight.name and value.size:
            fan_in = value.size // max(value.shape[-1], 1)
            return fan_in, math.sqrt(_mean_square(value.astype(np.float64)))
    return 0, 0.0


def _lost(step: Step) -> float:
    """Return the share of channels whose variance is lost beside what normalization adds to it."""
    layer: Any = step.layer
    if type(layer).__name__ != "BatchNormalization" or step.inputs[0].dtype.kind != "f":
        return 0.0
    values = np.moveaxis(step.inputs[0], layer.axis, -1).reshape(
        -1, step.inputs[0].shape[layer.axis]
    )
    values = values[:: max(1, values.size // _MOST)]
    with np.errstate(all="ignore"):
        return float(np.mean(np.var(values, axis=0, dtype=np.float64) < _LOST * layer.epsilon))
