"""Plots of a layer or a whole model: weights, signal, outputs, shapes, penalties."""

from __future__ import annotations

import math
from typing import Any

import holoviews as hv
import numpy as np

from layerscope.layers.layer import Layer
from layerscope_explorer.densities import density_of
from layerscope_explorer.histograms import histogram
from layerscope_explorer.penalties import scalar
from layerscope_explorer.plots.house import (
    ACCENT,
    MEASURED,
    bars,
    curve,
    distribution,
    laid_over,
    ready,
)
from layerscope_explorer.plots.recording import Recorded, drawn_layers, recorded
from layerscope_explorer.strings import text

__all__ = ["plot_outputs", "plot_penalty", "plot_shapes", "plot_signal", "plot_weights"]

_MOST_MAPS = 16
_MOST_TRACES = 8
#: Half of the width of a layer's strip, where layers are one apart.
_HALF = 0.42


def plot_weights(subject: Any, name: str = "") -> Any:
    """Draw how weights are distributed, under the density their initializer promises.

    Parameters
    ----------
    subject : an array, a variable, a built layer, or a model, all of whose weights are drawn.
    name : of the layer's weight, as in ``layer.kernel``; its first by default.

    Raises
    ------
    ValueError
        If the layer has no weights yet, or none of that name.

    Examples
    --------
    >>> import numpy as np
    >>> plot = plot_weights(np.ones((8, 4), "float32"))
    >>> round(float(np.sum(plot["density"] * np.diff(plot.edges))), 4)
    1.0
    """
    if isinstance(subject, Layer) and hasattr(subject, "layers") and subject.weights:
        drawn = [
            _weight(weight, f"{layer.name} {weight.name}")
            for layer in drawn_layers(subject)
            for weight in layer.weights
        ]
        return hv.Layout(drawn).cols(2)
    if isinstance(subject, Layer):
        return _weight(_named(subject, name))
    if hasattr(subject, "initializer"):
        return _weight(subject)
    return _histogram(np.asarray(subject), text("plots.weight"), text("plots.values"))


def _named(layer: Any, name: str) -> Any:
    names = [weight.name for weight in layer.weights]
    if not names:
        raise ValueError(
            f"Layer '{layer.name}' has no weights. Build it, or call it on an input, first."
        )
    if name and name not in names:
        raise ValueError(f"`name` must be one of {', '.join(names)}. Received: name={name!r}")
    return layer.weights[names.index(name) if name else 0]


def _weight(weight: Any, label: str = "") -> Any:
    values = np.asarray(weight.value)
    drawn = [_histogram(values, text("plots.weight"), label or weight.name)]
    density = density_of(getattr(weight, "initializer", None), values.shape)
    if density is not None:
        axes = text("plots.weight"), text("plots.density")
        drawn.append(curve(*density, axes, text("plots.exact"), ACCENT))
    return laid_over(*drawn).relabel(label or weight.name)


def _histogram(values: Any, axis: str, label: str) -> Any:
    return distribution(histogram(values), (axis, text("plots.density")), label)


def plot_signal(model: Any, x: Any = None, training: bool = False) -> hv.Layout:
    """Draw how values and gradients fare on their way through a model.

    Parameters
    ----------
    model : built; Sequential or functional.
    x : its inputs; by default 256 samples of standard normal ones.
    training : whether layers behave as in a step of training.

    Returns
    -------
    Two plots: each layer's values as a strip, and the standard deviation of values and gradients
    (of the output, weighed at random) over depth, on a logarithmic axis.

    Raises
    ------
    ValueError
        If the model is not built.

    Examples
    --------
    >>> from layerscope import Sequential, Input, layers
    >>> strips, spread = plot_signal(Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)]))
    >>> [one.label for one in spread]
    ['values', 'gradients']
    """
    found = [one for one in recorded(model, x, training) if one.output.dtype.kind == "f"]
    ready()
    names = [one.layer.name for one in found]
    ticks = list(enumerate(names))
    axes = text("plots.depth"), text("plots.value")
    strips = hv.Polygons([_strip(one, at) for at, one in enumerate(found)], list(axes))
    options: dict[str, Any] = {"xticks": ticks, "xrotation": 45}
    spreads: list[tuple[str, str, list[Any]]] = [
        ("values", MEASURED, [one.output for one in found]),
        ("gradients", ACCENT, [one.gradient for one in found]),
    ]
    lines = [
        curve(
            range(len(found)),
            [math.nan if one is None else float(np.std(one)) for one in values],
            (text("plots.depth"), text("plots.spread")),
            text(f"plots.{name}"),
            color,
            logy=True,
            **options,
        )
        for name, color, values in spreads
    ]
    strips = strips.opts(color=MEASURED, line_color=None, width=420, height=260, **options)
    return strips + laid_over(*lines)


