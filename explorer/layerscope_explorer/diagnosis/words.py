"""Shapes and reasons the way people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from layerscope.tensor import Shape
from layerscope_explorer.strings import text

_NAMED = re.compile(r"`(\w+)`|\b(\w+)=")
_BATCHED = re.compile(r"\(None, ?([^()]*)\)")
#: Parts of a core message that speak to a programmer: what was received, in Python's spelling.
_TAILS = (
    " Received",
    " Full shape received:",
    " Full input shapes:",
    " Full object config",
    " Please specify",
    " Valid ",
    " Make sure",
    " using config=",
    " (of type",
)
#: What a programmer calls things, and what they are called.
_TERMS = (
    (re.compile(r"\btuples?\b"), "list"),
    (re.compile(r"\bfloat( value)?\b"), "number"),
    (re.compile(r"\bNone\b"), "none"),
    (re.compile(r"\bdtype\b"), "number type"),
    (re.compile(r"\bndim\b"), "axes"),
    (re.compile(r"\bdeserializ\w+"), "making"),
    (re.compile(r"\bkeyword arguments?\b"), "argument"),
    (re.compile(r"\(\)|\b__|__\b"), ""),
)
_REPR = re.compile(r"<(\w+) name=(\w+)[^>]*>")


def sizes(lengths: Sequence[int | None]) -> str:
    """Return lengths as people write them: ``3×3``."""
    return "×".join("?" if length is None else str(length) for length in lengths)


def tuple_words(lengths: Sequence[int | None]) -> str:
    """Return lengths in brackets: ``(8, 8, 1)``."""
    return f"({', '.join('?' if length is None else str(length) for length in lengths)})"


def shape_words(shape: Shape) -> str:
    """Return a shape without its batch axis, as text."""
    rest = shape[1:]
    if len(rest) == 1:
        return text("diagnosis.flat", length="?" if rest[0] is None else rest[0])
    return tuple_words(rest) if rest else text("diagnosis.scalar")


def plain(error: Exception | str) -> str:
    """Return a message of the core without what only a programmer can read.

    Examples
    --------
    >>> plain("Argument `axis` must be in [-2, 2). Received: axis=3")
    'Argument axis must be in [-2, 2).'
    """
    words = str(error)
    for tail in _TAILS:
        words = words.split(tail)[0]
    words = _REPR.sub(r"\2", words).replace("`", "").strip()
    words = _BATCHED.sub(lambda found: f"({found[1].rstrip(', ')})", words)
    for term, usual in _TERMS:
        words = term.sub(usual, words)
    return words


def named_in(error: Exception | str, arguments: Sequence[str] = ()) -> str | None:
    """Return the argument a message names, in backticks or as ``name=value``.

    Parameters
    ----------
    error : the message.
    arguments : names that can be meant; empty means any.
    """
    for found in _NAMED.finditer(str(error)):
        name = next(name for name in found.groups() if name)
        if not arguments or name in arguments:
            return name
    return None


def value_words(value: Any) -> str:
    """Return an argument's value as text: ``(3, 3)``, ``same``, ``LSTM``."""
    if value is None:
        return text("diagnosis.none")
    if isinstance(value, dict) and "class_name" in value:
        return str(value["class_name"])
    if isinstance(value, (list, tuple)):
        return tuple_words([value_words(one) for one in value])  # type: ignore[misc]
    return f"{value:g}" if isinstance(value, float) else str(value)
