"""A session's stack and a model in Python, each of which follows the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope import Model
from layerscope.graph import nodes_between
from layerscope.layers.layer import Layer
from layerscope.structure import leaves
from layerscope_explorer import edits
from layerscope_explorer.data import data_of
from layerscope_explorer.document import Document, frozen
from layerscope_explorer.from_model import arguments_of, document_of
from layerscope_explorer.model import model_of
from layerscope_explorer.strings import text

__all__ = ["Twin"]


@dataclass
class _Built:
    """A model with the stack it is.

    Attributes
    ----------
    key : what of a document the model depends on.
    layers : the model's layers by id.
    """

    key: tuple[Any, ...]
    model: Model
    layers: dict[str, Layer]


class Twin:
    """Keeps a session's stack and a model alike.

    As long as the stack is as it was, the model stays the same object, and its weights are set.
    Where layers or their arguments were edited it is another model; back where the edits are
    undone, it is the first one again.

    Parameters
    ----------
    session : whose stack it is.
    model : which the session's stack was made from, by `document_of`; None to make one.
    """

    def __init__(self, session: Any, model: Model | None = None) -> None:
        self._session = session
        self._document: Document | None = None
        self._weights: Any = None
        self._seen: dict[str, tuple[str, list[np.ndarray]]] = {}
        self._first: _Built | None = None
        self._built: _Built | None = None
        if model is not None:
            self._begin_with(model)

    def _begin_with(self, model: Model) -> None:
        layers = _layers_of(model, self._session.document)
        self._first = self._built = _Built(_key(self._session.document), model, layers)
        self._note()

    @property
    def model(self) -> Model:
        """The stack as it is now.

        Raises
        ------
        ValueError
            If it cannot work; the message says why.
        """
        self.push()
        self.pull()
        assert self._built is not None
        return self._built.model

    @property
    def layers(self) -> Mapping[str, Layer]:
        """The layers of the model by id."""
        return {} if self._built is None else self._built.layers

    # --- from the page -------------------------------------------------------------------

    def pull(self) -> None:
        """Bring into the model what was changed on the page.

        Raises
        ------
        ValueError
            If the stack cannot work.
        """
        session = self._session
        if session.document is self._document and session.weights is self._weights:
            return
        document: Document = session.document
        key = _key(document)
        made, layers = model_of(document, data_of(document.input.arguments), session.weights)
        known = next((one for one in (self._built, self._first) if one and one.key == key), None)
        if known is None or not _set_weights(known.layers, layers):
            _compile_alike(made, self._built)
            known = _Built(key, made, layers)
        self._built = known
        self._note()

    # --- from Python ---------------------------------------------------------------------

    def push(self) -> None:
        """Bring onto the page what was changed in Python: weights, arguments, layers.

        Raises
        ------
        ValueError
            If the explorer cannot show what the model has become.
        """
        built, session = self._built, self._session
        if built is None or session.document is not self._document:
            # What the page has changed meanwhile goes first; it is another model by now.
            return
        added = _layers_of(built.model, session.document)
        if added != built.layers:
            self._push_layers(built)
            return
        edited = dict(self._edited(built))
        changed = edited or any(
            not _alike(layer.get_weights(), self._seen[layer_id][1])
            for layer_id, layer in built.layers.items()
        )
        if not changed:
            return
        document = session.document
        for layer_id, arguments in edited.items():
            spec = replace(document.layer(layer_id), arguments=frozen(arguments))
            document = edits.with_layer(document, spec)
        self._push(built, document, _weights_of(built.layers))

    def _edited(self, built: _Built) -> list[tuple[str, dict[str, Any]]]:
        """Return the arguments of layers whose configs have changed."""
        return [
            (layer_id, arguments_of(layer))
            for layer_id, layer in built.layers.items()
            if _config(layer) != self._seen[layer_id][0]
        ]

    def _push_layers(self, built: _Built) -> None:
        """Show a model that has gained or lost layers."""
        found, weights = document_of(built.model)
        session = self._session
        document = replace(found, seed=session.document.seed, phase=session.document.phase)
        document = replace(document, training=session.document.training)
        built.layers = _layers_of(built.model, document)
        self._push(built, document, weights)

    def _push(self, built: _Built, document: Document, weights: Mapping[str, Any]) -> None:
        session = self._session
        if document != session.document:
            session.open_document(document, text("notebook.edit"))
        session.set_weights(weights)
        if session.document != document:
            # Locked by a lesson: the page stays as it is, and so does what the next look gives.
            return
        built.key = _key(document)
        self._note()

    def _note(self) -> None:
        """Remember how both sides are now."""
        assert self._built is not None
        self._document, self._weights = self._session.document, self._session.weights
        self._seen = {
            layer_id: (_config(layer), [np.array(one) for one in layer.get_weights()])
            for layer_id, layer in self._built.layers.items()
        }


def _key(document: Document) -> tuple[Any, ...]:
    """Return the parts of a document that its model is made from, but for the seed."""
    return document.layers, document.input, document.code


def _layers_of(model: Model, document: Document) -> dict[str, Layer]:
    """Return a model's layers by the ids they have, or would have, in a document."""
    shown: Any = model
    inputs, outputs = leaves(shown.inputs), leaves(shown.outputs)
    called = [node.operation for node in nodes_between(inputs, outputs)]
    specs = [spec for spec in document.layers if not spec.bypassed]
    ids = [spec.id for spec in specs] if len(specs) == len(called) else map(str, range(len(called)))
    found: dict[str, Layer] = {}
    for layer_id, layer in zip(ids, called, strict=True):
        if layer not in found.values():
            found[layer_id] = layer
    return found


def _config(layer: Layer) -> str:
    return json.dumps(layer.get_config(), sort_keys=True, default=repr)


def _alike(weights: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return len(weights) == len(others) and all(
        one.shape == other.shape and one.tobytes() == other.tobytes()
        for one, other in zip(weights, others, strict=True)
    )


def _weights_of(layers: Mapping[str, Layer]) -> dict[str, list[np.ndarray]]:
    return {layer_id: layer.get_weights() for layer_id, layer in layers.items() if layer.weights}


def _set_weights(layers: Mapping[str, Layer], others: Mapping[str, Layer]) -> bool:
    """Give layers the weights of others, if they have the same shapes."""
    for layer_id, layer in layers.items():
        shapes = [one.shape for one in others[layer_id].weights]
        if [one.shape for one in layer.weights] != shapes:
            return False
    for layer_id, layer in layers.items():
        layer.set_weights(others[layer_id].get_weights())
    return True


def _compile_alike(model: Model, built: _Built | None) -> None:
    """Compile a model as the one before it was."""
    config = None if built is None else built.model.get_compile_config()
    if config is not None:
        model.compile_from_config(config)
