"""Stacks written down in a line, for tables of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from layerscope_explorer import presets
from layerscope_explorer.document import Document, LayerSpec, frozen

#: A layer: its name, its arguments, whose outputs it also takes and what else its card has.
Row = tuple[Any, ...]


def stack(data: str | tuple[int, ...] | Mapping[str, Any], *rows: Row) -> Document:
    """Return a stack on digits, on noise of a shape, or on what an input card's arguments say.

    A row is `(class name, arguments, sources, {field: value})`, of which the last may be left
    out. The ids are layer1, layer2, ...
    """
    document = Document()
    if isinstance(data, tuple):
        document = presets.on_noise(document, *data)
    elif isinstance(data, Mapping):
        document = replace(document, input=replace(document.input, arguments=frozen(data)))
    layers = []
    for number, row in enumerate(rows, start=1):
        rest: tuple[Any, ...] = ({}, (), {})
        class_name, arguments, sources, more = (*row, *rest[len(row) - 1 :])
        spec = LayerSpec(f"layer{number}", class_name, frozen(arguments), tuple(sources))
        layers.append(replace(spec, **more))
    return replace(document, layers=tuple(layers), next_id=len(rows) + 1)


def dense(units: int, activation: str | None = None, initializer: Any = None, **more: Any) -> Row:
    """Return a Dense row."""
    arguments: dict[str, Any] = {"units": units, **more}
    if activation:
        arguments["activation"] = activation
    if initializer:
        arguments["kernel_initializer"] = initializer
    return "Dense", arguments


def normal(stddev: float) -> dict[str, Any]:
    """Return the config of a normal initializer."""
    return {"class_name": "RandomNormal", "config": {"stddev": stddev}}


def constant(value: float) -> dict[str, Any]:
    """Return the config of an initializer that gives one value."""
    return {"class_name": "Constant", "config": {"value": value}}
