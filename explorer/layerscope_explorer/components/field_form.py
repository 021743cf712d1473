"""A form of labelled controls as one browser component."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from panel.viewable import Child

from layerscope_explorer.components import stylesheets
from layerscope_explorer.strings import section

__all__ = ["FieldForm"]


class FieldForm(pn.custom.JSComponent):
    """Groups of controls: number with slider, switch, select and text.

    A layer like `Conv2D` has about 20 arguments. One component for all of them is drawn in a
    few milliseconds, where as many React widgets take a noticeable part of a second at every
    selection; it also keeps what a person typed when it is not (yet) a valid number.

    Parameters
    ----------
    on_set
        Called with the path ("units", "kernel_initializer.stddev") and the raw JSON value.
    on_reset
        Called with the path whose default is to be restored.
    on_preview
        Called with the path and the choice that is only looked at, None when it no longer is.
    on_everywhere
        Called with the path whose value all layers alike are to have.
    """

    owner = param.String(default="", doc="Whose form this is; a change redraws everything.")
    title = param.String(default="", doc="Heading; empty for a form without one.")
    subtitle = param.String(default="", doc="Beside the heading.")
    summary = param.String(default="", doc="One line under the heading.")
    color = param.String(default="", doc="Accent of the heading.")
    notice = param.String(default="", doc="A problem that no single control is to blame for.")
    empty = param.String(default="", doc="Shown when there are no groups.")
    formula = Child(default=None, doc="Shown between summary and groups.")
    content = param.String(default="{}", doc="Owner, notice, empty and groups as JSON.")
    thumbnails = param.Dict(default={}, doc="Drawings of what can be picked, by kind and name.")
    expanded = param.Boolean(default=False, doc="Whether the form is open where it is a sheet.")
    inline = param.Boolean(default=False, doc="Whether controls sit side by side.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    # They reach the page with the groups, as one text.
    _rename: ClassVar[Mapping[str, str | None]] = dict.fromkeys(("owner", "notice", "empty"))
    _esm = Path(__file__).with_name("field_form.js")
    _stylesheets = stylesheets("field_form")

    def __init__(
        self,
        on_set: Callable[[str, Any], None],
        on_reset: Callable[[str], None],
        on_preview: Callable[[str, Any], None] | None = None,
        on_everywhere: Callable[[str], None] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(strings=section("inspector"), **params)
        self._on_set = on_set
        self._on_reset = on_reset
        self._on_preview, self._on_everywhere = on_preview, on_everywhere
        self.heard: dict[str, int] = {}
        """Number of the last message per path; a control ignores values older than its own."""
        self._groups: Sequence[Mapping[str, Any]] = ()
        self.param.watch(self._pack, list(self._rename))
        self._pack()

    @property
    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The groups shown; see `controls.groups_of`."""
        return self._groups

    def fill(self, groups: Sequence[Mapping[str, Any]], **words: str) -> None:
        """Fill the form with these groups, and values for owner, notice and empty."""
        # No param: Param and Bokeh would visit and compare every entry of the nested lists.
        self._groups = groups
        with param.parameterized.discard_events(self):
            self.param.update(words)
        self._pack()

    def _pack(self, *_: Any) -> None:
        words = {name: getattr(self, name) for name in self._rename}
        self.content = json.dumps(words | {"groups": self._groups})

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        path = str(data.get("path", ""))
        if data.get("type") == "preview" and self._on_preview is not None:
            self._on_preview(path, data.get("value"))
            return
        self.heard[path] = int(data.get("count", 0))
        if data.get("type") == "everywhere" and self._on_everywhere is not None:
            self._on_everywhere(path)
        elif data.get("type") == "set":
            self._on_set(path, data.get("value"))
        elif data.get("type") == "reset":
            self._on_reset(path)
