"""The last step of many layers: an activation, of one number or of a row of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope import layers
from layerscope_explorer.derivation.entry import Entry, array_of
from layerscope_explorer.derivation.records import Derivation, Line, Term, agree, largest_first
from layerscope_explorer.steps import activation_of

__all__ = ["activated", "as_function", "as_softmax"]


def activated(entry: Entry, before: float) -> tuple[list[Line], float]:
    """Return the steps from the number before the activation to the entry, and the result."""
    softmax = _softmax_parts(entry, before)
    if softmax is not None:
        return _softmax_lines(*softmax)
    activation: Any = activation_of(entry.layer)
    name = getattr(activation, "__name__", entry.layer.name)
    result = _applied(entry, activation, before)
    return [Line("activation", result, {"before": before}, {"name": name})], result


def _applied(entry: Entry, activation: Any, before: float) -> float:
    """Apply an activation to the sample with this number in the entry's place."""
    known = entry.step.before
    assert known is not None
    row = np.array(known[entry.sample : entry.sample + 1])
    row[(0, *entry.index)] = before
    # The function itself: calling a layer would count as one of its calls.
    function = activation.call if isinstance(activation, layers.Layer) else activation
    return float(array_of(function(row))[(0, *entry.index)])


def as_function(entry: Entry) -> Derivation | None:
    """Return an entry of a layer that applies a function to every entry."""
    if activation_of(entry.layer) is None or not entry.has_before:
        return None
    alone = entry.layer.section == "activation" or isinstance(entry.layer, layers.Activation)
    if not alone or entry.inputs[0].shape != entry.step.output.shape[1:]:
        return None
    place = int(np.ravel_multi_index(entry.index, entry.inputs[0].shape)) if entry.index else 0
    lines, result = activated(entry, entry.before)
    term = Term(0, place, entry.before, None, entry.before)
    return Derivation("function", result, (term,), 1, 0.0, tuple(lines), entry.slopes)


def as_softmax(entry: Entry) -> Derivation | None:
    """Return an entry of a softmax as its exponential over the sum of all of them."""
    softmax = _softmax_parts(entry, entry.before)
    alone = isinstance(entry.layer, (layers.Softmax, layers.Activation))
    if softmax is None or not alone or entry.inputs[0].shape != entry.step.output.shape[1:]:
        return None
    _, row, axes = softmax
    lines, result = _softmax_lines(*softmax)
    places = np.arange(entry.inputs[0].size).reshape(entry.inputs[0].shape)
    taken = tuple(slice(None) if axis in axes else place for axis, place in enumerate(entry.index))
    top = float(row.max())
    terms = [
        Term(0, int(place), float(x), None, float(np.exp(x - top)))
        for place, x in zip(places[taken].reshape(-1), row.reshape(-1), strict=True)
    ]
    slopes = np.zeros(entry.inputs[0].shape)
    shares = np.exp(row - top) / np.exp(row - top).sum()
    slopes[taken] = -result * shares
    slopes[entry.index] += result
    return Derivation(
        "softmax", result, lines=tuple(lines), slopes=(slopes,), **largest_first(terms)
    )


def _softmax_parts(entry: Entry, before: float) -> tuple[float, Any, set[int]] | None:
    """Return the number, all numbers it shares with, and along which axes; None if it is none."""
    activation: Any = activation_of(entry.layer)
    if isinstance(activation, layers.Softmax):
        named = activation.axis
    elif getattr(activation, "__name__", "") == "softmax" or (
        isinstance(activation, layers.Activation) and activation.activation.__name__ == "softmax"
    ):
        named = (-1,)
    else:
        return None
    known = entry.step.before
    if not entry.has_before or known is None:
        return None
    rank = known.ndim
    axes = {axis % rank - 1 for axis in named}
    if -1 in axes:
        return None
    row = np.array(known[entry.sample], np.float64)
    row[entry.index] = before
    taken = tuple(slice(None) if axis in axes else place for axis, place in enumerate(entry.index))
    exponentials = np.exp(row[taken] - row[taken].max())
    result = float(np.exp(before - row[taken].max()) / exponentials.sum())
    # A mask leaves entries out.
    return (before, row[taken], axes) if agree(result, entry.value, 1e-3) else None


def _softmax_lines(before: float, row: Any, axes: set[int]) -> tuple[list[Line], float]:
    top = float(row.max())
    own, total = float(np.exp(before - top)), float(np.exp(row - top).sum())
    lines = [
        Line("exponential", own, {"before": before, "top": top}),
        Line("exponentials", total, {}, {"count": f"{row.size:,}"}),
        Line("share", own / total, {"own": own, "total": total}),
    ]
    return lines, own / total
