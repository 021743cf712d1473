"""Stacks to start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer


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
        ("Dense", {"units": 10, "activation": "softmax"}),
    )


def digits_stack() -> Document:
    """Return a small network that learns the digits."""
    return _stack(
        ("Conv2D", {"filters": 16, "kernel_size": [3, 3], "activation": "relu"}),
        ("MaxPooling2D", {}),
        ("Flatten", {}),
        ("Dense", {"units": 64, "activation": "relu"}),
        ("Dense", {"units": 10, "activation": "softmax"}),
    )


def on_noise(document: Document, *shape: int) -> Document:
    """Return the stack shown standard normal noise of this shape instead of digits."""
    noise = {"data": "noise", "shape": list(shape)}
    return replace(document, input=replace(document.input, arguments=noise))


#: Stacks that a page can open with, by the name in its address: ``/apps?demo=digits``.
OPENING = "why-did-it-die"
PRESETS: Mapping[str, Callable[[], Document]] = {
    OPENING: why_did_it_die,
    "digits": digits_stack,
    "empty": Document,
}
