"""Bringing data of one's own: choose or drop a file, see what it holds, say what is learned."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.limits import MAX_DATA_BYTES
from layerscope_explorer.own_data import OwnFile
from layerscope_explorer.strings import section, text

__all__ = ["DataFile", "preview_of"]

#: Columns whose fate is listed; a table may have many.
_MOST_COLUMNS = 40


def preview_of(file: OwnFile, target: str) -> dict[str, Any]:
    """Return what a person sees of a file before it is used."""
    uses = [{"name": use.name, "role": use.role, "note": use.note} for use in file.uses(target)]
    try:
        samples = file.samples(target)
        error = ""
        words = text(
            "own.summary",
            train=f"{len(samples.x):,}",
            test=f"{len(samples.x_test):,}",
            shape=" × ".join(map(str, samples.x.shape[1:])),
        )
    except ValueError as problem:
        words, error = "", str(problem)
    return {
        "name": file.name,
        "words": words,
        "error": error,
        "columns": uses[:_MOST_COLUMNS],
        "more": len(uses) - len(uses[:_MOST_COLUMNS]),
        "head": [list(row)[:_MOST_COLUMNS] for row in file.head],
        "targets": list(file.targets),
        "target": target,
    }


class DataFile(Component):
    """A button and a place to drop a file at, and a preview of what was read."""

    content = param.String(default="{}", doc="The preview, as JSON; {} where there is none.")
    limit = param.Integer(default=MAX_DATA_BYTES, doc="Most bytes of a file.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    #: Four letters carry three bytes.
    _longest_text = 2 * MAX_DATA_BYTES
    _esm = with_dom(Path(__file__).with_name("data_file.js"))
    _stylesheets = stylesheets("data_file")

    def __init__(self, session: Any, **params: Any) -> None:
        super().__init__(strings=section("own"), **params)
        self._session = session
        session.param.watch(self._draw, ["brought", "document"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        brought = self._session.brought
        preview: dict[str, Any] = {}
        if brought is not None and brought.file is None:
            preview = {"name": "", "error": brought.error}
        elif brought is not None:
            preview = preview_of(brought.file, brought.target)
            arguments = self._session.document.input.arguments
            used = arguments.get("digest"), arguments.get("target")
            preview["used"] = used == (brought.file.digest, brought.target)
        self.content = json.dumps(preview)

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "file":
                name, content = str(data.get("name"))[-200:], str(data.get("content"))
                # Four letters carry three bytes.
                if 3 * len(content) > 4 * (self.limit + 3):
                    limit = self.limit // 1_000_000
                    self._session.refuse_file(text("own.too_large", name=name, limit=limit))
                    return
                try:
                    self._session.read_file(name, b64decode(content, validate=True))
                except (Base64Error, ValueError):
                    reason = text("own.garbled")
                    self._session.refuse_file(text("own.broken", name=name, reason=reason))
            case "target":
                self._session.choose_target(str(data.get("name")))
            case "use":
                self._session.use_file()
