"""Values a control stands for: what a person typed or picked, and how the document keeps it."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope.configurable import REQUIRED, Field
from layerscope_explorer.catalogue import Catalogue
from layerscope_explorer.strings import text

__all__ = ["ADD", "NONE_CHOICE", "PART_KINDS", "RESET", "Part", "read", "updated"]

NONE_CHOICE = ""
#: Kinds of arguments whose value has arguments of its own.
PART_KINDS = ("activation", "initializer", "regularizer", "constraint", "layer", "cell")
#: Stands for a value's default; in a path, for the end of a list.
RESET: Any = object()
ADD = "add"
_LONGEST_LITERAL = 200


@dataclass(frozen=True)
class Part:
    """A picked activation, initializer, regularizer or constraint, with its own arguments."""

    name: str
    config: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, kind: str, catalogue: Catalogue) -> Part | None:
        """Return the part a stored value stands for: a name, a serialized dict, an object.

        Examples
        --------
        >>> Part.of("relu", "activation", Catalogue({}, {"activation": {"relu": None}}))
        Part(name='relu', config={})
        """
        if value is REQUIRED or (value is None and kind != "activation"):
            return None
        # Keras reads an activation of None as the identity.
        value = "linear" if value is None else value
        config: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            name, config = str(value.get("class_name", "")), value.get("config") or {}
        elif isinstance(value, str):
            name = value
        else:
            name = getattr(value, "__name__", type(value).__name__)
        return cls(catalogue.choice(kind, name) or name, dict(config))

    def stored(self, kind: str, catalogue: Catalogue) -> Any:
        """Return the JSON value: a plain name, or class name and config if it has arguments."""
        if catalogue.fields(kind, self.name):
            return {"class_name": self.name, "config": dict(self.config)}
        return self.name


def _missing(field: Field) -> ValueError:
    return ValueError(text("inspector.value_missing", name=field.name))


def _read_number(field: Field, raw: Any) -> Any:
    if raw is None or raw == "":
        if field.optional:
            return None
        raise _missing(field)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        key = "inspector.integer_invalid" if field.kind == "int" else "inspector.number_invalid"
        raise ValueError(text(key, name=field.name, value=raw))
    if field.kind == "int":
        if not float(raw).is_integer():
            raise ValueError(text("inspector.integer_invalid", name=field.name, value=raw))
        return int(raw)
    return float(raw)


def _read_integers(field: Field, raw: Any) -> Any:
    words = str(raw or "").strip().strip("()[]").replace("×", ",").split(",")
    entries = [word.strip() for word in words if word.strip()]
    if not entries:
        if field.optional:
            return None
        raise _missing(field)
    try:
        numbers = [int(entry) for entry in entries]
    except ValueError:
        message = text("inspector.integers_invalid", name=field.name, value=raw)
        raise ValueError(message) from None
    # One number stands for all axes, as everywhere in Keras; stored in one spelling.
    return numbers * field.length if field.length and len(numbers) == 1 else numbers


def read(field: Field, raw: Any) -> Any:
    """Return the JSON value for what a control sent, checked by its field.

    Raises
    ------
    ValueError
        If it is not valid; the message is fit to be shown beside the control.
    """
    if field.kind in ("int", "float"):
        value = _read_number(field, raw)
    elif field.kind == "ints":
        value = _read_integers(field, raw)
    elif field.kind in ("text", "choice"):
        value = None if raw in (None, NONE_CHOICE) and field.optional else raw
    elif field.kind == "any":
        value = _read_literal(field, raw)
    else:
        value = raw
    field.check(value)
    return value


def _read_literal(field: Field, raw: Any) -> Any:
    """Return what a text such as ``((1, 2), (3, 0))`` or ``None`` stands for, as a JSON value."""
    if not isinstance(raw, str):
        return raw
    if not raw.strip():
        return None
    try:
        # Literals only: nothing is ever run.
        value = ast.literal_eval(raw[:_LONGEST_LITERAL])
        return json.loads(json.dumps(value))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        message = text("inspector.literal_invalid", name=field.name, value=raw)
        raise ValueError(message) from None


def updated(field: Field, stored: Any, path: Sequence[str], raw: Any, catalogue: Catalogue) -> Any:
    """Return a field's stored value after a control inside it was set.

    Parameters
    ----------
    field, stored
        The argument and its value so far.
    path
        Where the control is: no words for the argument itself, else names of arguments of
        arguments, and places in lists.
    raw
        What the control sent; `RESET` for a return to the default.

    Raises
    ------
    ValueError
        If it is not valid; the message is fit to be shown beside the control.
    """
    if field.kind == "cells":
        return _updated_list(field, stored, path, raw, catalogue)
    if not path:
        return field.default if raw is RESET else _picked(field, raw, catalogue)
    part = Part.of(stored, field.kind, catalogue)
    inner = {one.name: one for one in catalogue.fields(field.kind, part.name)} if part else {}
    if part is None or path[0] not in inner:
        raise ValueError(text("inspector.value_missing", name=field.name))
    name, rest = path[0], path[1:]
    config = dict(part.config)
    if raw is RESET and not rest:
        config.pop(name, None)
        config = {**catalogue.starting(field.kind, part.name, only=name), **config}
    else:
        config[name] = updated(
            inner[name], config.get(name, inner[name].default), rest, raw, catalogue
        )
    return replace(part, config=config).stored(field.kind, catalogue)


def _picked(field: Field, raw: Any, catalogue: Catalogue) -> Any:
    if field.kind not in PART_KINDS:
        return read(field, raw)
    if raw in (None, NONE_CHOICE):
        return None
    config = catalogue.starting(field.kind, str(raw))
    return Part(str(raw), config).stored(field.kind, catalogue)


def _updated_list(
    field: Field, stored: Any, path: Sequence[str], raw: Any, catalogue: Catalogue
) -> Any:
    """Return a list of cells with one set, added or taken away."""
    cells = list(stored)
    one = replace(field, kind="cell")
    if not path or path[0] == ADD:
        return (
            cells if raw in (None, NONE_CHOICE, RESET) else [*cells, _picked(one, raw, catalogue)]
        )
    place, rest = int(path[0]), path[1:]
    if not rest and raw in (None, NONE_CHOICE):
        if len(cells) == 1:
            raise ValueError(text("inspector.value_missing", name=field.name))
        return cells[:place] + cells[place + 1 :]
    cells[place] = updated(one, cells[place], rest, raw, catalogue)
    return cells
