"""The stack a person edits, as plain immutable data, and the edits that change it.

A document holds no widgets and no arrays. An edit is a function from document to document, so
undo, sharing and comparing need no code of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from layerscope.configurable import REQUIRED, Field, fields_of
from layerscope.registry import snake_case
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.limits import MAX_DOCUMENT_BYTES, MAX_LAYERS
from layerscope_explorer.strings import text

VERSION = 1
OPTIMIZERS = ("Adam", "SGD")


def _frozen(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(arguments))


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer of the stack.

    Attributes
    ----------
    id : stays the same while the layer is moved and edited.
    class_name : name in the catalogue.
    arguments : constructor arguments that differ from their defaults, as JSON values.
    """

    id: str
    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: _frozen({}))

    @property
    def key(self) -> str:
        """Text that is equal for layers that would be built equally."""
        return json.dumps([self.class_name, dict(self.arguments)], sort_keys=True)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How the stack is trained.

    Attributes
    ----------
    optimizer : name of the optimizer.
    learning_rate : size of a step.
    batch_size : samples per step.
    epochs : passes over the data.
    """

    optimizer: str = "Adam"
    learning_rate: float = 0.001
    batch_size: int = 32
    epochs: int = 15

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(text("session.bad_optimizer", value=self.optimizer))
        if not 0 < self.learning_rate <= 10:
            raise ValueError(text("session.bad_learning_rate", value=self.learning_rate))
        if not 1 <= self.batch_size <= 1797:
            raise ValueError(text("session.bad_batch_size", value=self.batch_size))
        if not 1 <= self.epochs <= 500:
            raise ValueError(text("session.bad_epochs", value=self.epochs))


@dataclass(frozen=True, slots=True)
class Document:
    """Everything a person builds: the layers, the seed and the way of training.

    Attributes
    ----------
    layers : from input to output.
    seed : fixes every random number.
    training : how the stack is trained.
    next_id : number of the next layer's id.
    """

    layers: tuple[LayerSpec, ...] = ()
    seed: int = 0
    training: TrainingSpec = TrainingSpec()
    next_id: int = 1

    def layer(self, layer_id: str) -> LayerSpec:
        """Return the layer with this id.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self.layers[self.index(layer_id)]

    def index(self, layer_id: str) -> int:
        """Return the position of the layer with this id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for index, layer in enumerate(self.layers):
            if layer.id == layer_id:
                return index
        raise KeyError(layer_id)

    def names(self) -> dict[str, str]:
        """Return the name each layer has in a model, by id: ``dense``, ``dense_1``, ..."""
        names: dict[str, str] = {}
        counts: dict[str, int] = {}
        for layer in self.layers:
            base = snake_case(layer.class_name)
            number = counts.get(base, 0)
            counts[base] = number + 1
            names[layer.id] = f"{base}_{number}" if number else base
        return names


# --- what a new layer starts with ---------------------------------------------------------------


def starting_value(declared: Field) -> Any:
    """Return a sensible first value for an argument without a default, None if none is obvious."""
    if declared.kind == "activation":
        return "relu"
    if declared.kind == "choice":
        return declared.choices[0]
    if declared.slider is None:
        return None
    low, high = declared.slider
    if declared.kind == "float":
        return round((low + high) / 2 + 1e-9, 1)
    middle = max(round((max(low, 1) * max(high, 1)) ** 0.5), 1)
    return [middle] * (declared.length or 1) if declared.kind == "ints" else middle


def starting_arguments(class_name: str) -> dict[str, Any]:
    """Return values for the arguments of a layer that have no default."""
    cls = _layer_class(class_name)
    found = {}
    for declared in fields_of(cls):
        if declared.default is REQUIRED:
            value = starting_value(declared)
            # What no slider can suggest, such as a shape, comes from the layer's own example.
            found[declared.name] = (
                cls.examples[0].arguments[declared.name] if value is None else value
            )
    return json.loads(json.dumps(found))


def _layer_class(class_name: str) -> Any:
    cls = layerscope_catalogue().layer(class_name)
    if cls is None:
        raise ValueError(text("session.unknown_layer", name=class_name))
    return cls


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
    try:
        declared[argument].check(value)
    except TypeError as error:
        raise ValueError(str(error)) from None


# --- edits --------------------------------------------------------------------------------------


def add_layer(
    document: Document,
    class_name: str,
    index: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Document:
    """Insert a layer, at the end unless told otherwise.

    Raises
    ------
    ValueError
        If there is no such layer, or the stack is full.
    """
    if len(document.layers) >= MAX_LAYERS:
        raise ValueError(text("session.too_many_layers", limit=MAX_LAYERS))
    _layer_class(class_name)
    given = starting_arguments(class_name) if arguments is None else dict(arguments)
    layer = LayerSpec(f"layer{document.next_id}", class_name, _frozen(given))
    at = len(document.layers) if index is None else min(max(index, 0), len(document.layers))
    layers = (*document.layers[:at], layer, *document.layers[at:])
    return replace(document, layers=layers, next_id=document.next_id + 1)


def remove_layer(document: Document, layer_id: str) -> Document:
    """Take a layer out."""
    at = document.index(layer_id)
    return replace(document, layers=document.layers[:at] + document.layers[at + 1 :])


def duplicate_layer(document: Document, layer_id: str) -> Document:
    """Insert a copy of a layer right after it."""
    layer = document.layer(layer_id)
    return add_layer(document, layer.class_name, document.index(layer_id) + 1, layer.arguments)


def move_layer(document: Document, layer_id: str, index: int) -> Document:
    """Put a layer at another position."""
    layer = document.layer(layer_id)
    rest = [one for one in document.layers if one.id != layer_id]
    rest.insert(min(max(index, 0), len(rest)), layer)
    return replace(document, layers=tuple(rest))


def set_argument(document: Document, layer_id: str, argument: str, value: Any) -> Document:
    """Give a layer's argument a value; its default removes it from the document.

    Raises
    ------
    ValueError
        If the value is not valid for the argument.
    """
    layer = document.layer(layer_id)
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
    return _with_layer(document, replace(layer, arguments=_frozen(arguments)))


def reset_argument(document: Document, layer_id: str, argument: str) -> Document:
    """Give a layer's argument its default back, or its first value where there is none."""
    layer = document.layer(layer_id)
    arguments = dict(layer.arguments)
    arguments.pop(argument, None)
    starting = starting_arguments(layer.class_name)
    if argument in starting:
        arguments[argument] = starting[argument]
    return _with_layer(document, replace(layer, arguments=_frozen(arguments)))


