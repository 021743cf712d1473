"""Stacks to start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer, set_input, set_training

#: The end of a stack that tells ten digits apart.
_CLASSES: tuple[str, dict[str, Any]] = ("Dense", {"units": 10, "activation": "softmax"})


def _stack(*layers: tuple[str, dict[str, Any]]) -> Document:
    document = Document()
    for class_name, arguments in layers:
        document = add_layer(document, class_name, None, arguments)
    return document


def why_did_it_die() -> Document:
    """Return the stack every page opens with: eight tanh layers whose signal fades to nothing.

    With 64 inputs and a spread of 0.01 each layer passes on 0.01 · √64 = 8 % of what it gets.
    """
    tiny = {"class_name": "RandomNormal", "config": {"stddev": 0.01}}
    dense = {"units": 64, "activation": "tanh", "kernel_initializer": tiny}
    return _stack(
        ("Flatten", {}),
        *[("Dense", dense)] * 8,
        _CLASSES,
    )


def dead_relu() -> Document:
    """Return ReLU layers that a bias of -2 keeps nearly always below zero."""
    below = {"class_name": "Constant", "config": {"value": -2.0}}
    dense = {
        "units": 64,
        "activation": "relu",
        "kernel_initializer": "he_normal",
        "bias_initializer": below,
    }
    return _stack(("Flatten", {}), *[("Dense", dense)] * 4, _CLASSES)


def all_zeros() -> Document:
    """Return layers whose weights start equal, so that all units of a layer stay the same."""
    dense = {"units": 32, "activation": "tanh", "kernel_initializer": "zeros"}
    return _stack(("Flatten", {}), *[("Dense", dense)] * 3, _CLASSES)


def exploding() -> Document:
    """Return ten ReLU layers that each make the signal several times as large."""
    wide = {"class_name": "RandomNormal", "config": {"stddev": 1.0}}
    dense = {"units": 64, "activation": "relu", "kernel_initializer": wide}
    return _stack(("Flatten", {}), *[("Dense", dense)] * 10, _CLASSES)


def shape_bug() -> Document:
    """Return an image classifier that is flat too early, for a layer that needs images."""
    convolution = {"filters": 8, "kernel_size": [3, 3], "activation": "relu"}
    return _stack(("Flatten", {}), ("Conv2D", convolution), _CLASSES)


def norms() -> Document:
    """Return three equal layers that keep their weights small in three ways."""
    limit = {"class_name": "MaxNorm", "config": {"max_value": 0.8, "axis": 0}}
    large = {"class_name": "RandomNormal", "config": {"stddev": 0.2}}
    dense = {"units": 48, "activation": "relu", "kernel_initializer": large}
    return _stack(
        ("Flatten", {}),
        ("Dense", {**dense, "kernel_constraint": limit}),
        ("Dense", {**dense, "kernel_regularizer": _penalty("L2", l2=0.01)}),
        ("Dense", {**dense, "kernel_regularizer": _penalty("L1", l1=0.003)}),
        _CLASSES,
    )


def _penalty(name: str, **factors: float) -> dict[str, Any]:
    return {"class_name": name, "config": factors}


def own_activation() -> Document:
    """Return a layer with an activation of one's own: x · tanh(softplus(x)), of operations."""
    document = _stack(
        ("Flatten", {}),
        ("Dense", {"units": 64, "kernel_initializer": "he_normal"}),
        ("Lambda", {"function": "softplus"}),
        ("Lambda", {"function": "tanh"}),
    )
    document = add_layer(document, "Multiply", None, {}, ["layer2"])
    return add_layer(document, _CLASSES[0], None, _CLASSES[1])


def spiral() -> Document:
    """Return a small network that learns to tell two arms apart that wind around each other."""
    document = set_input(Document(), {"data": "spiral"})
    for _ in range(2):
        document = add_layer(document, "Dense", None, {"units": 24, "activation": "tanh"})
    document = add_layer(document, "Dense", None, {"units": 2, "activation": "softmax"})
    return set_training(set_training(document, "learning_rate", 0.02), "epochs", 60)


def digits_stack() -> Document:
    """Return a small network that learns the digits."""
    return _stack(
        ("Conv2D", {"filters": 16, "kernel_size": [3, 3], "activation": "relu"}),
        ("MaxPooling2D", {}),
        ("Flatten", {}),
        ("Dense", {"units": 64, "activation": "relu"}),
        _CLASSES,
    )


def on_noise(document: Document, *shape: int) -> Document:
    """Return the stack shown standard normal noise of this shape instead of digits."""
    noise = {"data": "noise", "shape": list(shape)}
    return replace(document, input=replace(document.input, arguments=noise))


#: Stacks that a page can open with, by the name in its address: ``/apps?demo=digits``.
OPENING = "why-did-it-die"
PRESETS: Mapping[str, Callable[[], Document]] = {
    OPENING: why_did_it_die,
    "dead-relu": dead_relu,
    "all-zeros": all_zeros,
    "exploding": exploding,
    "shape-bug": shape_bug,
    "norms": norms,
    "own-activation": own_activation,
    "spiral": spiral,
    "digits": digits_stack,
    "empty": Document,
}
