"""What strangers send, by name, with the words that each is answered with."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerscope_explorer.codec import to_json
from layerscope_explorer.presets import digits_stack

SCRIPT = "<script>window.injected = 1</script><img src=x onerror='window.injected = 1'>"
GARBLED = "not be understood"
TOO_MUCH = "more than this page accepts"
NOT_HERE = "not here any more"


@dataclass(frozen=True)
class Case:
    """One thing that somebody sends.

    Attributes
    ----------
    name : what it is.
    way : how it comes: "address", "file", "code" (JSON typed into the Code lens), or the name of
        the component that is sent a message.
    sent : what is sent.
    answer : part of what the page says; "" where it says nothing and changes nothing.
    """

    name: str
    way: str
    sent: Any
    answer: str


def packed(source: str | bytes) -> str:
    """Return a text as the word of an address."""
    source = source.encode() if isinstance(source, str) else source
    return urlsafe_b64encode(zlib.compress(source, 9)).decode().rstrip("=")


def document(**changes: Any) -> dict[str, Any]:
    """Return the opening stack as data, with changes."""
    return {**json.loads(to_json(digits_stack())), **changes}


def layers(*entries: Mapping[str, Any], **changes: Any) -> str:
    """Return a stack of these layers as a file."""
    named = [{"id": f"layer{n}", "arguments": {}, **one} for n, one in enumerate(entries, 1)]
    return json.dumps(document(layers=named, **changes))


def one(layer: str, /, **arguments: Any) -> str:
    """Return a stack of one layer as a file."""
    return layers({"layer": layer, "arguments": arguments})


def nested(depth: int) -> str:
    """Return lists in lists."""
    return "[" * depth + "]" * depth


def wrapped(depth: int) -> dict[str, Any]:
    """Return a layer in layers, as a config."""
    inner: dict[str, Any] = {"class_name": "Dense", "config": {"units": 2}}
    for _ in range(depth):
        inner = {"class_name": "TimeDistributed", "config": {"layer": inner}}
    return inner


def state(**changes: Any) -> str:
    """Return a shared state."""
    return json.dumps({"version": 1, "document": document(), **changes})


_PICKLE = "gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAZ0b3VjaCB4lIWUUpQu"
_LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None}}
_ARRAY = {"class_name": "__numpy__", "config": {"value": [0] * 99, "dtype": "S900000000"}}

ADDRESSES = (
    Case("zip bomb", "address", packed(b" " * 7_000_000), "damaged"),
    Case("zip bomb of brackets", "address", packed("[" * 400_000), "damaged"),
    Case("huge address", "address", "A" * 2_000_000, TOO_MUCH),
    Case("no base64", "address", "§$%&/()=?", "damaged"),
    Case("base64 of nothing packed", "address", urlsafe_b64encode(b"hello").decode(), "damaged"),
    Case("cut off", "address", packed(state())[:200], "damaged"),
    Case("wrong encoding", "address", packed(state().encode("utf-16")), "damaged"),
    Case("bytes that are no text", "address", packed(b"\xff\xfe\x00\x80" * 99), "damaged"),
    Case("half a character", "address", packed('{"version": 1, "document": "\\ud800"}'), "damaged"),
    Case("zero bytes", "address", packed(b"\x00" * 999), "damaged"),
    Case("a pickle as state", "address", _PICKLE, "damaged"),
    Case("deep nesting", "address", packed(nested(100_000)), "damaged"),
    Case("a number as state", "address", packed("7"), "no saved stack"),
    Case("version of tomorrow", "address", packed(state(version=99)), "version"),
    Case("selected is a list", "address", packed(state(selected=[[]])), "selected"),
    Case("lens of a megabyte", "address", packed(state(lens="x" * 99_999)), "lens"),
    Case("task that is code", "address", packed(state(task={"goal": "__import__('os')"})), "goal"),
    Case("task with a traversal", "address", packed(state(task={"only": ["../../x"]})), "../../x"),
    Case("pinned is a bomb", "address", packed(state(pinned=[0] * 99_999)), TOO_MUCH),
)

FILES = (
    Case("no JSON", "file", "import os; os.system('touch x')", "not JSON"),
    Case("a pickle", "file", "\x80\x04\x95" + _PICKLE, "not JSON"),
    Case("a file of a megabyte", "file", " " * 1_000_000, TOO_MUCH),
    Case("NaN as seed", "file", '{"version": 1, "document": NaN}', "stack"),
    Case("YAML with an object", "file", "!!python/object/apply:os.system [x]", "not JSON"),
    Case("layers that are text", "file", json.dumps(document(layers="Dense")), "damaged"),
    Case("layers that are a number", "file", json.dumps(document(layers=1e99)), "damaged"),
    Case("10,000 layers", "file", layers(*[{"layer": "ReLU"}] * 10_000), TOO_MUCH),
    Case("1,000 layers", "file", layers(*[{"layer": "ReLU"}] * 1_000), "at most"),
    Case("a layer that is none", "file", one("os.system"), "no layer called"),
    Case("a name with a script", "file", one(SCRIPT), "no layer called"),
    Case("an argument with a script", "file", one("Dense", **{SCRIPT: 1}), "no argument"),
    Case("an activation with a script", "file", one("Dense", activation=SCRIPT), "activation"),
    Case("traversal in an id", "file", layers({"id": "../../x", "layer": "ReLU"}), "id"),
    Case("the same id twice", "file", layers(*[{"id": "layer1", "layer": "ReLU"}] * 2), "twice"),
    Case(
        "an id of 5,000 digits", "file", layers({"id": "layer" + "9" * 5000, "layer": "ReLU"}), "id"
    ),
    Case("shares itself", "file", layers({"layer": "ReLU", "shares": "layer1"}), "shares"),
    Case("negative units", "file", one("Dense", units=-3), "units"),
    Case("NaN units", "file", one("Dense", units=float("nan")), "units"),
    Case("endless rate", "file", one("Dropout", rate=float("inf")), "rate"),
    Case("units are a list", "file", one("Dense", units=[[8]]), "units"),
    Case(
        "words of a file of the server",
        "file",
        one("StringLookup", vocabulary="/etc/passwd"),
        "files of the server",
    ),
    Case(
        "the same inside a wrapper",
        "file",
        one(
            "TimeDistributed",
            layer={"class_name": "IntegerLookup", "config": {"vocabulary": "../../etc/passwd"}},
        ),
        "files of the server",
    ),
    Case("a lambda with code", "file", one("Lambda", function=_LAMBDA), "function"),
    Case(
        "a lambda within",
        "file",
        one("TimeDistributed", layer={"class_name": "lambda", "config": {"function": "one_hot"}}),
        "Functions",
    ),
    Case(
        "an array of 10**9 in a lambda",
        "file",
        one("Lambda", function="one_hot", arguments={"num_classes": 10**9}),
        "function",
    ),
    Case("a number of 31 digits", "file", one("Dense", units=10**30), TOO_MUCH),
    Case("a function of Python", "file", one("Lambda", function="eval"), "function"),
    Case("a dunder function", "file", one("Lambda", function="__import__"), "function"),
    Case(
        "an array bomb in a lambda",
        "file",
        one("Lambda", function="add", arguments={"x2": _ARRAY}),
        "arrays",
    ),
    Case(
        "a module of one's own",
        "file",
        one(
            "Dense",
            units=2,
            kernel_initializer={"module": "os", "class_name": "system", "config": {"command": "x"}},
        ),
        "not locate",
    ),
    Case("layers in layers", "file", one("TimeDistributed", layer=wrapped(200)), TOO_MUCH),
    Case("a seed of 2**99", "file", json.dumps(document(seed=2**99)), TOO_MUCH),
    Case(
        "a phase that is a list", "file", json.dumps(document(phase=["training"])), "Pictures show"
    ),
    Case(
        "a rate of learning that is text",
        "file",
        json.dumps(document(training={"learning_rate": "1"})),
        "damaged",
    ),
    Case("epochs without end", "file", json.dumps(document(training={"epochs": 10**9})), "epochs"),
    Case("half a batch", "file", json.dumps(document(training={"batch_size": 32.5})), "batch size"),
    Case("data that is none", "file", json.dumps(document(input={"data": "/etc/passwd"})), "data"),
    Case(
        "negative shape",
        "file",
        json.dumps(document(input={"data": "noise", "shape": [-8]})),
        "shape",
    ),
    Case(
        "shape of 10**9",
        "file",
        json.dumps(document(input={"data": "noise", "shape": [10**9]})),
        "too large",
    ),
    Case(
        "99 axes", "file", json.dumps(document(input={"data": "noise", "shape": [1] * 99})), "axes"
    ),
)

TYPED = (
    Case("JSON without end", "code", nested(50_000), "not JSON"),
    Case("JSON that is too long", "code", '"' + "x" * 200_000, "too long"),
    Case("a script", "code", SCRIPT, "not JSON"),
)

#: Stacks that ask for more than there is; what is said stands at the layer.
TOO_LARGE = {
    "10**9 units": one("Dense", units=10**9),
    "a kernel of 10**6": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [64, 1]}},
        {"layer": "Conv1D", "arguments": {"filters": 1, "kernel_size": [10**6], "padding": "same"}},
    ),
    "windows of 10**5": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 8, 1]}},
        {"layer": "MaxPooling2D", "arguments": {"pool_size": [10**5, 10**5], "padding": "same"}},
    ),
    "far apart": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 8, 1]}},
        {
            "layer": "Conv2D",
            "arguments": {
                "filters": 1,
                "kernel_size": [3, 3],
                "dilation_rate": [10**4, 10**4],
                "padding": "same",
            },
        },
    ),
    "repeated 10**8 times": layers(
        {"layer": "Flatten"}, {"layer": "RepeatVector", "arguments": {"n": 10**8}}
    ),
    "padding of 10**9": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 8]}},
        {"layer": "ZeroPadding1D", "arguments": {"padding": 10**9}},
    ),
    "grown 10**5 times": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 8, 1]}},
        {"layer": "UpSampling2D", "arguments": {"size": [10**5, 10**5]}},
    ),
    "resized to 10**6": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 8, 1]}},
        {"layer": "Resizing", "arguments": {"height": 10**6, "width": 10**6}},
    ),
    "10**9 categories": layers(
        {"layer": "CategoryEncoding", "arguments": {"num_tokens": 10**9}},
        input={"data": "tokens", "shape": [8], "vocabulary": 9},
    ),
    "tokens in 10**8 windows": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [8, 1]}},
        {"layer": "AdaptiveMaxPooling1D", "arguments": {"output_size": [10**8]}},
        input={"data": "tokens", "shape": [8], "vocabulary": 9},
    ),
    "an embedding of 10**9": layers(
        {"layer": "Embedding", "arguments": {"input_dim": 10**9, "output_dim": 8}},
        input={"data": "tokens", "shape": [8], "vocabulary": 9},
    ),
    "tiled by a lambda": one(
        "Lambda", function="tile", output_shape=[64], arguments={"repeats": [1, 10**9]}
    ),
    "attention of everything to everything": layers(
        {
            "layer": "MultiHeadAttention",
            "arguments": {"num_heads": 8, "key_dim": 1},
            "sources": ["input"],
        },
        input={"data": "noise", "shape": [20_000, 1]},
    ),
    "64 layers of the largest": layers(
        {"layer": "Reshape", "arguments": {"target_shape": [1, 64]}},
        *[{"layer": "UpSampling1D", "arguments": {"size": 900}}],
        *[{"layer": "ReLU"}] * 60,
    ),
    "units that multiply": layers(*[{"layer": "Dense", "arguments": {"units": 2000}}] * 6),
}

#: Messages of components: what is sent, and what is said.
MESSAGES = (
    Case("no data at all", "LayerStack", None, GARBLED),
    Case("a list", "LayerStack", [1, 2], GARBLED),
    Case("an array", "LayerStack", {"type": "move", "id": b"\x00\x01"}, GARBLED),
    Case("deep", "LayerStack", {"type": json.loads(nested(50))}, TOO_MUCH),
    Case("long", "LayerStack", {"type": "x" * 1_000_000}, TOO_MUCH),
    Case("wide", "LayerStack", {"type": [0] * 1_000_000}, TOO_MUCH),
    Case("an unknown type", "LayerStack", {"type": "__class__"}, ""),
    Case("an unknown layer", "LayerStack", {"type": "remove", "id": "layer99"}, NOT_HERE),
    Case("a layer with a script", "LayerStack", {"type": "duplicate", "id": SCRIPT}, NOT_HERE),
    Case("moved nowhere", "LayerStack", {"type": "move", "id": "layer1"}, NOT_HERE),
    Case("moved to text", "LayerStack", {"type": "move", "id": "layer1", "index": "x"}, "int"),
    Case(
        "moved to infinity", "LayerStack", {"type": "move", "id": "layer1", "index": 1e999}, GARBLED
    ),
    Case(
        "moved to NaN", "LayerStack", {"type": "move", "id": "layer1", "index": float("nan")}, "NaN"
    ),
    Case(
        "moved by 10**400",
        "LayerStack",
        {"type": "move", "id": "layer1", "index": 10**400},
        TOO_MUCH,
    ),
    Case("a repair that is none", "LayerStack", {"type": "fix", "id": "layer1", "index": -7}, ""),
    Case("a seed of 10**15", "TopBar", {"type": "seed", "value": 10**15}, "seed"),
    Case("a seed without value", "TopBar", {"type": "seed"}, NOT_HERE),
    Case("a seed that is null", "TopBar", {"type": "seed", "value": None}, GARBLED),
    Case("a phase with a script", "TopBar", {"type": "phase", "value": SCRIPT}, "Pictures show"),
    Case("a billion steps back", "TopBar", {"type": "go", "steps": -(10**9)}, ""),
    Case("an unknown language", "TopBar", {"type": "language", "value": ["en"]}, GARBLED),
    Case("an unknown lens", "LensTabs", {"open": {"a": 1}}, ""),
    Case("the 99th lens", "Shortcuts", {"key": "lens 99"}, ""),
    Case("a lens that is no number", "Shortcuts", {"key": "lens ²"}, "int"),
    Case("a layer that is none", "Palette", {"type": "add", "name": SCRIPT}, "no layer called"),
    Case("a layer without name", "Palette", {"type": "add"}, NOT_HERE),
    Case(
        "a value for what is not there",
        "FieldForm",
        {"type": "set", "path": "__class__.x", "value": 1},
        "",
    ),
    Case(
        "a value that is a dictionary",
        "FieldForm",
        {"type": "set", "path": "trainable", "value": {"a": 1}},
        "",
    ),
    Case(
        "a count that is none",
        "FieldForm",
        {"type": "set", "path": "trainable", "count": {}},
        GARBLED,
    ),
    Case("a demo that is none", "SharingMenus", {"type": "demo", "name": "../../etc"}, ""),
    Case("a demo that is a list", "SharingMenus", {"type": "demo", "name": []}, GARBLED),
    Case("a goal that is code", "SharingMenus", {"type": "class", "goal": "().__class__"}, ""),
    Case(
        "another page's address",
        "SharingMenus",
        {"type": "report", "page": "javascript:alert(1)"},
        "",
    ),
    Case("nothing to take back", "AddressBar", {"search": "?state=" + "A" * 300}, "damaged"),
    Case("an address of a megabyte", "AddressBar", {"search": "?" + "A" * 1_000_000}, TOO_MUCH),
)
