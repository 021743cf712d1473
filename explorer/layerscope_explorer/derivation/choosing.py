"""Layers that pick, multiply or look up: the largest of several, a product, a row of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import layers, ops
from layerscope.autodiff import GradientTape
from layerscope_explorer.derivation.entry import Entry, array_of
from layerscope_explorer.derivation.records import MOST_TERMS, Derivation, Line, Term
from layerscope_explorer.derivation.sums import as_sum

__all__ = ["as_dropped", "as_extreme", "as_lookup", "as_product", "as_winner"]

Array = NDArray[Any]


# --- merging ------------------------------------------------------------------------------------


def _met(entry: Entry) -> list[Term]:
    """Return the entry of each input that meets in this entry of the output."""
    shape = entry.step.output.shape[1:]
    terms = []
    for source, given in enumerate(entry.inputs):
        # An input with fewer axes has gained some after the batch.
        lengths = (1,) * (len(shape) - given.ndim) + given.shape
        places = np.broadcast_to(np.arange(given.size).reshape(lengths), shape)
        place = int(places[entry.index])
        value = float(given.reshape(-1)[place])
        terms.append(Term(source, place, value, None, value))
    return terms


def as_product(entry: Entry) -> Derivation:
    """Return an entry as a product of one entry of each input."""
    factors = _met(entry)
    result = float(np.prod([term.value for term in factors]))
    line = Line("product", result, {}, {"count": f"{len(factors):,}"})
    if len(factors) == 2:
        line = Line("product_of_two", result, {"a": factors[0].value, "b": factors[1].value})
    shown = tuple(factors[:MOST_TERMS])
    return Derivation("product", result, shown, len(factors), 0.0, (line,), entry.slopes)


def as_extreme(entry: Entry) -> Derivation:
    """Return an entry as the largest, or the smallest, of one entry of each input."""
    least = isinstance(entry.layer, layers.Minimum)
    return _won(entry, _met(entry), least)


# --- pooling ------------------------------------------------------------------------------------


def as_winner(entry: Entry) -> Derivation:
    """Return an entry as the largest of its window."""
    places = np.flatnonzero(_window(entry))
    given = entry.inputs[0].reshape(-1)[places]
    terms = [
        Term(0, int(place), float(value), None, float(value))
        for place, value in zip(places, given, strict=True)
    ]
    return _won(entry, terms, least=False)


def _won(entry: Entry, candidates: list[Term], least: bool) -> Derivation:
    ordered = sorted(candidates, key=lambda term: term.value, reverse=not least)
    result = ordered[0].value
    line = Line("least" if least else "largest", result, {}, {"count": f"{len(ordered):,}"})
    return Derivation(
        "smallest" if least else "winner",
        result,
        tuple(ordered[:MOST_TERMS]),
        len(ordered),
        float(sum(term.value for term in ordered[MOST_TERMS:])),
        (line,),
        entry.slopes,
    )


def _window(entry: Entry) -> Array:
    """Return where the entry's window lies: where the mean of the same windows has a slope."""
    layer = entry.layer
    given = entry.inputs[0][None]
    with GradientTape() as tape:
        watched = tape.watch(np.zeros_like(given))
        mean = _mean_of_windows(layer, watched)
    chosen = np.zeros(mean.shape, mean.dtype)
    chosen[(0, *entry.index)] = 1
    return np.asarray(tape.gradient(mean, watched, output_gradients=chosen)[0])


def _mean_of_windows(layer: Any, values: Any) -> Any:
    if hasattr(layer, "pool_size"):
        return ops.average_pool(
            values, layer.pool_size, layer.strides, layer.padding, layer.data_format
        )
    # The layer of the same arguments that takes the mean.
    kind = "Adaptive" if hasattr(layer, "output_size") else "Global"
    names = ("data_format", "output_size", "keepdims")
    options = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    return getattr(layers, f"{kind}AveragePooling{values.ndim - 2}D")(**options)(values)


# --- tables -------------------------------------------------------------------------------------


def as_lookup(entry: Entry) -> Derivation:
    """Return an entry as one number of a table of vectors."""
    *where, unit = entry.index
    given = entry.inputs[0]
    token = int(given[tuple(where)])
    result = float(array_of(entry.layer.embeddings)[token, unit])
    place = int(np.ravel_multi_index(tuple(where), given.shape)) if where else 0
    touched = np.zeros(given.shape)
    touched[tuple(where)] = 1.0
    return Derivation(
        "lookup",
        result,
        (Term(0, place, float(token), None, float(token)),),
        1,
        0.0,
        (Line("row", result, {}, {"row": str(token), "column": str(unit)}),),
        (touched,),
    )


# --- noise --------------------------------------------------------------------------------------


def as_dropped(entry: Entry) -> Derivation:
    """Return an entry of a layer that is random while training, with what chance did to it."""
    found = as_sum(entry)
    rest = found.lines[0].value if found.kind in ("local", "offset") else 0.0
    kind = "dropped" if found.kind == "constant" or not found.count else "noise"
    if found.kind == "copy":
        return found
    if rest == 0.0:
        rate = float(getattr(entry.layer, "rate", 0.0))
        factor = found.terms[0].factor if found.terms else 0.0
        dropping = isinstance(entry.layer, _DROPPING)
        key = ("kept" if found.count else "lost") if dropping else "factor"
        numbers = {"rate": rate, "factor": factor or 0.0}
        return replace(found, kind=kind, lines=(Line(key, found.result, numbers),))
    lines = tuple(
        replace(line, key="chance") if line.key in ("rest", "constant") else line
        for line in found.lines
    )
    return replace(found, kind=kind, lines=lines)


_DROPPING = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
)
