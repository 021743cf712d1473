"""What a stack would do, without its numbers: shapes and the first problem, nothing allocated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.layers.layer import Layer
from layerscope.layers.weight_owner import weightless
from layerscope.structure import leaves
from layerscope.tensor import KerasTensor, Shape
from layerscope_explorer.catalogue import takes_several_inputs
from layerscope_explorer.data import data_of
from layerscope_explorer.diagnosis import shapes
from layerscope_explorer.diagnosis.kinds import COUNTS, values_taken
from layerscope_explorer.diagnosis.memory import TooManyOperations, count, followed
from layerscope_explorer.document import INPUT, Document, LayerSpec
from layerscope_explorer.limits import MAX_OPERATIONS, MAX_OUTPUT, MAX_PARAMETERS, MAX_VALUES
from layerscope_explorer.making import arguments_of, make_layer
from layerscope_explorer.snapshot import Problem

#: Layers that only move numbers around.
_REARRANGING = frozenset({"Identity", "Flatten", "Reshape", "Permute", "RepeatVector"})
#: What a layer may raise about its arguments and inputs.
COMPLAINTS = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    RuntimeError,
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
    dtype : type of the values.
    largest : of whole numbers the largest, None where it is not known.
    """

    shape: Shape
    dtype: str = "float32"
    largest: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.dtype.startswith(("int", "uint", "bool"))


@dataclass(frozen=True, slots=True)
class Checked:
    """A layer that can work.

    Attributes
    ----------
    outputs, dtype : what it gives.
    parameters : of its own.
    values : that it holds at once for the sample: what it gives and all on the way to that.
    layer : itself, without weights.
    """

    outputs: tuple[Shape, ...]
    dtype: str
    parameters: int
    values: int
    layer: Layer


@dataclass(frozen=True)
class Outline:
    """A stack without its numbers.

    Attributes
    ----------
    document : whose it is.
    places : by layer id, and of the data; only what is reached.
    problem : of the first layer that cannot work.
    values : that its layers hold at once for the sample.
    """

    document: Document
    places: Mapping[str, Place]
    problem: Problem | None = None
    values: int = 0

    def shape(self, layer_id: str) -> Shape | None:
        """Return what a layer gives, None if it is not reached."""
        place = self.places.get(layer_id)
        return None if place is None else place.shape

    def above(self, index: int) -> Place:
        """Return what the layer at a position gets from the card above it."""
        layer_id = self.document.layers[index - 1].id if index else INPUT
        return self.places.get(layer_id) or self.last()

    def last(self) -> Place:
        """Return what the stack gives at its end, as far as it is reached."""
        return list(self.places.values())[-1]


def place_of(array: np.ndarray, shape: Shape) -> Place:
    """Return what there is to know of values that are there."""
    whole = array.dtype.kind in "iub"
    return Place(shape, str(array.dtype), int(array.max(initial=0)) if whole else None)


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
    return Outline(document, walk.places, values=walk.values)


@dataclass
class _Walk:
    document: Document
    memo: dict[Any, Checked]
    places: dict[str, Place] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    parameters: int = 0
    values: int = 0
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
            self.values += found.values
            check_size(spec, name, found, self.parameters, self.values)
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
            if layer.input_spec is not None and not takes_several_inputs(type(layer)):
                layer.input_spec.check(given[0], 0, name)
            _check_axes(layer, name, given)
            _check_values(spec, layer, name, inputs)
            if owner is None:
                layer.build(*arguments_of(layer, given))
            found = _outputs(layer, inputs)
            dtype, values = _inside(layer, inputs, found)
    except TooManyOperations:
        raise Stop(shapes.too_long(spec.id, name, MAX_OPERATIONS)) from None
    except COMPLAINTS as error:
        raise Stop(shapes.explain(layer, spec, names, given, error)) from None
    if dtype == "string":
        raise Stop(shapes.gives_words(spec.id, name))
    outputs = tuple(tuple(one.shape) for one in found)
    for one in outputs:
        if 0 in one[1:]:
            raise Stop(shapes.empty_output(layer, spec.id, name, given[0], one))
    parameters = 0 if owner is not None else layer.count_params()
    return Checked(outputs, dtype, parameters, values, layer)


