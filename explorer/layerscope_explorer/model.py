"""A document's stack as one model, to be trained, saved or called."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope import Input, Model, Sequential
from layerscope.layers.layer import Layer
from layerscope.structure import leaves
from layerscope_explorer.catalogue import is_cell
from layerscope_explorer.code import is_chain
from layerscope_explorer.data import Data
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Weights, make_layer
from layerscope_explorer.making import arguments_of
from layerscope_explorer.own_code import defining
from layerscope_explorer.strings import text


def model_of(
    document: Document, data: Data, weights: Weights | None = None
) -> tuple[Model, dict[str, Layer]]:
    """Return the stack as a model with the weights its pictures show, and its layers by id.

    A chain of layers becomes a `Sequential` model, any other stack a functional one.

    Parameters
    ----------
    document : the stack.
    data : what it is shown; only the shape and type of its inputs matter.
    weights : weights by layer id; the initial ones where there are none or shapes differ.

    Raises
    ------
    ValueError
        If the stack is empty, or a layer cannot take what it gets.
    """
    with defining(document.code):
        return _model(document, data, weights)


def _model(
    document: Document, data: Data, weights: Weights | None
) -> tuple[Model, dict[str, Layer]]:
    names = document.names()
    used = {spec.shares or spec.id for spec in document.layers if not spec.bypassed}
    layers = {
        spec.id: make_layer(document, spec, names[spec.id])
        for spec in document.layers
        if spec.id in used
    }
    if not layers:
        raise ValueError(text("session.empty"))
    tensor = Input(data.shape, dtype=str(data.x.dtype))
    # A cell gives its states too, which no next layer takes.
    if is_chain(document) and not any(is_cell(type(layer)) for layer in layers.values()):
        model: Model = Sequential([tensor, *layers.values()])
    else:
        model = Model(tensor, _end_of(document, tensor, layers))
    for layer_id, layer in layers.items():
        found = (weights or {}).get(layer_id)
        if found is not None and [one.shape for one in layer.weights] == [
            np.shape(one) for one in found
        ]:
            layer.set_weights(found)
    return model, layers


def _end_of(document: Document, tensor: Any, layers: dict[str, Layer]) -> Any:
    """Call the layers one after the other, and return what the last one gives."""
    values: dict[str, Any] = {INPUT: tensor}
    last = tensor
    for spec in document.layers:
        if not spec.bypassed:
            layer = layers[spec.shares or spec.id]
            inputs = [last, *(values[source] for source in spec.sources)]
            last = leaves(layer(*arguments_of(layer, inputs)))[0]
        values[spec.id] = last
    return last
