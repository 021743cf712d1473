"""Documents for tests: every layer of the catalogue as its own examples use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.edits import add_layer, set_input


def example_documents() -> Iterator[tuple[str, Document]]:
    """Yield a name and a stack of one layer for every example that a stack can have."""
    for name, cls in layerscope_catalogue().layers.items():
        examples: Any = getattr(cls, "examples", ())
        for number, example in enumerate(examples):
            if example.words is not None or example.arguments.get("invert"):
                continue
            shape = example.input_shape
            several = isinstance(shape, list)
            shapes = {tuple(one) for one in shape} if several else {tuple(shape)}
            if len(shapes) > 1:
                continue
            (first,) = shapes
            document = shown(Document(), first[1:], example.integers)
            if document is None:
                continue
            sources = [INPUT] * (len(shape) - 1) if several else []
            document = add_layer(document, name, None, plain(example.arguments), sources)
            yield f"{name}-{number}", document


def plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as a document keeps them: tuples as lists."""
    return {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def shown(document: Document, shape: tuple[int, ...], integers: int | None) -> Document | None:
    """Return a stack shown inputs of a shape, None where no data of the explorer has it."""
    if integers is not None:
        if len(shape) != 1:
            return None
        tokens = {"data": "tokens", "shape": list(shape), "vocabulary": max(integers, 2)}
        return set_input(document, tokens)
    if not 1 <= len(shape) <= 4:
        return None
    return set_input(replace(document), {"data": "noise", "shape": list(shape)})
