"""What regularizers add to the loss, and where a step and a constraint take a weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import constraints
from layerscope.autodiff import GradientTape
from layerscope_explorer.steps import Stack, Step

__all__ = [
    "LayerPenalty",
    "Norms",
    "activity_penalty",
    "gradient_of",
    "group_axes",
    "limits_of",
    "norms_of",
    "own_activity_penalty",
    "penalties_of",
    "scalar",
    "step_rate",
]

Array = NDArray[Any]

#: Length of the step shown, relative to the weight's own.
STEP = 0.25
#: Most columns whose norms are drawn.
MOST_GROUPS = 48


@dataclass(frozen=True, slots=True)
class LayerPenalty:
    """What one layer adds to the loss.

    Attributes
    ----------
    weights, activity
        For its trainable weights and for its outputs; NaN where a regularizer failed.
    problem
        Why it failed.
    """

    layer_id: str
    name: str
    weights: float
    activity: float
    problem: str = ""

    @property
    def total(self) -> float:
        """Both together."""
        return self.weights + self.activity


def penalties_of(stack: Stack) -> tuple[LayerPenalty, ...]:
    """Return what each layer that was reached adds to the loss.

    As in Keras: weights count once, however often their layer is used, and only while they are
    trained; the penalty on outputs is divided by the number of samples.
    """
    return tuple(_layer_penalty(step) for step in stack)


def _layer_penalty(step: Step) -> LayerPenalty:
    penalized = [] if step.spec.shares else step.layer.trainable_weights
    weights = activity = 0.0
    problem = ""
    # A regularizer may be anybody's, and fail in any way.
    try:
        for weight in penalized:
            if weight.regularizer is not None:
                weights += scalar(weight.regularizer(weight.value))
    except Exception as error:
        weights, problem = math.nan, str(error)
    try:
        activity = activity_penalty(step)
    except Exception as error:
        activity, problem = math.nan, str(error)
    return LayerPenalty(step.spec.id, step.name, weights, activity, problem)


def activity_penalty(step: Step) -> float:
    """Return what a layer's outputs, and those of the layers inside it, add to the loss.

    The layer's own penalty is taken of what it gave: it may have been called without its
    activation, and then recorded that of the pre-activation.
    """
    layer, outputs = step.layer, (step.output, *step.more_outputs)
    regularizer = layer.activity_regularizer
    total = own_activity_penalty(step)
    for one in layer._flatten_layers():
        recorded = one._losses
        if one is layer and regularizer is not None:
            recorded = recorded[: -len(outputs)]
        total += sum(map(scalar, recorded))
    return total


def own_activity_penalty(step: Step) -> float:
    """Return what a layer's own regularizer adds for what it gave, by sample."""
    regularizer = step.layer.activity_regularizer
    if regularizer is None:
        return 0.0
    outputs = (step.output, *step.more_outputs)
    return sum(scalar(regularizer(output)) / max(len(output), 1) for output in outputs)


def scalar(value: Any) -> float:
    """Return a penalty as a number, whatever kind of array or tensor it is."""
    return float(np.sum(getattr(value, "value", value)))


# --- a step -------------------------------------------------------------------------------------


def gradient_of(regularizer: Callable[[Any], Any] | None, values: Array) -> Array:
    """Return the derivative of a penalty; zero for none."""
    if regularizer is None or values.dtype.kind != "f":
        return np.zeros_like(values)
    with np.errstate(all="ignore"), GradientTape() as tape:
        watched = tape.watch(np.array(values))
        penalty = regularizer(watched)
    found = tape.gradient(penalty, watched)
    return np.zeros_like(values) if found is None else np.asarray(found)


def step_rate(values: Array, gradient: Array) -> float:
    """Return the learning rate that moves a weight by a quarter of its length.

    Rounded to one digit, so that it can be said; 0 where the gradient is.
    """
    length, steepness = _length(values), _length(gradient)
    if not (steepness > 0.0 and math.isfinite(steepness) and math.isfinite(length)):
        return 0.0
    return float(f"{STEP * (length or 1.0) / steepness:.1g}")


def _length(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64).ravel()))


# --- norms --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Norms:
    """Norms of a weight's columns before and after its constraint, of at most 48 columns.

    Attributes
    ----------
    now, now_projected
        Of the weight as it is, float64 (n,).
    stepped, stepped_projected
        Of the weight after one step.
    groups
        How many columns there really are.
    moved_now, moved_stepped
        How many of all those the constraint changes.
    limits
        The norms it holds them to.
    alone
        Whether each value is a column by itself.
    """

    now: NDArray[np.float64]
    now_projected: NDArray[np.float64]
    stepped: NDArray[np.float64]
    stepped_projected: NDArray[np.float64]
    groups: int
    moved_now: int
    moved_stepped: int
    limits: tuple[float, ...]
    alone: bool


def group_axes(constraint: Any, rank: int) -> tuple[int, ...]:
    """Return the axes a constraint takes norms over; else those that lead into one unit."""
    axis = getattr(constraint, "axis", None)
    if axis is None:
        return tuple(range(rank - 1))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(one % rank for one in axes if -rank <= one < rank)


def limits_of(constraint: Any) -> tuple[float, ...]:
    """Return the norms a constraint holds columns to; empty for one that bounds no norm."""
    if isinstance(constraint, constraints.UnitNorm):
        return (1.0,)
    ends = (getattr(constraint, name, None) for name in ("min_value", "max_value"))
    return tuple(float(end) for end in ends if isinstance(end, (int, float)) and end > 0)


def norms_of(values: Array, stepped: Array, constraint: Callable[[Any], Any]) -> Norms:
    """Return what a constraint does to a weight, now and after a step."""
    axes = group_axes(constraint, values.ndim)
    pairs = [(one, np.asarray(constraint(np.array(one)))) for one in (values, stepped)]
    norms = [_norms(one, axes) for pair in pairs for one in pair]
    moved_now, moved_stepped = (int(_moved(*pair, axes).sum()) for pair in pairs)
    groups = norms[0].size
    chosen = np.arange(min(groups, MOST_GROUPS)) * groups // max(1, min(groups, MOST_GROUPS))
    now, now_projected, after, after_projected = (one[chosen] for one in norms)
    limits = limits_of(constraint)
    return Norms(
        now,
        now_projected,
        after,
        after_projected,
        groups,
        moved_now,
        moved_stepped,
        limits,
        not axes,
    )


def _norms(values: Array, axes: tuple[int, ...]) -> NDArray[np.float64]:
    square = np.square(values, dtype=np.float64)
    return np.sqrt(square.sum(axis=axes)).reshape(-1)


def _moved(before: Array, after: Array, axes: tuple[int, ...]) -> Array:
    """Tell which columns a constraint changes by more than rounding."""
    change = _norms(after.astype(np.float64) - before, axes)
    return change > 1e-5 * np.maximum(_norms(before, axes), 1e-30)
