"""A form of labelled controls as one browser component."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import param
from panel.viewable import Child

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import section

__all__ = ["FieldForm"]


class FieldForm(Component):
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
    owner
        Whose form this is at first.
    """

    title = param.String(default="", doc="Heading; empty for a form without one.")
    subtitle = param.String(default="", doc="Beside the heading.")
    summary = param.String(default="", doc="One line under the heading.")
    color = param.String(default="", doc="Accent of the heading.")
    formula = Child(default=None, doc="Shown between summary and groups.")
    # One text: Param and Bokeh would visit and compare every entry of nested lists.
    content = param.String(default="{}", doc="Owner, notice, empty and groups as JSON.")
    thumbnails = param.Dict(default={}, doc="Drawings of what can be picked, by kind and name.")
    expanded = param.Boolean(default=False, doc="Whether the form is open where it is a sheet.")
    inline = param.Boolean(default=False, doc="Whether controls sit side by side.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _from_browser = frozenset({"expanded"})
    _esm = with_dom(Path(__file__).with_name("field_form.js"))
    _stylesheets = stylesheets("field_form")

    def __init__(
        self,
        on_set: Callable[[str, Any], None],
        on_reset: Callable[[str], None],
        on_preview: Callable[[str, Any], None] | None = None,
        on_everywhere: Callable[[str], None] | None = None,
        owner: str = "",
        **params: Any,
    ) -> None:
        super().__init__(strings=section("inspector"), **params)
        self._on_set = on_set
        self._on_reset = on_reset
        self._on_preview, self._on_everywhere = on_preview, on_everywhere
        self.heard: dict[str, int] = {}
        """Number of the last message per path; a control ignores values older than its own."""
        self.fill((), owner)

    def fill(
        self,
        groups: Sequence[Mapping[str, Any]],
        owner: str,
        notice: str = "",
        empty: str = "",
    ) -> None:
        """Show these groups of controls.

        Parameters
        ----------
        groups : see `controls.groups_of`.
        owner : whose form this is; a change redraws everything.
        notice : a problem that no single control is to blame for.
        empty : shown when there are no groups.
        """
        self.groups, self.owner, self.notice, self.empty = groups, owner, notice, empty
        content = {"owner": owner, "notice": notice, "empty": empty, "groups": groups}
        self.content = json.dumps(content)

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        path = str(data.get("path", ""))
        if path not in {one["path"] for group in self.groups for one in group["fields"]}:
            # A control that is not here any more, or never was.
            return
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