def _with_layer(document: Document, layer: LayerSpec) -> Document:
    return replace(
        document, layers=tuple(layer if one.id == layer.id else one for one in document.layers)
    )


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


# --- undo ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edit:
    """One step back: the document before it, and what a person calls it.

    Attributes
    ----------
    name : shown beside undo and redo.
    document : before the edit (in `past`) or after it (in `future`).
    merge_key : edits of the same key that follow each other are undone together.
    """

    name: str
    document: Document
    merge_key: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """A document with the edits that led to it and those that were undone."""

    document: Document
    past: tuple[Edit, ...] = ()
    future: tuple[Edit, ...] = ()
    limit: int = 100

    def edit(self, name: str, document: Document, merge_key: str = "") -> History:
        """Return the history after an edit; one that changes nothing leaves no trace."""
        if document == self.document:
            return self
        merges = bool(merge_key) and bool(self.past) and self.past[-1].merge_key == merge_key
        step = Edit(name, self.document, merge_key)
        past = self.past if merges and not self.future else (*self.past, step)
        return replace(self, document=document, past=past[-self.limit :], future=())

    def undo(self) -> History:
        """Return the history with the last edit taken back; itself when there is none."""
        if not self.past:
            return self
        last = self.past[-1]
        ahead = Edit(last.name, self.document, last.merge_key)
        return replace(
            self, document=last.document, past=self.past[:-1], future=(ahead, *self.future)
        )

    def redo(self) -> History:
        """Return the history with the last undone edit made again; itself when there is none."""
        if not self.future:
            return self
        first = self.future[0]
        behind = Edit(first.name, self.document, first.merge_key)
        return replace(
            self, document=first.document, past=(*self.past, behind), future=self.future[1:]
        )


# --- text form ----------------------------------------------------------------------------------


def to_json(document: Document) -> str:
    """Return the document as compact JSON."""
    training = document.training
    return json.dumps(
        {
            "version": VERSION,
            "seed": document.seed,
            "layers": [[one.id, one.class_name, dict(one.arguments)] for one in document.layers],
            "training": {
                name: getattr(training, name) for name in TrainingSpec.__dataclass_fields__
            },
        },
        separators=(",", ":"),
    )


def from_json(source: str) -> Document:
    """Return the document that `to_json` wrote, every part of it checked.

    Raises
    ------
    ValueError
        If the text is not a document; the message says what is wrong with it.
    """
    if len(source) > MAX_DOCUMENT_BYTES:
        raise ValueError(text("session.document_too_large", limit=MAX_DOCUMENT_BYTES))
    try:
        data = json.loads(source)
    except (ValueError, RecursionError):
        raise ValueError(text("session.document_not_json")) from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(text("session.document_version", version=VERSION))
    try:
        document = set_seed(Document(training=TrainingSpec(**data["training"])), data["seed"])
        ids = set()
        for layer_id, class_name, arguments in data["layers"]:
            for name, value in arguments.items():
                check_argument(class_name, name, value)
            document = add_layer(document, class_name, None, arguments)
            ids.add(str(layer_id))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(text("session.document_broken", reason=error)) from None
    if len(ids) != len(document.layers):
        raise ValueError(text("session.document_broken", reason="ids"))
    return document


def digits_stack() -> Document:
    """Return the stack that is there when the page opens: a small network for the digits."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("Conv2D", {"filters": 16, "kernel_size": [3, 3], "activation": "relu"}),
        ("MaxPooling2D", {}),
        ("Flatten", {}),
        ("Dense", {"units": 64, "activation": "relu"}),
        ("Dense", {"units": 10, "activation": "softmax"}),
    ]
    document = Document()
    for class_name, arguments in steps:
        document = add_layer(document, class_name, None, arguments)
    return document
