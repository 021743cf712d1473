"""What is shared of a page: the stack with what is looked at, as an address and as a file.

Both are the same JSON, in an address compressed. It may come from anywhere: every part is checked,
and nothing grows beyond the limits before it is.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.limits import MAX_ADDRESS, MAX_DOCUMENT_BYTES, MAX_FILE_BYTES
from layerscope_explorer.spotlight import LENS_NAMES
from layerscope_explorer.strings import text
from layerscope_explorer.task import Task

__all__ = ["STATE_VERSION", "ViewState", "from_address", "from_file", "to_address", "to_file"]

#: Of the form below; the documents in it have a version of their own.
STATE_VERSION = 1

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class ViewState:
    """What a person shares: a stack and how it is looked at.

    Attributes
    ----------
    document : the stack.
    pinned : the stack it is compared with, None where it is not.
    selected : id of the layer that is looked at; "" for the one a page chooses itself.
    lens : name of the open lens; "" for the first.
    language : of the page; "" for that of the browser.
    task : what a teacher asks for and what is locked meanwhile, None where nothing is.
    """

    document: Document
    pinned: Document | None = None
    selected: str = ""
    lens: str = ""
    language: str = ""
    task: Task | None = None


# --- text -----------------------------------------------------------------------------------------


def to_file(state: ViewState) -> str:
    """Return a state as the text of a file, for people to read."""
    return json.dumps(_written(state), indent=2, ensure_ascii=False) + "\n"


def from_file(source: str) -> ViewState:
    """Return the state that a file holds: one of `to_file`, or a document alone.

    Raises
    ------
    ValueError
        If it holds neither; the message says what is wrong with it.
    """
    if len(source) > MAX_FILE_BYTES:
        raise ValueError(text("share.too_large", limit=f"{MAX_FILE_BYTES:,}"))
    try:
        data = json.loads(source)
    except (ValueError, RecursionError):
        raise ValueError(text("session.document_not_json")) from None
    if isinstance(data, dict) and "layers" in data:
        data = {"version": STATE_VERSION, "document": data}
    return _read(data)


def to_address(state: ViewState) -> str:
    """Return a state as a word for an address.

    Raises
    ------
    ValueError
        If it is too much for one.
    """
    packed = zlib.compress(json.dumps(_written(state), separators=(",", ":")).encode(), 9)
    word = urlsafe_b64encode(packed).decode().rstrip("=")
    if len(word) > MAX_ADDRESS:
        raise ValueError(text("share.too_long"))
    return word


def from_address(word: str) -> ViewState:
    """Return the state that `to_address` wrote.

    Raises
    ------
    ValueError
        If it is none, or that of a newer page; the message says so in plain words.
    """
    if len(word) > MAX_ADDRESS:
        raise ValueError(text("share.damaged"))
    try:
        packed = urlsafe_b64decode(word + "=" * (-len(word) % 4))
        inflater = zlib.decompressobj()
        # A few bytes may stand for gigabytes: no more than could be a state is unpacked.
        source = inflater.decompress(packed, MAX_FILE_BYTES)
        if not inflater.eof:
            raise ValueError
        data = json.loads(source.decode())
    except (ValueError, RecursionError, zlib.error):
        raise ValueError(text("share.damaged")) from None
    return _read(data)


# --- parts ----------------------------------------------------------------------------------------


def _written(state: ViewState) -> dict[str, Any]:
    """Return a state as JSON values, without what is as usual."""
    written: dict[str, Any] = {
        "version": STATE_VERSION,
        "document": json.loads(to_json(state.document)),
    }
    if state.pinned is not None:
        written["pinned"] = json.loads(to_json(state.pinned))
    for name in ("selected", "lens", "language"):
        if value := getattr(state, name):
            written[name] = value
    if state.task is not None:
        written["task"] = state.task.written()
    return written


def _read(data: Any) -> ViewState:
    try:
        # Half a character, which JSON can say, could be sent to no page.
        json.dumps(data, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError):
        raise ValueError(text("share.damaged")) from None
    if not isinstance(data, dict) or "document" not in data:
        raise ValueError(text("share.no_state"))
    if data.get("version") != STATE_VERSION:
        raise ValueError(text("share.version", version=STATE_VERSION))
    document = _document(data["document"])
    pinned = data.get("pinned")
    ids = {"", INPUT, *(layer.id for layer in document.layers)}
    selected, lens = _name(data, "selected"), _name(data, "lens")
    return ViewState(
        document=document,
        pinned=None if pinned is None else _document(pinned),
        # The page chooses itself what to look at where that is gone.
        selected=selected if selected in ids else "",
        lens=lens if lens in LENS_NAMES else "",
        language=_name(data, "language"),
        task=None if data.get("task") is None else Task.read(data["task"]),
    )


def _name(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise ValueError(text("session.document_broken", reason=name))
    return value


def _document(data: Any) -> Document:
    source = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    if len(source) > MAX_DOCUMENT_BYTES:
        raise ValueError(text("session.document_too_large", limit=MAX_DOCUMENT_BYTES))
    try:
        return from_json(source)
    except (ArithmeticError, RecursionError, LookupError) as error:
        raise ValueError(text("session.document_broken", reason=type(error).__name__)) from None
