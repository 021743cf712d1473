"""What a stack would do, without its numbers: shapes and the first problem, nothing allocated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import weightless
from layerscope.structure import is_shape
from layerscope.tensor import Shape
from layerscope_explorer.catalogue import takes_several_inputs
from layerscope_explorer.data import SAMPLE, data_of
from layerscope_explorer.diagnosis import shapes
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.limits import MAX_OUTPUT, MAX_PARAMETERS
from layerscope_explorer.making import arguments_of, make_layer
from layerscope_explorer.snapshot import Problem

#: Layers that move whole numbers around and leave them whole.
_REARRANGING = frozenset(
    {"Identity", "Flatten", "Reshape", "Permute", "RepeatVector", "Cropping1D", "Cropping2D"}
)
#: What a layer may raise about its arguments and inputs.
COMPLAINTS = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    np.linalg.LinAlgError,
)


class Stop(Exception):
    """A layer that cannot work; carries why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Place:
    """What is known beforehand of the values at one place of the stack.

    Attributes
    ----------
    shape : batch first.
    largest : of whole numbers the largest; None for real numbers.
    """

    shape: Shape
    largest: int | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A layer that can work: what it gives, its parameters, and itself without weights."""

    outputs: tuple[Shape, ...]
    parameters: int
    layer: Layer


@dataclass(frozen=True)
class Outline:
    """A stack without its numbers.

    Attributes
    ----------
    document : whose it is.
    places : by layer id, and of the data; only what is reached.
    problem : of the first layer that cannot work.
    """

    document: Document
    places: Mapping[str, Place]
    problem: Problem | None = None

    def shape(self, layer_id: str) -> Shape | None:
        """Return what a layer gives, None if it is not reached."""
        place = self.places.get(layer_id)
        return None if place is None else place.shape

    def above(self, index: int) -> Place:
        """Return what the layer at a position gets from the card above it."""
        layer_id = self.document.layers[index - 1].id if index else INPUT
        return self.places[layer_id]

    def last(self) -> Place:
        """Return what the stack gives at its end, as far as it is reached."""
        return list(self.places.values())[-1]


def place_of(array: np.ndarray, shape: Shape) -> Place:
    """Return what there is to know of values that are there."""
    whole = array.dtype.kind in "iub"
    return Place(shape, int(array.max(initial=0)) if whole else None)


def dry_run(document: Document, memo: dict[Any, Checked] | None = None) -> Outline:
    """Follow the shapes down a stack to its end or its first problem.

    Parameters
    ----------
    document : the stack.
    memo : what earlier runs found; runs of like stacks are quick with it.

    Raises
    ------
    ValueError
        If there is no such data.
    """
    data = data_of(document.input.arguments)
    walk = _Walk(document, {} if memo is None else memo)
    walk.places[INPUT] = walk.last = place_of(data.sample, (None, *data.shape))
    try:
        for spec in document.layers:
            walk.visit(spec)
    except Stop as stop:
        return Outline(document, walk.places, stop.problem)
    return Outline(document, walk.places)


@dataclass
class _Walk:
    document: Document
    memo: dict[Any, Checked]
    places: dict[str, Place] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    parameters: int = 0
    last: Place = Place((None,))

    def __post_init__(self) -> None:
        self.names = self.document.names()

    def visit(self, spec: LayerSpec) -> None:
        if not spec.bypassed:
            name = self.names[spec.id]
            check_sources(spec, self.names, self.places)
            inputs = [self.last, *(self.places[source] for source in spec.sources)]
            owner = owner_of(spec, name, self.layers)
            key = (spec.id, spec.key, name, tuple(inputs), spec.shares and id(owner))
            found = self.memo.get(key)
            if found is None:
                found = check(self.document, spec, self.names, inputs, owner)
                self.memo[key] = found
            self.layers[spec.id] = found.layer
            self.parameters += found.parameters
            check_size(spec, name, found, self.parameters)
            self.last = after(spec, inputs[0], found)
        self.places[spec.id] = self.last


# --- checks of one layer ------------------------------------------------------------------------


def check_sources(spec: LayerSpec, names: Mapping[str, str], known: Mapping[str, Any]) -> None:
    """Stop at a layer that takes the output of one that is not above it."""
    for source in spec.sources:
        if source not in known:
            raise Stop(shapes.not_above(spec.id, names[spec.id], names.get(source, source)))


def owner_of(spec: LayerSpec, name: str, layers: Mapping[str, Layer]) -> Layer | None:
    """Return the layer whose weights a spec shares, None for one of its own."""
    if not spec.shares:
        return None
    if spec.shares not in layers:
        raise Stop(shapes.nothing_to_share(spec.id, name))
    return layers[spec.shares]


def check(
    document: Document,
    spec: LayerSpec,
    names: Mapping[str, str],
    inputs: Sequence[Place],
    owner: Layer | None = None,
) -> Checked:
    """Return what a layer would give, without memory for weights or values.

    Parameters
    ----------
    document, spec : the layer.
    names : of all layers, by id.
    inputs : what it takes: from above first, then from its sources.
    owner : the layer it is the same as, if it shares weights.

    Raises
    ------
    Stop
        If it cannot work.
    """
    name = names[spec.id]
    given = [one.shape for one in inputs]
    layer = owner
    try:
        with weightless():
            layer = make_layer(document, spec, name) if owner is None else owner
            shapes_given = arguments_of(layer, given)
            if layer.input_spec is not None and not takes_several_inputs(type(layer)):
                layer.input_spec.check(given[0], 0, name)
            _check_axes(layer, name, given[0])
            _check_numbers(spec, layer, name, inputs[0])
            if owner is None:
                layer.build(*shapes_given)
            outputs = _shapes_in(layer.compute_output_shape(*shapes_given))
    except COMPLAINTS as error:
        raise Stop(shapes.explain(layer, spec, names, given, error)) from None
    for one in outputs:
        if 0 in one[1:]:
            raise Stop(shapes.empty_output(layer, spec.id, name, given[0], one))
    return Checked(outputs, 0 if owner is not None else layer.count_params(), layer)


def check_size(spec: LayerSpec, name: str, found: Checked, parameters: int) -> None:
    """Stop at a layer that asks for more than a session may have.

    Parameters
    ----------
    spec, name : the layer.
    found : what it would give.
    parameters : of the stack down to and with this layer.
    """
    if parameters > MAX_PARAMETERS:
        raise Stop(shapes.too_big(spec.id, name, "parameters", parameters, MAX_PARAMETERS))
    values = SAMPLE * sum(math.prod(length or 1 for length in one[1:]) for one in found.outputs)
    if values > MAX_OUTPUT:
        raise Stop(shapes.too_big(spec.id, name, "values", values, MAX_OUTPUT))


def after(spec: LayerSpec, first: Place, found: Checked) -> Place:
    """Return what is known of the values a layer gives."""
    kept = first.largest if spec.class_name in _REARRANGING else None
    return Place(found.outputs[0], kept)


def _check_axes(layer: Layer, name: str, shape: Shape) -> None:
    """Refuse what a layer inside cannot take, which only calling the layer would show."""
    wanted = shapes.wanted_axes(layer)
    if wanted is not None and not wanted[0] <= len(shape) - 1 <= wanted[1]:
        raise ValueError(f"{name} needs {wanted} axes, got {shape}")


def _check_numbers(spec: LayerSpec, layer: Any, name: str, place: Place) -> None:
    if spec.class_name != "Embedding":
        return
    if place.largest is None:
        raise Stop(shapes.needs_tokens(spec.id, name, place.shape))
    if place.largest >= layer.input_dim:
        raise Stop(shapes.unknown_token(spec.id, name, place.largest, layer.input_dim))


def _shapes_in(structure: Any) -> tuple[Shape, ...]:
    """Return the shapes in a structure of shapes, such as a cell's output and states."""
    if is_shape(structure):
        return (tuple(structure),)
    if not isinstance(structure, (list, tuple)):
        raise ValueError("`output_shape` must give lengths")
    return tuple(shape for part in structure for shape in _shapes_in(part))
