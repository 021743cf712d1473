"""Plots of a part alone: an activation, an initializer, a regularizer, a constraint."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from layerscope import activations, constraints, initializers, ops, regularizers
from layerscope.autodiff import GradientTape
from layerscope.layers.layer import Layer
from layerscope_explorer.curves import curve_of
from layerscope_explorer.densities import density_of
from layerscope_explorer.histograms import histogram
from layerscope_explorer.plots.house import (
    ACCENT,
    MEASURED,
    MUTED,
    curve,
    distribution,
    laid_over,
    ready,
)
from layerscope_explorer.strings import text

__all__ = ["plot_activation", "plot_constraint", "plot_initializer", "plot_regularizer"]

_STEPS = 241
_SIDE = 9


def _name_of(part: Any) -> str:
    return str(getattr(part, "__name__", "") or type(part).__name__)


def plot_activation(
    activation: Any, inputs: Any = None, low: float = -5.0, high: float = 5.0
) -> hv.Overlay:
    """Draw an activation and its derivative, over the values that meet it.

    Parameters
    ----------
    activation : name, function, or layer: one with an `activation`, or one that is an activation.
    inputs : values it is given, any shape; their histogram stands beneath.
    low, high : ends of the curve.

    Raises
    ------
    ValueError
        If there is no such activation, or `low` is not below `high`.

    Examples
    --------
    >>> plot = plot_activation("relu")
    >>> [one.label for one in plot]
    ['relu', 'derivative']
    """
    if not low < high:
        raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}")
    of_layer = getattr(activation, "activation", None)
    function = of_layer if isinstance(activation, Layer) and of_layer else activation
    if not isinstance(function, Layer):
        function = activations.get(function)
    sampled = curve_of(function, low, high, 1)
    axes = text("plots.input"), text("plots.output")
    drawn = [
        curve(sampled.x, sampled.y, axes, _name_of(function), MEASURED),
        curve(sampled.x, sampled.derivative, axes, text("plots.derivative"), ACCENT),
    ]
    if inputs is not None:
        measured = histogram(np.asarray(inputs))
        drawn.insert(0, distribution(measured, axes, text("plots.inputs")))
    return laid_over(*drawn)


def plot_initializer(initializer: Any, shape: tuple[int, ...] = (256, 128)) -> hv.Overlay:
    """Draw what an initializer gives for a shape, under the density it promises.

    Parameters
    ----------
    initializer : name, config or instance.
    shape : of the weight.

    Raises
    ------
    ValueError
        If there is no such initializer, or it cannot fill the shape.

    Examples
    --------
    >>> [one.label for one in plot_initializer("he_normal", (64, 32))]
    ['HeNormal', 'exact density']
    """
    made = initializers.get(initializer)
    values = np.asarray(made(tuple(shape)))
    axes = text("plots.weight"), text("plots.density")
    drawn = [distribution(histogram(values), axes, _name_of(made))]
    if (density := density_of(made, tuple(shape))) is not None:
        drawn.append(curve(*density, axes, text("plots.exact"), ACCENT))
    return laid_over(*drawn)


def plot_regularizer(regularizer: Any, low: float = -2.0, high: float = 2.0) -> Any:
    """Draw what a regularizer adds to the loss for one weight, and the pull towards less of it.

    One that looks at how rows or columns stand to each other is drawn over the direction of a row
    beside the row (1, 0).

    Parameters
    ----------
    regularizer : name, config, instance or function.
    low, high : ends of the curve.

    Raises
    ------
    ValueError
        If there is no such regularizer, or `low` is not below `high`.

    Examples
    --------
    >>> [one.label for one in plot_regularizer("l1")]
    ['L1', 'derivative']
    """
    made = regularizers.get(regularizer)
    if made is None:
        raise ValueError("`regularizer` must be given. Received: None")
    if not low < high:
        raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}")
    if isinstance(made, regularizers.OrthogonalRegularizer):
        angles = np.linspace(0.0, np.pi, _STEPS, dtype=np.float32)
        rows = [np.array([[1, 0], [np.cos(a), np.sin(a)]], np.float32) for a in angles]
        if made.mode == "columns":
            rows = [one.T for one in rows]
        penalties = [float(np.asarray(made(one))) for one in rows]
        axes = text("plots.angle"), text("plots.penalty")
        return laid_over(curve(np.degrees(angles), penalties, axes, _name_of(made), MEASURED))
    x = np.linspace(low, high, _STEPS, dtype=np.float32)
    with GradientTape(persistent=True) as tape:
        weights = [tape.watch(np.array([[one]], np.float32)) for one in x]
        penalties = [made(one) for one in weights]
        total = ops.sum(ops.stack([ops.sum(one) for one in penalties]))
    slopes = [0.0 if one is None else float(one[0, 0]) for one in tape.gradient(total, weights)]
    axes = text("plots.weight"), text("plots.penalty")
    values = [float(np.sum(np.asarray(one))) for one in penalties]
    return laid_over(
        curve(x, values, axes, _name_of(made), MEASURED),
        curve(x, slopes, axes, text("plots.derivative"), ACCENT),
    )


def plot_constraint(constraint: Any, low: float = -3.0, high: float = 3.0) -> Any:
    """Draw where a constraint puts the pairs of weights that lead into one unit.

    Parameters
    ----------
    constraint : name, config, instance or function.
    low, high : ends of both weights.

    Raises
    ------
    ValueError
        If there is no such constraint, or `low` is not below `high`.

    Examples
    --------
    >>> [one.label for one in plot_constraint("unit_norm")]
    ['move', 'before', 'after']
    """
    made = constraints.get(constraint)
    if made is None:
        raise ValueError("`constraint` must be given. Received: None")
    if not low < high:
        raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}")
    side = np.linspace(low, high, _SIDE, dtype=np.float32)
    before = np.stack(np.meshgrid(side, side)).reshape(2, -1)
    after = np.asarray(made(before))
    ready()
    axes = [text("plots.first_weight"), text("plots.second_weight")]
    names = [text(f"plots.{name}") for name in ("move", "before", "after")]
    moves = hv.Segments((*before, *after), [*axes, "to_x", "to_y"], label=names[0])
    return laid_over(
        moves.opts(color=MUTED, line_alpha=0.6),
        hv.Points(tuple(before), axes, label=names[1]).opts(
            line_color=MUTED, fill_color=None, size=6
        ),
        hv.Points(tuple(after), axes, label=names[2]).opts(color=ACCENT, size=6),
        width=380,
        height=380,
        show_grid=True,
    )
