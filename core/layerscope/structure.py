"""Nested lists, tuples and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def leaves(structure: Any) -> list[Any]:
    """Return what is inside nested lists, tuples and dicts, in order."""
    if isinstance(structure, dict):
        structure = structure.values()
    elif not isinstance(structure, (list, tuple)):
        return [structure]
    found: list[Any] = []
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


def is_nested(value: Any) -> bool:
    """Tell whether `value` is a list, tuple or dict."""
    return isinstance(value, (list, tuple, dict))


def packed_like(structure: Any, flat: Iterable[Any]) -> Any:
    """Return `flat` in the nesting of `structure`."""
    waiting = iter(flat)
    return map_structure(lambda _: next(waiting), structure)


def same_nesting(one: Any, other: Any) -> bool:
    """Tell whether both are nested alike; a list may stand for a tuple."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same_nesting(one[key], other[key]) for key in one)
        )
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple))
            and len(one) == len(other)
            and all(map(same_nesting, one, other))
        )
    return not is_nested(other)


def entry_at(structure: Any, path: Sequence[Any]) -> Any:
    """Return what is at a path of keys and positions."""
    for key in path:
        structure = structure[key]
    return structure


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
