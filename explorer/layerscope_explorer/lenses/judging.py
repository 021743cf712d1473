"""How well a stack does: where it draws borders, what it mixes up, how far it is off.

All of it is of samples that training does not see, but for the points drawn over a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from layerscope_explorer.data import Data
from layerscope_explorer.objective import activation_name, takes
from layerscope_explorer.recording import Moment
from layerscope_explorer.snapshot import Float32Array
from layerscope_explorer.steps import Stack, predict, weight_names

#: Samples that are judged at most; points over a map; its rows and columns.
MOST_JUDGED, MOST_POINTS, GRID = 1000, 300, 48
#: Ridges of a picture over time, and bins of each.
MOST_RIDGES, BINS = 24, 48
_MOST_VALUES = 4096


@dataclass(frozen=True)
class DecisionMap:
    """What a stack with two inputs says all over their plane.

    Attributes
    ----------
    bounds : left, right, bottom, top.
    winner : class at every place, int (rows, columns) from the bottom; empty for numbers.
    certainty : how far it is ahead, 0 to 1, or the predicted number, (rows, columns).
    points, targets : samples of the training, (n, 2) and (n,).
    """

    bounds: tuple[float, float, float, float]
    winner: np.ndarray
    certainty: Float32Array
    points: Float32Array
    targets: np.ndarray


@dataclass(frozen=True)
class Ridges:
    """Distributions of one weight at several steps of its training.

    Attributes
    ----------
    name : of the weight.
    steps : when, (n,).
    edges : of the bins, the same for all, (bins + 1,).
    densities : (n, bins), of area 1 each.
    spreads : standard deviation at each step, (n,).
    """

    name: str
    steps: np.ndarray
    edges: np.ndarray
    densities: np.ndarray
    spreads: np.ndarray


@dataclass(frozen=True)
class Judgement:
    """How a stack does.

    Attributes
    ----------
    plane : over two inputs, None for others.
    confusion : how many of each class (row) are taken for each (column); None for numbers.
    names : of the classes.
    truth, prediction : numbers as they were before they were standardized; empty for classes.
    ridges : the selected layer's first weight over the training; None before it began.
    """

    plane: DecisionMap | None = None
    confusion: np.ndarray | None = None
    names: tuple[str, ...] = ()
    truth: np.ndarray = field(default_factory=lambda: np.zeros(0))
    prediction: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ridges: Ridges | None = None


def study(
    moments: Callable[[str], Sequence[Moment]],
    stack: Stack,
    layer_id: str,
    options: Mapping[str, Any],
) -> Judgement:
    """Return how a stack does, and how the selected layer's weights came to be what they are."""
    ridges = ridges_of(stack, layer_id, moments(layer_id))
    data = stack.data
    last = stack.steps[-1] if stack.steps else None
    if last is None or not takes(data, last.output.shape):
        return Judgement(ridges=ridges)
    plane = _plane(stack) if data.shape == (2,) else None
    assert data.x_test is not None
    assert data.y_test is not None
    output = predict(stack, data.x_test[:MOST_JUDGED])
    assert output is not None
    truth = data.y_test[:MOST_JUDGED]
    if not data.classes:
        mean, std = data.scale
        numbers = (mean + std * truth[:, 0], mean + std * output[:, 0])
        return Judgement(plane, truth=numbers[0], prediction=numbers[1], ridges=ridges)
    winner = shares_of(output, activation_name(last.layer)).argmax(axis=1)
    confusion = np.zeros((data.classes, data.classes), int)
    np.add.at(confusion, (truth, winner), 1)
    names = data.names or tuple(map(str, range(data.classes)))
    return Judgement(plane, confusion, names, ridges=ridges)


def shares_of(output: np.ndarray, activation: str) -> np.ndarray:
    """Return a share of 1 for each class, also where there is one number for two classes."""
    output = np.nan_to_num(output.astype(np.float64), posinf=1e30, neginf=-1e30)
    if output.shape[1] == 1:
        second = output if activation == "sigmoid" else expit(output)
        return np.concatenate([1.0 - second, second], axis=1)
    return output if activation in ("softmax", "sigmoid") else softmax(output, axis=1)


def _plane(stack: Stack) -> DecisionMap:
    data: Data = stack.data
    low, high = data.x.min(axis=0), data.x.max(axis=0)
    room = 0.06 * (high - low) + 1e-6
    (left, bottom), (right, top) = low - room, high + room
    across, up = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    places = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    output = predict(stack, places)
    assert output is not None
    bounds = (float(left), float(right), float(bottom), float(top))
    targets = data.y[:MOST_POINTS] if data.y is not None else np.zeros(0)
    points = data.x[:MOST_POINTS]
    if not data.classes:
        heights = np.nan_to_num(output[:, 0]).reshape(GRID, GRID)
        return DecisionMap(bounds, np.zeros(0, int), heights, points, targets[:, 0])
    shares = shares_of(output, activation_name(stack.steps[-1].layer))
    winner = shares.argmax(axis=1).reshape(GRID, GRID)
    first_two = np.sort(shares, axis=1)[:, -2:]
    ahead = (first_two[:, 1] - first_two[:, 0]).clip(0, 1).reshape(GRID, GRID)
    return DecisionMap(bounds, winner, ahead.astype(np.float32), points, targets)


def ridges_of(stack: Stack, layer_id: str, moments: Sequence[Moment]) -> Ridges | None:
    """Return the distributions of a layer's first weight over its training."""
    step = stack.step(layer_id)
    moments = [one for one in moments if one.weights]
    if step is None or not step.layer.weights or not moments:
        return None
    chosen = [
        moments[at]
        for at in np.unique(np.linspace(0, len(moments) - 1, MOST_RIDGES).round().astype(int))
    ]
    values = [_some(one.weights[0]) for one in chosen]
    low, high = (float(edge) for edge in np.quantile(np.concatenate(values), (0.002, 0.998)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    width = edges[1] - edges[0]
    densities = [np.histogram(one, edges)[0] / (max(one.size, 1) * width) for one in values]
    return Ridges(
        name=weight_names(step.layer)[0],
        steps=np.array([one.at for one in chosen]),
        edges=edges,
        densities=np.array(densities),
        spreads=np.array([one.std() for one in values]),
    )


def _some(weight: np.ndarray) -> np.ndarray:
    """Return the finite values of a weight, or of a large one evenly chosen ones."""
    flat = weight.reshape(-1)[:: max(1, weight.size // _MOST_VALUES)].astype(np.float64)
    finite = flat[np.isfinite(flat)]
    return finite if finite.size else np.zeros(1)
