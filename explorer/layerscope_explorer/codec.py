"""Documents as text: what is saved, shared and read back, every part of it checked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from layerscope_explorer import edits
from layerscope_explorer.document import (
    AUTO,
    INPUT,
    VERSION,
    Document,
    LayerSpec,
    TrainingSpec,
    frozen,
)
from layerscope_explorer.faults import check_plain
from layerscope_explorer.limits import MAX_DOCUMENT_BYTES, MAX_LAYERS
from layerscope_explorer.own_code import UnreadCode, defining, is_known
from layerscope_explorer.strings import text

_ID = re.compile(r"layer[0-9]{1,9}")
#: Parts of a layer's entry that are left out where they are as usual.
_USUAL: dict[str, Any] = {"sources": [], "bypassed": False, "shares": "", "roll": 0}


def to_json(document: Document, indent: int | None = None) -> str:
    """Return the document as JSON, compact unless indented."""
    training = document.training
    written = {
        "version": VERSION,
        "seed": document.seed,
        "phase": document.phase,
        "input": dict(document.input.arguments),
        "layers": [_entry(layer) for layer in document.layers],
        "training": {name: getattr(training, name) for name in TrainingSpec.__dataclass_fields__},
    }
    if document.code:
        written["code"] = document.code
    separators = (",", ":") if indent is None else None
    return json.dumps(written, indent=indent, separators=separators, ensure_ascii=False)


def _entry(layer: LayerSpec) -> dict[str, Any]:
    entry = {"id": layer.id, "layer": layer.class_name, "arguments": dict(layer.arguments)}
    own = {
        "sources": list(layer.sources),
        "bypassed": layer.bypassed,
        "shares": layer.shares,
        "roll": layer.roll,
    }
    return entry | {name: value for name, value in own.items() if value != _USUAL[name]}


def from_json(source: str) -> Document:
    """Return the document that `to_json` wrote, of this version or an earlier one.

    Raises
    ------
    ValueError
        If the text is not a document; the message says what is wrong with it.
    UnreadCode
        If it brings code that nobody has run here.
    """
    if len(source) > MAX_DOCUMENT_BYTES:
        raise ValueError(text("session.document_too_large", limit=MAX_DOCUMENT_BYTES))
    try:
        data = json.loads(source)
    except (ValueError, RecursionError):
        raise ValueError(text("session.document_not_json")) from None
    check_plain(data, MAX_DOCUMENT_BYTES)
    version = data.get("version") if isinstance(data, dict) else None
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(text("session.document_version", version=VERSION))
    code = data.get("code", "")
    if not isinstance(code, str):
        raise ValueError(text("session.document_broken", reason="code"))
    if not is_known(code):
        raise UnreadCode(code)
    try:
        for upgrade in _UPGRADES[version - 1 :]:
            data = upgrade(data)
        with defining(code):
            return replace(_read(data), code=code)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(text("session.document_broken", reason=error)) from None


def _from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 1 in the form of version 2: its layers were lists."""
    layers = [
        {"id": layer_id, "layer": class_name, "arguments": arguments}
        for layer_id, class_name, arguments in data.get("layers", ())
    ]
    return {**data, "layers": layers, "input": {}, "phase": "inference"}


def _from_version_2(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 2 in the form of version 3, where the loss can be chosen."""
    return {**data, "training": {**data["training"], "loss": AUTO}}


#: What makes a document of one version into one of the next, oldest first.
_UPGRADES = (_from_version_1, _from_version_2)


def _read(data: dict[str, Any]) -> Document:
    document = edits.set_seed(Document(training=TrainingSpec(**data["training"])), data["seed"])
    document = edits.set_phase(document, data["phase"])
    document = edits.set_input(document, data["input"])
    if len(data["layers"]) > MAX_LAYERS:
        raise ValueError(text("session.too_many_layers", limit=MAX_LAYERS))
    layers: list[LayerSpec] = []
    for entry in data["layers"]:
        layer = _read_layer(entry, {one.id: one for one in layers})
        layers.append(layer)
    numbers = [int(layer.id.removeprefix("layer")) for layer in layers]
    return replace(document, layers=tuple(layers), next_id=max(numbers, default=0) + 1)


def _read_layer(entry: dict[str, Any], above: dict[str, LayerSpec]) -> LayerSpec:
    entry = {**_USUAL, **entry}
    layer_id, class_name = entry["id"], entry["layer"]
    if not isinstance(layer_id, str) or not _ID.fullmatch(layer_id):
        raise ValueError(text("session.document_broken", reason=f"id {layer_id!r}"))
    if layer_id in above:
        raise ValueError(text("session.document_broken", reason=f"id {layer_id} twice"))
    if entry["shares"] and (
        entry["shares"] not in above
        or above[entry["shares"]].shares
        or above[entry["shares"]].class_name != class_name
        or entry["arguments"]
    ):
        raise ValueError(text("session.document_broken", reason=f"{layer_id} shares"))
    edits.check_layer(class_name)
    for name, value in entry["arguments"].items():
        edits.check_argument(class_name, name, value)
    if not all(source == INPUT or isinstance(source, str) for source in entry["sources"]):
        raise ValueError(text("session.document_broken", reason=f"{layer_id} sources"))
    if isinstance(entry["roll"], bool) or not isinstance(entry["roll"], int):
        raise ValueError(text("session.document_broken", reason=f"{layer_id} roll"))
    return LayerSpec(
        layer_id,
        class_name,
        frozen(entry["arguments"]),
        tuple(entry["sources"]),
        bool(entry["bypassed"]),
        str(entry["shares"]),
        entry["roll"],
    )
