"""Layers around layers: what the inner one does at the place, shown as its own calculation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import layers
from layerscope.layers.layer import Layer
from layerscope_explorer.derivation.entry import Entry
from layerscope_explorer.derivation.records import Derivation, Line
from layerscope_explorer.steps import Step, forward_alone, keeps_nothing

__all__ = ["inner_entry", "inside", "merge_directions"]

Array = NDArray[Any]


def inner_entry(entry: Entry, layer: Layer, given: Array, index: tuple[int, ...]) -> Entry:
    """Return an entry of what an inner layer gives for one input without the batch.

    Raises
    ------
    ValueError
        If the layer cannot be called without a trace.
    """
    if not keeps_nothing(layer):
        raise ValueError(f"Layer {layer.name!r} keeps something from call to call.")
    # Not the array itself, whose mask would come along.
    inputs = (np.array(given[None]),)
    values = forward_alone(layer, inputs)
    shapes = ((None, *given.shape),)
    shape = (None, *values["output"].shape[1:])
    step = Step("", entry.step.spec, layer.name, layer, ("",), shapes, shape, inputs, **values)
    return Entry(step, 0, index)


def inside(entry: Entry, derive: Any) -> Derivation | None:
    """Return the calculation of the wrapped layer, for the step that it is applied to."""
    given = entry.inputs[0]
    if not isinstance(entry.layer, layers.TimeDistributed):
        return derive(inner_entry(entry, entry.layer.layer, given, entry.index))
    step, *index = entry.index
    found = derive(inner_entry(entry, entry.layer.layer, given[step], tuple(index)))
    first = step * given[step].size
    terms = tuple(replace(term, place=term.place + first) for term in found.terms)
    slopes = found.slopes
    if slopes and slopes[0] is not None:
        spread = np.zeros(given.shape)
        spread[step] = slopes[0]
        slopes = (spread,)
    return replace(found, terms=terms, slopes=slopes)


def merge_directions(entry: Entry, derive: Any) -> Derivation | None:
    """Return the calculation of the direction that gave an entry, or of both and their merge."""
    layer = entry.layer
    forward_layer, backward_layer = layer.forward_layer, layer.backward_layer
    *before, unit = entry.index
    shape = entry.step.output.shape
    if layer.merge_mode in ("concat", None):
        half = shape[-1] // 2 if layer.merge_mode == "concat" else shape[-1]
        chosen, name = (forward_layer, "forward") if unit < half else (backward_layer, "backward")
        found = _direction(entry, derive, chosen, (*before, unit % half))
        line = Line("direction", found.result, {}, {"name": name})
        return replace(found, lines=(line, *found.lines), slopes=entry.slopes)
    both = [
        _direction(entry, derive, one, entry.index).result
        for one in (forward_layer, backward_layer)
    ]
    ways = {
        "sum": both[0] + both[1],
        "mul": both[0] * both[1],
        "ave": (both[0] + both[1]) / 2,
    }
    lines = (
        Line("forward", both[0]),
        Line("backward", both[1]),
        Line(
            f"both_{layer.merge_mode}", ways[layer.merge_mode], dict(zip("ab", both, strict=True))
        ),
    )
    result = ways[layer.merge_mode]
    return Derivation("recurrent", result, lines=lines, slopes=entry.slopes)


def _direction(entry: Entry, derive: Any, layer: Any, index: tuple[int, ...]) -> Derivation:
    """Return the calculation of one direction; what goes backwards gives its last step first."""
    given = entry.inputs[0]
    if layer.return_sequences and layer is entry.layer.backward_layer:
        index = (len(given) - 1 - index[0], *index[1:])
    return derive(inner_entry(entry, layer, given, index))
