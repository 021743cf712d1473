"""What a person can do to a document: functions from document to document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerscope.configurable import REQUIRED, fields_of
from layerscope_explorer.catalogue import (
    layerscope_catalogue,
    starting_values,
    takes_several_inputs,
)
from layerscope_explorer.data import ARGUMENTS, FIRST_SHAPES, data_of
from layerscope_explorer.document import INPUT, PHASES, Document, LayerSpec, TrainingSpec, frozen
from layerscope_explorer.harmless import check_harmless
from layerscope_explorer.limits import MAX_LAYERS
from layerscope_explorer.own_code import defining
from layerscope_explorer.strings import text

#: What converters of the core may raise about a value that they cannot read.
_COMPLAINTS = (
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
)


def _layer_class(class_name: str) -> Any:
    cls = layerscope_catalogue().layer(class_name)
    if cls is None:
        raise ValueError(text("session.unknown_layer", name=class_name))
    return cls


def check_layer(class_name: Any) -> None:
    """Raise if there is no such layer.

    Raises
    ------
    ValueError
        With a message for the person who asked for it.
    """
    if not isinstance(class_name, str) or class_name not in layerscope_catalogue().layers:
        raise ValueError(text("session.unknown_layer", name=str(class_name)[:60]))


def check_argument(class_name: str, argument: str, value: Any) -> None:
    """Raise if a layer of this class could not be given this argument.

    Raises
    ------
    ValueError
        With a message for the person who typed it.
    """
    declared = {one.name: one for one in fields_of(_layer_class(class_name))}
    if argument not in declared or argument in ("name", "dtype"):
        raise ValueError(text("session.unknown_argument", layer=class_name, name=argument))
    check_harmless(class_name, argument, value)
    try:
        declared[argument].check(value)
    except _COMPLAINTS as error:
        raise ValueError(str(error) or type(error).__name__) from None


def set_code(document: Document, code: str) -> Document:
    """Let the stack's layers be defined by other Python of a person's own, which has been run.

    Raises
    ------
    ValueError
        If a layer of the stack needs what is no longer defined.
    """
    with defining(code):
        for layer in document.layers:
            _layer_class(layer.class_name)
            for name, value in layer.arguments.items():
                check_argument(layer.class_name, name, value)
    return replace(document, code=code)


# --- layers -------------------------------------------------------------------------------------


def add_layer(
    document: Document,
    class_name: str,
    index: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    sources: Sequence[str] = (),
) -> Document:
    """Insert a layer, at the end unless told otherwise.

    Raises
    ------
    ValueError
        If there is no such layer, or the stack is full.
    """
    cls = _layer_class(class_name)
    given = starting_values(cls) if arguments is None else arguments
    return _insert(document, LayerSpec("", class_name, frozen(given), tuple(sources)), index)


def _insert(document: Document, layer: LayerSpec, index: int | None) -> Document:
    """Insert a layer under a new id."""
    if len(document.layers) >= MAX_LAYERS:
        raise ValueError(text("session.too_many_layers", limit=MAX_LAYERS))
    layer = replace(layer, id=f"layer{document.next_id}")
    at = len(document.layers) if index is None else min(max(index, 0), len(document.layers))
    layers = (*document.layers[:at], layer, *document.layers[at:])
    return replace(document, layers=layers, next_id=document.next_id + 1)


def remove_layer(document: Document, layer_id: str) -> Document:
    """Take a layer out; who took its output or shared its weights goes on without it."""
    at = document.index(layer_id)
    rest = replace(document, layers=document.layers[:at] + document.layers[at + 1 :])
    return _tidied(rest, document)


def duplicate_layer(document: Document, layer_id: str) -> Document:
    """Insert a copy of a layer right after it, with weights of its own."""
    layer = replace(document.owner(layer_id), id="", sources=document.layer(layer_id).sources)
    return _insert(document, layer, document.index(layer_id) + 1)


def share_layer(document: Document, layer_id: str, index: int | None = None) -> Document:
    """Insert the same layer once more, with the same weights; at the end unless told otherwise."""
    owner = document.owner(layer_id)
    again = replace(owner, id="", arguments=frozen({}), shares=owner.id, bypassed=False)
    return _tidied(_insert(document, again, index), document)


def unshare_layer(document: Document, layer_id: str) -> Document:
    """Give a layer that shares another's weights its own."""
    layer, owner = document.layer(layer_id), document.owner(layer_id)
    return with_layer(document, replace(layer, arguments=owner.arguments, shares=""))


