"""From a layer's description in the document to the layer itself, built and ready to be called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from typing import Any
from zlib import crc32

from layerscope import random
from layerscope.layers.layer import Layer
from layerscope.layers.signature import as_arguments
from layerscope.tensor import Shape
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.document import Document, LayerSpec
from layerscope_explorer.strings import text


def layer_seed(document: Document, layer_id: str) -> int:
    """Return the seed of one layer: moving or editing others leaves it as it is."""
    roll = document.layer(layer_id).roll
    again = f"/{roll}" if roll else ""
    return crc32(f"{document.seed}/{layer_id}{again}".encode())


def origin_of(document: Document, layer_id: str) -> str:
    """Return what a layer's first weights come from, their shapes aside, as a text to compare.

    That is its class, its seed and its initializers. Layers that differ in nothing of it may have
    each other's weights if the shapes agree.
    """
    owner = document.owner(layer_id)
    kept = [owner.class_name, layer_seed(document, owner.id), _initializers(owner.arguments)]
    return json.dumps(kept, sort_keys=True)


def _initializers(value: Any) -> Any:
    """Return the initializers among arguments, and those of layers inside."""
    if isinstance(value, (list, tuple)):
        return [_initializers(one) for one in value]
    if not isinstance(value, Mapping):
        return None
    inside = {
        name: one if name == "class_name" or "initializer" in name else _initializers(one)
        for name, one in value.items()
    }
    return {name: one for name, one in inside.items() if one}


def make_layer(document: Document, spec: LayerSpec, name: str) -> Layer:
    """Return the layer a spec describes, unbuilt, with its own randomness.

    Raises
    ------
    ValueError, TypeError
        If the arguments do not go together.
    """
    cls = layerscope_catalogue().layer(spec.class_name)
    if cls is None:
        raise ValueError(text("session.unknown_layer", name=spec.class_name))

    def construct() -> Layer:
        # Unseeded initializers and dropout draw their seeds from here.
        random.set_seed(layer_seed(document, spec.id))
        return cls(**spec.arguments, name=name)

    return copy_context().run(construct)


def arguments_of(layer: Layer, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return inputs, or their shapes, as arguments: one, a list of several, or one by one."""
    if not takes_several_inputs(type(layer)):
        return (inputs[0],)
    return as_arguments(type(layer), list(inputs))


def build_layer(document: Document, spec: LayerSpec, layer: Layer, shapes: Sequence[Shape]) -> None:
    """Build a layer for its inputs; what draws its seeds only now repeats too."""

    def build() -> None:
        random.set_seed(layer_seed(document, spec.id) + 1)
        layer.build(*arguments_of(layer, shapes))

    copy_context().run(build)
