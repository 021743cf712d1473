"""Code that can be copied, and JSON that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.limits import MAX_DOCUMENT_BYTES
from layerscope_explorer.strings import section

__all__ = ["CodeView"]


class CodeView(Component):
    """A text with one stretch of lines marked, a button that copies it, and edits if allowed.

    Parameters
    ----------
    on_edit
        Called with the whole text after a person changed it.
    """

    source = param.String(default="", doc="The text.")
    marked = param.List(default=[], item_type=int, doc="First marked line and one past the last.")
    removed = param.Dict(default={}, doc="Lines of A that B lacks, by the line they were before.")
    added = param.List(default=[], item_type=int, doc="Lines that A lacks.")
    editable = param.Boolean(default=False, doc="Whether the text can be edited.")
    error = param.String(default="", doc="Why the edited text cannot be used.")
    label = param.String(default="", doc="What a screen reader calls the text.")
    waiting = param.Boolean(default=False, doc="Whether it is only sent when a person says so.")
    heard = param.Integer(default=0, doc="Number of the last edit that was heard.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _longest_text = MAX_DOCUMENT_BYTES + 1
    _esm = with_dom(Path(__file__).with_name("code_view.js"))
    _stylesheets = stylesheets("code_view")

    def __init__(self, on_edit: Callable[[str], None], **params: Any) -> None:
        super().__init__(strings=section("code"), **params)
        self._on_edit = on_edit

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        self.heard = int(data["count"])
        self._on_edit(str(data["source"]))
