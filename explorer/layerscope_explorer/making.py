"""From a layer's description in the document to the layer itself."""

from __future__ import annotations

from contextvars import copy_context
from zlib import crc32

from layerscope import random
from layerscope.layers.layer import Layer
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.document import Document, LayerSpec
from layerscope_explorer.strings import text


def layer_seed(document: Document, layer_id: str) -> int:
    """Return the seed of one layer: moving or editing others leaves it as it is."""
    roll = document.layer(layer_id).roll
    again = f"/{roll}" if roll else ""
    return crc32(f"{document.seed}/{layer_id}{again}".encode())


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
