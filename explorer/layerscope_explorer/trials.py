"""What a person's own functions and classes do when they are tried: curves, values and shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from layerscope import ops, random
from layerscope.autodiff import GradientTape
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.curves import Curve, curve_of, is_elementwise
from layerscope_explorer.histograms import histogram
from layerscope_explorer.own_code import Definition, defining, definitions_of, explained, limited
from layerscope_explorer.snapshot import Histogram

__all__ = ["DATA_SHAPES", "SLOPE_TOLERANCE", "WEIGHT_SHAPE", "Trial", "trials_of"]

#: Where a curve is looked at.
_REACH = 4.0
#: Half the distance of the two points a slope is measured between.
_STEP = 1e-5
#: A derivative that differs by more than this share is not that of the function.
SLOPE_TOLERANCE = 1e-3
#: Shape of the weight that an initializer fills.
WEIGHT_SHAPE = (64, 64)
#: Shapes of one input that a layer is tried on.
DATA_SHAPES = ((64,), (8, 8, 3), (32, 2))
_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one definition.

    Attributes
    ----------
    definition : what was tried.
    error : why it could not be, "" if it could.
    curve : of an activation, a penalty of one weight, or what becomes of one weight.
    agreeing : share of the curve's points where derivative and central difference agree; None
        where the values are not treated one by one.
    deviation : the largest difference at those points.
    values : of an initializer the weights, of a layer its output for normal inputs.
    shapes : of a layer, for each of `DATA_SHAPES`: shape of its output, or why it has none.
    params : of a layer, how many weights it has for the first input it takes.
    """

    definition: Definition
    error: str = ""
    curve: Curve | None = None
    agreeing: float | None = None
    deviation: float = 0.0
    values: Histogram | None = None
    shapes: Mapping[tuple[int, ...], tuple[int, ...] | str] = field(default_factory=dict)
    params: int = 0


@lru_cache(maxsize=16)
def trials_of(source: str) -> tuple[Trial, ...]:
    """Try everything that own code defines; nothing for code that was not run here."""
    with defining(source):
        return tuple(_tried(one) for one in definitions_of(source))


def _tried(definition: Definition) -> Trial:
    attempt: Callable[[Definition], Trial] = {
        "activation": _activation,
        "initializer": _initializer,
        "regularizer": _of_one_weight,
        "constraint": _of_one_weight,
        "layer": _layer,
    }[definition.kind]
    try:
        with np.errstate(all="ignore"), limited():
            return attempt(definition)
    except (Exception, SystemExit) as error:
        return Trial(definition, explained(error))


def _activation(definition: Definition) -> Trial:
    function = definition.thing
    x = np.linspace(-_REACH, _REACH, 7, dtype=np.float32)[:, None]
    y = np.asarray(ops.convert_to_numpy(function(x)))
    if y.shape != x.shape:
        # A function of one number per row, such as a sum, is no activation.
        raise ValueError(f"{definition.name}: {x.shape} → {y.shape}")
    curve = curve_of(function, -_REACH, _REACH, 3)
    if not is_elementwise(function):
        return Trial(definition, curve=curve)
    return Trial(definition, "", curve, *_slopes_agree(function, curve.x.astype(np.float64)))


def _slopes_agree(function: Callable[[Any], Any], x: np.ndarray) -> tuple[float, float]:
    """Compare a function's derivative with central differences, in double precision."""

    def value(at: np.ndarray) -> np.ndarray:
        return np.asarray(ops.convert_to_numpy(function(at)), np.float64)

    # Beside the grid, where kinks stand at round numbers.
    x = x + 0.37 * (x[1] - x[0])
    with GradientTape() as tape:
        watched = tape.watch(x)
        total = ops.sum(function(watched))
    slope = tape.gradient(total, watched)
    slope = np.zeros_like(x) if slope is None else np.asarray(slope)
    measured = (value(x + _STEP) - value(x - _STEP)) / (2 * _STEP)
    apart = np.abs(slope - measured)
    agree = apart <= SLOPE_TOLERANCE * np.maximum(1.0, np.abs(measured))
    return float(agree.mean()), float(apart.max(initial=0.0))


def _initializer(definition: Definition) -> Trial:
    random.set_seed(0)
    values = np.asarray(ops.convert_to_numpy(_made(definition)(WEIGHT_SHAPE, dtype="float32")))
    if values.shape != WEIGHT_SHAPE:
        raise ValueError(f"{definition.name}: {WEIGHT_SHAPE} → {values.shape}")
    return Trial(definition, values=histogram(values))


def _of_one_weight(definition: Definition) -> Trial:
    """Ask what one weight costs, or where it is moved to, and for the slope of that."""
    part = _made(definition)
    x = np.linspace(-_REACH, _REACH, 81)
    found = [ops.convert_to_numpy(part(np.array([[w]], np.float32))) for w in x]
    y = np.array([float(np.ravel(one)[0]) for one in found])
    return Trial(definition, curve=Curve(x, y, np.gradient(y, x)))


def _layer(definition: Definition) -> Trial:
    """Call the layer on inputs of each shape, as a stack would."""
    shapes: dict[tuple[int, ...], tuple[int, ...] | str] = {}
    values, params = None, 0
    for shape in DATA_SHAPES:
        random.set_seed(0)
        x = np.random.default_rng(0).standard_normal((_SAMPLES, *shape), np.float32)
        try:
            layer = _made(definition, name="own")
            y = np.asarray(ops.convert_to_numpy(layer(x)))
        except Exception as error:
            shapes[shape] = explained(error)
            continue
        shapes[shape] = y.shape[1:]
        if values is None:
            values, params = histogram(y), layer.count_params()
    if values is None:
        return Trial(definition, next(iter(map(str, shapes.values()))), shapes=shapes)
    return Trial(definition, values=values, shapes=shapes, params=params)


def _made(definition: Definition, **further: Any) -> Any:
    """Return an instance, with first values for arguments that have no default."""
    arguments = layerscope_catalogue().starting(definition.kind, definition.name)
    return definition.thing(**arguments, **further)
