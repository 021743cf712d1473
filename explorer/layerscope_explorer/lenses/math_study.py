"""What the math lens finds: one number of a layer's output worked out, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.derivation import Derivation, derive
from layerscope_explorer.document import INPUT
from layerscope_explorer.lenses.outputs import arranged
from layerscope_explorer.steps import Stack, Step
from layerscope_explorer.strings import text

__all__ = ["Worked", "places_of", "study"]

Array = NDArray[Any]

#: Pictures of so many inputs are drawn one below another.
_MOST_INPUTS = 4


@dataclass(frozen=True, slots=True)
class Worked:
    """One number of a layer's output, worked out.

    Attributes
    ----------
    derivation
        How it comes about; without its slopes. None for the data itself.
    formula
        What the layer computes, as LaTeX.
    name
        The number's: ``dense[3]``.
    value
        What the layer gave.
    sources
        Whose outputs the layer takes, and what they are called.
    terms
        Names of the numbers that the terms are about.
    sample, samples, place, count
        Which sample of how many, and which number of how many.
    shape, channels_first
        Of one sample's output.
    output, marked
        One sample's output as a picture, and the number's row and column in it.
    slopes
        How the number changes with each input, as a picture; None where that cannot be told.
    depends, entries
        On how many numbers it depends, of how many.
    """

    derivation: Derivation | None
    formula: str
    name: str
    value: float
    sources: tuple[tuple[str, str], ...]
    terms: tuple[str, ...]
    sample: int
    samples: int
    place: int
    count: int
    shape: tuple[int, ...]
    channels_first: bool
    output: Array
    marked: tuple[int, ...]
    slopes: Array | None
    depends: int
    entries: int


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> Worked:
    """Work one number of a layer's output out.

    Options: `sample`, counted from 0; `cell`, a layer's id and a place in its output when written
    as a row. Of any other layer the number farthest from zero is taken.

    Raises
    ------
    ValueError
        If the layer was not reached or gave nothing.
    """
    output = stack.output(layer_id)
    if output is None or not output.size:
        raise ValueError(text("math.empty"))
    sample = min(max(int(options["sample"]), 0), len(output) - 1)
    given = np.asarray(output[sample])
    place = _place(given, layer_id, options["cell"])
    step = stack.step(layer_id)
    derivation = None
    if step is not None:
        index = tuple(map(int, np.unravel_index(place, given.shape))) if given.ndim else ()
        derivation = derive(step, sample, index)
    names = {**stack.document.names(), INPUT: text("stack.input").lower()}
    sources = () if step is None else tuple((one, names.get(one, one)) for one in step.input_ids)
    slopes = () if derivation is None else derivation.slopes
    first = getattr(step and step.layer, "data_format", None) == "channels_first"
    return Worked(
        derivation=None if derivation is None else replace(derivation, slopes=()),
        formula="" if step is None else step.layer.formula,
        name=_name(names.get(layer_id, layer_id), given.shape, place),
        value=float(given.reshape(-1)[place]),
        sources=sources,
        terms=_term_names(step, derivation, sources, sample),
        sample=sample,
        samples=len(output),
        place=place,
        count=given.size,
        shape=given.shape,
        channels_first=first,
        output=arranged(given.astype(np.float32), first)[1],
        marked=_marked(given.shape, first, place),
        slopes=_stacked(slopes, first),
        depends=sum(int(np.count_nonzero(one)) for one in slopes if one is not None),
        entries=sum(one.size for one in slopes if one is not None),
    )


def _place(given: Array, layer_id: str, cell: tuple[str, int] | None) -> int:
    if cell is not None and cell[0] == layer_id and 0 <= cell[1] < given.size:
        return int(cell[1])
    return int(np.abs(np.nan_to_num(given.reshape(-1).astype(np.float64))).argmax())


def _name(owner: str, shape: Sequence[int], place: int) -> str:
    """Return what a number is called: ``conv2d[0, 3, 12]``."""
    index = np.unravel_index(place, tuple(shape)) if shape else ()
    return f"{owner}[{', '.join(str(int(one)) for one in index)}]" if index else owner


def _term_names(
    step: Step | None,
    derivation: Derivation | None,
    sources: Sequence[tuple[str, str]],
    sample: int,
) -> tuple[str, ...]:
    if step is None or derivation is None:
        return ()
    found = []
    for term in derivation.terms:
        owner = sources[term.source]
        name = _name(owner[1], np.shape(step.inputs[term.source][sample]), term.place)
        if sources.count(owner) > 1:
            # What goes in twice, as query and as value.
            name = text("math.which", name=name, number=term.source + 1)
        found.append(name)
    return tuple(found)


def places_of(shape: Sequence[int], channels_first: bool) -> Array:
    """Return which number stands at each place of an output's picture, NaN where none does."""
    size = int(np.prod(shape, dtype=int))
    return arranged(np.arange(size, dtype=np.float32).reshape(shape), channels_first)[1]


def _marked(shape: Sequence[int], channels_first: bool, place: int) -> tuple[int, ...]:
    found = np.argwhere(places_of(shape, channels_first) == place)
    return tuple(map(int, found[0])) if len(found) else ()


def _stacked(slopes: Sequence[Array | None], channels_first: bool) -> Array | None:
    """Return the slopes of all inputs as one picture, one input below another."""
    pictures = [
        arranged(one.astype(np.float32), channels_first)[1] for one in slopes if one is not None
    ][:_MOST_INPUTS]
    if not pictures:
        return None
    width = max(picture.shape[1] for picture in pictures)
    gap = np.full((1, width), np.nan, np.float32)
    rows: list[Array] = []
    for picture in pictures:
        padding = ((0, 0), (0, width - picture.shape[1]))
        rows += [gap, np.pad(picture, padding, constant_values=np.nan)]
    return np.concatenate(rows[1:])
