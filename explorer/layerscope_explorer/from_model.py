"""From a model to the document that describes the same stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerscope import Model
from layerscope.configurable import REQUIRED, fields_of
from layerscope.graph import nodes_between
from layerscope.layers.layer import Layer
from layerscope.structure import leaves
from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.data import FIRST_SHAPES
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.strings import text

__all__ = ["document_of"]

_DIGITS = (8, 8, 1)
_ANY_LENGTH = 16
#: Parts of a serialized object that a document does without.
_SERIALIZED = {"module", "registered_name", "build_config", "compile_config", "shared_object_id"}


def document_of(model: Any) -> tuple[Document, dict[str, list[np.ndarray]]]:
    """Return a model's stack as a document, and its weights by layer id.

    A document is a list of layers, of which each takes what the one above it gives; layers of
    several inputs take that first, then what others gave. Residuals, merges and shared layers are
    such stacks.

    Parameters
    ----------
    model : Sequential or functional, built, of one input.

    Raises
    ------
    ValueError
        If it is no such model; the message names the layer in the way.

    Examples
    --------
    >>> from layerscope import Sequential, Input, layers
    >>> document, weights = document_of(Sequential([Input((4,)), layers.Dense(3)]))
    >>> [layer.class_name for layer in document.layers], [w.shape for w in weights["layer1"]]
    (['Dense'], [(4, 3), (3,)])
    """
    tensor, nodes = _graph_of(model)
    document = edits.set_input(Document(), _input_of(tensor))
    ids: dict[int, str] = {id(tensor): INPUT}
    made: dict[int, str] = {}
    weights: dict[str, list[np.ndarray]] = {}
    above = tensor
    for node in nodes:
        layer, first, *more = node.operation, *node.inputs
        if not isinstance(layer, Layer):
            raise ValueError(text("from_model.operation", name=type(layer).__name__))
        if first is not above or len(node.outputs) != 1 or any(id(one) not in ids for one in more):
            raise ValueError(text("from_model.order", name=layer.name))
        if more and not takes_several_inputs(type(layer)):
            raise ValueError(text("from_model.order", name=layer.name))
        added = f"layer{document.next_id}"
        if id(layer) in made:
            document = edits.share_layer(document, made[id(layer)])
        else:
            arguments = arguments_of(layer)
            sources = [ids[id(one)] for one in more]
            document = edits.add_layer(document, type(layer).__name__, None, arguments, sources)
            made[id(layer)] = added
            weights[added] = [np.array(one) for one in layer.get_weights()]
        above = node.outputs[0]
        ids[id(above)] = added
    return document, {layer_id: own for layer_id, own in weights.items() if own}


def _graph_of(model: Any) -> tuple[Any, Sequence[Any]]:
    """Return a model's input and its calls of layers, in order."""
    if not isinstance(model, Model):
        raise ValueError(text("from_model.no_model", have=type(model).__name__))
    try:
        shown: Any = model
        inputs, outputs = leaves(shown.inputs), leaves(shown.outputs)
    except AttributeError:
        raise ValueError(text("from_model.not_built", name=model.name)) from None
    if len(inputs) != 1 or len(outputs) != 1:
        have = f"{len(inputs)}, {len(outputs)}"
        raise ValueError(text("from_model.several", name=model.name, have=have))
    return inputs[0], nodes_between(inputs, outputs)


def _input_of(tensor: Any) -> dict[str, Any]:
    """Return an input card's arguments for data of a tensor's shape and type."""
    shape = tuple(length or _ANY_LENGTH for length in tensor.shape[1:])
    if np.dtype(tensor.dtype).kind != "f":
        if len(shape) != len(FIRST_SHAPES["tokens"]):
            raise ValueError(text("from_model.whole_numbers", have=str(shape)))
        return {"data": "tokens", "shape": list(shape)}
    return {} if shape == _DIGITS else {"data": "noise", "shape": list(shape)}


def arguments_of(layer: Layer) -> dict[str, Any]:
    """Return the arguments of a layer that differ from their defaults, as a document keeps them.

    Raises
    ------
    ValueError
        If it is no layer of the catalogue.
    """
    cls: Any = type(layer)
    if layerscope_catalogue().layer(cls.__name__) is not cls:
        raise ValueError(text("from_model.unknown", name=layer.name, layer=cls.__name__))
    config = {name: _plain(value) for name, value in layer.get_config().items()}
    fields = [one for one in fields_of(cls) if one.name not in ("name", "dtype")]
    names = [one.name for one in fields if one.name in config]
    needed = [one.name for one in fields if one.default is REQUIRED]
    # What an argument is by default may depend on others, as strides on the size of a pool.
    while True:
        given = {name: config[name] for name in names if name in needed}
        usual = _usual(cls, given) or {one.name: _plain(one.default) for one in fields}
        missing = [name for name in names if name not in given and usual.get(name) != config[name]]
        if not missing:
            return given
        needed += missing


def _usual(cls: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's whole config where these arguments are given; {} if they do not suffice."""
    try:
        made = cls.from_config(dict(given))
    except (TypeError, ValueError):
        return {}
    return {name: _plain(value) for name, value in made.get_config().items()}


def _plain(value: Any) -> Any:
    """Return a serialized value as JSON that says no more than it must."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if key not in _SERIALIZED}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