def _strip(one: Recorded, place: int) -> dict[str, Any]:
    """Return a histogram as an outline that is symmetric about a layer's place."""
    measured = histogram(one.output)
    edges = np.repeat(np.asarray(measured.edges, np.float64), 2)[1:-1]
    counts = np.repeat(np.asarray(measured.counts, np.float64), 2)
    half = _HALF * counts / max(float(counts.max(initial=0.0)), 1e-300)
    return {
        text("plots.depth"): np.concatenate([place + half, (place - half)[::-1]]),
        text("plots.value"): np.concatenate([edges, edges[::-1]]),
    }


def plot_outputs(model: Any, x: Any = None, layer: Any = None, sample: int = 0) -> Any:
    """Draw what a layer gives for one sample.

    Parameters
    ----------
    model : built; Sequential or functional.
    x : its inputs; by default standard normal ones.
    layer : the layer or its name; the last by default.
    sample : which of the inputs.

    Returns
    -------
    Feature maps for images, traces over steps for sequences, bars for vectors.

    Raises
    ------
    ValueError
        If there is no such layer or sample.

    Examples
    --------
    >>> from layerscope import Sequential, Input, layers
    >>> len(plot_outputs(Sequential([Input((4,)), layers.Dense(3)])))
    3
    """
    found = recorded(model, x)
    names = [one.layer.name for one in found]
    wanted = getattr(layer, "name", layer) or names[-1]
    if wanted not in names:
        raise ValueError(f"`layer` must be one of {', '.join(names)}. Received: layer={wanted!r}")
    output = found[names.index(wanted)].output
    if not 0 <= sample < len(output):
        raise ValueError(f"`sample` must be from 0 to {len(output) - 1}. Received: sample={sample}")
    values = output[sample]
    ready()
    if values.ndim >= 3:
        maps = np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)[:_MOST_MAPS]
        size = {"width": 150, "height": 150, "xaxis": None, "yaxis": None, "cmap": "Greys_r"}
        pictures = [
            hv.Image(np.asarray(one, np.float64), label=f"{wanted} {at}").opts(**size)
            for at, one in enumerate(maps)
        ]
        return hv.Layout(pictures).cols(4)
    axes = text("plots.step"), text("plots.value")
    if values.ndim == 2:
        traces = values.T[:_MOST_TRACES]
        lines = [
            hv.Curve((np.arange(len(one)), one), *axes, label=f"{wanted} {at}")
            for at, one in enumerate(traces)
        ]
        return laid_over(*lines, width=520, height=260)
    flat = values.reshape(-1)
    units = [str(at) for at in range(flat.size)]
    return bars(units, flat, (text("plots.unit"), text("plots.value")), wanted)


def plot_shapes(model: Any) -> hv.Layout:
    """Draw how many numbers each layer of a built model gives per sample, and has as weights.

    Raises
    ------
    ValueError
        If the model is not built.

    Examples
    --------
    >>> from layerscope import Sequential, Input, layers
    >>> given, weights = plot_shapes(Sequential([Input((4,)), layers.Dense(3)]))
    >>> int(weights.dimension_values(1)[0])
    15
    """
    layers = drawn_layers(model)
    names = [layer.name for layer in layers]
    sizes = [_size_of(layer) for layer in layers]
    parameters = [layer.count_params() for layer in layers]
    axis = text("plots.layer")
    return bars(names, sizes, (axis, text("plots.numbers")), text("plots.numbers")) + bars(
        names, parameters, (axis, text("plots.parameters")), text("plots.parameters")
    )


def _size_of(layer: Any) -> float:
    shape = layer.output_shape
    first = shape[0] if shape and isinstance(shape[0], (tuple, list)) else shape
    return float(math.prod(length or 1 for length in first[1:]))


def plot_penalty(model: Any) -> Any:
    """Draw what the regularizers of each layer's weights add to the loss.

    Parameters
    ----------
    model : a built model.

    Raises
    ------
    ValueError
        If the model is not built.

    Examples
    --------
    >>> from layerscope import Sequential, Input, layers
    >>> dense = layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l1")
    >>> plot = plot_penalty(Sequential([Input((4,)), dense]))
    >>> round(float(plot.dimension_values(1)[0]), 4)
    0.04
    """
    layers = drawn_layers(model)
    totals = [
        sum(
            scalar(weight.regularizer(weight.value))
            for weight in layer.trainable_weights
            if weight.regularizer is not None
        )
        for layer in layers
    ]
    names = [layer.name for layer in layers]
    return bars(names, totals, (text("plots.layer"), text("plots.penalty")), text("plots.penalty"))
