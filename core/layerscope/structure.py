"""Nested lists, tuples and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def leaves(structure: Any) -> list[Any]:
    """Return what is inside nested lists, tuples and dicts, in order."""
    if isinstance(structure, dict):
        structure = list(structure.values())
    elif not isinstance(structure, (list, tuple)):
        return [structure]
    found = []
    for entry in structure:
        if isinstance(entry, (list, tuple, dict)):
            found.extend(leaves(entry))
        else:
            found.append(entry)
    return found


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply `function` to every leaf and keep the nesting."""
    if isinstance(structure, (list, tuple)):
        mapped = [map_structure(function, entry) for entry in structure]
        if hasattr(structure, "_fields"):
            return type(structure)(*mapped)
        return type(structure)(mapped)
    if isinstance(structure, dict):
        return {key: map_structure(function, entry) for key, entry in structure.items()}
    return function(structure)


def is_shape(value: Any) -> bool:
    """Tell whether `value` is one shape rather than a structure of shapes."""
    return isinstance(value, (list, tuple)) and all(
        length is None or isinstance(length, int) for length in value
    )


def map_shapes(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply `function` to every shape in a structure of shapes; None stays."""
    if structure is None:
        return None
    if is_shape(structure):
        return function(tuple(structure))
    if isinstance(structure, dict):
        return {key: map_shapes(function, entry) for key, entry in structure.items()}
    return type(structure)(map_shapes(function, entry) for entry in structure)