def move_layer(document: Document, layer_id: str, index: int) -> Document:
    """Put a layer at another position."""
    layer = document.layer(layer_id)
    rest = [one for one in document.layers if one.id != layer_id]
    rest.insert(min(max(index, 0), len(rest)), layer)
    return _tidied(replace(document, layers=tuple(rest)), document)


def _tidied(document: Document, before: Document) -> Document:
    """Let shared weights belong to the first that has them, and drop sources that are gone."""
    known = {INPUT, *(layer.id for layer in document.layers)}
    heirs: dict[str, str] = {}
    layers = []
    for layer in document.layers:
        original = layer.shares or layer.id
        first = heirs.setdefault(original, layer.id)
        if first == layer.id:
            owner = before.layer(original)
            layer = replace(layer, arguments=owner.arguments, roll=owner.roll, shares="")
        else:
            layer = replace(layer, arguments=frozen({}), shares=first)
        sources = tuple(source for source in layer.sources if source in known)
        layers.append(layer if sources == layer.sources else replace(layer, sources=sources))
    return replace(document, layers=tuple(layers))


def with_layer(document: Document, layer: LayerSpec) -> Document:
    """Return the document with a layer, or the input's card, in place of the one with its id."""
    if layer.id == INPUT:
        return replace(document, input=layer)
    return replace(
        document, layers=tuple(layer if one.id == layer.id else one for one in document.layers)
    )


# --- one layer ----------------------------------------------------------------------------------


def set_argument(document: Document, layer_id: str, argument: str, value: Any) -> Document:
    """Give a layer's argument a value; its default removes it from the document.

    Raises
    ------
    ValueError
        If the value is not valid for the argument.
    """
    layer = document.owner(layer_id)
    check_argument(layer.class_name, argument, value)
    declared = next(
        one for one in fields_of(_layer_class(layer.class_name)) if one.name == argument
    )
    arguments = dict(layer.arguments)
    default = list(declared.default) if isinstance(declared.default, tuple) else declared.default
    if declared.default is not REQUIRED and value == default:
        arguments.pop(argument, None)
    else:
        arguments[argument] = list(value) if isinstance(value, tuple) else value
    if layer_id == INPUT:
        arguments = _input_arguments(arguments, argument)
    return with_layer(document, replace(layer, arguments=frozen(arguments)))


def set_input(document: Document, arguments: Mapping[str, Any]) -> Document:
    """Choose the data with all its arguments at once.

    Raises
    ------
    ValueError
        If there is no such data, or it has no such arguments.
    """
    for name, value in arguments.items():
        check_argument(document.input.class_name, name, value)
    kept = _input_arguments(dict(arguments), changed="")
    return replace(document, input=replace(document.input, arguments=frozen(kept)))


def choose_data(document: Document, arguments: Mapping[str, Any]) -> Document:
    """Choose the data, and let a stack that ended as the old one needed end as this one does.

    Raises
    ------
    ValueError
        If there is no such data.
    """
    before = data_of(document.input.arguments)
    # The usual data is not written down.
    document = set_input(document, {} if arguments == {"data": "digits"} else arguments)
    after = data_of(document.input.arguments)
    last = next((one for one in reversed(document.layers) if not one.bypassed), None)
    if last is None or not after.outputs or last.shares or last.class_name != "Dense":
        return document
    if last.arguments.get("units") not in (before.outputs, after.outputs):
        return document
    end = {"units": after.outputs, "activation": "softmax" if after.classes else "linear"}
    for name, value in end.items():
        document = set_argument(document, last.id, name, value)
    return document