def check_size(spec: LayerSpec, name: str, found: Checked, parameters: int, values: int) -> None:
    """Stop at a layer that asks for more than a session may have.

    Parameters
    ----------
    spec, name : the layer.
    found : what it would give.
    parameters, values : of the stack down to and with this layer.
    """
    if parameters > MAX_PARAMETERS:
        raise Stop(shapes.too_big(spec.id, name, "parameters", parameters, MAX_PARAMETERS))
    given = sum(map(count, found.outputs))
    if given > MAX_OUTPUT:
        raise Stop(shapes.too_big(spec.id, name, "values", given, MAX_OUTPUT))
    if values > MAX_VALUES:
        raise Stop(shapes.too_big(spec.id, name, "values_inside", values, MAX_VALUES))


def after(spec: LayerSpec, first: Place, found: Checked) -> Place:
    """Return what is known of the values a layer gives."""
    kept = first.largest if spec.class_name in _REARRANGING else None
    return Place(found.outputs[0], found.dtype, kept)


def _check_axes(layer: Layer, name: str, given: Sequence[Shape]) -> None:
    """Refuse what a layer inside cannot take, which only calling the layer would show."""
    wanted = shapes.wanted_axes(layer)
    if (at := shapes.misfit(wanted, given)) is not None:
        raise ValueError(f"{name} needs {wanted} axes, got {given[at]}")


def _check_values(spec: LayerSpec, layer: Layer, name: str, inputs: Sequence[Place]) -> None:
    """Refuse numbers where words are wanted, and real numbers where only whole ones mean much."""
    taken = values_taken(layer)
    if taken == {"words"}:
        raise Stop(shapes.needs_words(spec.id, name))
    if "real" in taken:
        return
    for place in inputs:
        if not place.whole:
            raise Stop(shapes.needs_tokens(spec.id, name, place.shape))
        for argument in COUNTS:
            known = getattr(layer, argument, None)
            if known is not None and place.largest is not None and place.largest >= known:
                raise Stop(shapes.unknown_token(spec.id, name, place.largest, argument, known))


def _outputs(layer: Layer, inputs: Sequence[Place]) -> list[KerasTensor]:
    """Return what a layer gives, without its values."""
    given = _symbolic(layer, inputs)
    if layer.section == "attention":
        # Whether queries and keys can be compared only their products say.
        followed(layer.call, given)
    found = leaves(followed(layer.compute_output_spec, given)[0])
    if not found or not all(isinstance(one, KerasTensor) for one in found):
        raise ValueError("`output_shape` must give lengths")
    return found


def _inside(layer: Layer, inputs: Sequence[Place], found: Sequence[KerasTensor]) -> tuple[str, int]:
    """Return the type of what a layer gives, and how many values it holds at once.

    That is what it says itself, and what it gives, where no more can be known.
    """
    dtype, given = str(found[0].dtype), sum(count(one.shape) for one in found)
    if given > MAX_OUTPUT or layer.count_params() > MAX_PARAMETERS:
        # Too many as it is; nobody has to follow how they would come about. Products of weights
        # would not be followed but computed.
        return dtype, given
    try:
        outputs, values = followed(layer.call, _symbolic(layer, inputs))
    except COMPLAINTS:
        return dtype, given
    if any(one.whole for one in inputs):
        # Many that leave whole numbers whole do not say so.
        dtype = str(getattr(leaves(outputs)[0], "dtype", dtype))
    return dtype, max(given, values)


def _symbolic(layer: Layer, inputs: Sequence[Place]) -> tuple[Any, ...]:
    return arguments_of(layer, [KerasTensor(one.shape, one.dtype) for one in inputs])