def _input_arguments(arguments: dict[str, Any], changed: str) -> dict[str, Any]:
    """Return an input's arguments with those its kind of data needs, checked.

    Raises
    ------
    ValueError
        If there is no such data.
    """
    kind = arguments.get("data", "digits")
    if changed == "data" and kind in FIRST_SHAPES:
        arguments = {"data": kind, "shape": FIRST_SHAPES[kind]}
    arguments = {name: value for name, value in arguments.items() if name in ARGUMENTS[kind]}
    data_of(arguments)
    return arguments


def alike(document: Document, layer_id: str, argument: str) -> list[LayerSpec]:
    """Return the layers that may well have the same value of an argument, this one among them.

    Those of its class, without what only shares weights. A softmax at the end keeps its
    activation: it says what the output means.
    """
    class_name = document.layer(layer_id).class_name
    return [
        one
        for one in document.layers
        if one.class_name == class_name
        and not one.shares
        and not (argument == "activation" and one.arguments.get(argument) == "softmax")
    ]


def set_everywhere(document: Document, layer_id: str, argument: str) -> Document:
    """Give all layers that are alike the value one has of an argument."""
    owner = document.owner(layer_id)
    for other in alike(document, layer_id, argument):
        arguments = dict(other.arguments)
        arguments.pop(argument, None)
        if argument in owner.arguments:
            arguments[argument] = owner.arguments[argument]
        document = with_layer(document, replace(other, arguments=frozen(arguments)))
    return document


def reset_argument(document: Document, layer_id: str, argument: str) -> Document:
    """Give a layer's argument its default back, or its first value where there is none."""
    layer = document.owner(layer_id)
    arguments = dict(layer.arguments)
    arguments.pop(argument, None)
    starting = starting_values(_layer_class(layer.class_name))
    if argument in starting:
        arguments[argument] = starting[argument]
    if layer_id == INPUT:
        arguments = _input_arguments(arguments, argument)
    return with_layer(document, replace(layer, arguments=frozen(arguments)))


def set_sources(document: Document, layer_id: str, sources: Sequence[str]) -> Document:
    """Choose whose outputs a layer takes beside that of the card above it.

    Raises
    ------
    ValueError
        If it takes one input only, or there is no such layer above it.
    """
    layer = document.layer(layer_id)
    if sources and not takes_several_inputs(_layer_class(layer.class_name)):
        raise ValueError(text("session.one_input", layer=layer.class_name))
    above = {INPUT, *(one.id for one in document.layers[: document.index(layer_id)])}
    for source in sources:
        if source not in above:
            name = document.names().get(source, source)
            raise ValueError(text("session.not_above", name=name))
    return with_layer(document, replace(layer, sources=tuple(sources)))


def set_bypassed(document: Document, layer_id: str, bypassed: bool) -> Document:
    """Let values pass a layer by, or through it again."""
    return with_layer(document, replace(document.layer(layer_id), bypassed=bool(bypassed)))


def reroll_layer(document: Document, layer_id: str) -> Document:
    """Draw the weights of one layer anew; the others keep theirs."""
    owner = document.owner(layer_id)
    return with_layer(document, replace(owner, roll=owner.roll + 1))


# --- the whole stack ----------------------------------------------------------------------------


def set_seed(document: Document, seed: int) -> Document:
    """Choose the seed.

    Raises
    ------
    ValueError
        If it is not a whole number from 0 to 2**31 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(text("session.bad_seed", value=seed))
    return replace(document, seed=seed)


def set_phase(document: Document, phase: Any) -> Document:
    """Choose whether pictures show a step of training or inference.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if phase not in PHASES:
        raise ValueError(text("session.bad_phase", value=phase))
    return replace(document, phase=phase)


def set_training(document: Document, option: str, value: Any) -> Document:
    """Change how the stack is trained.

    Raises
    ------
    ValueError
        If the option does not exist or the value is not valid.
    """
    if option not in TrainingSpec.__dataclass_fields__:
        raise ValueError(text("session.unknown_argument", layer="training", name=option))
    return replace(document, training=replace(document.training, **{option: value}))
