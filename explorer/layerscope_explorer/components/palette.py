"""The palette: search all layers and add one at a place in the stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.strings import of_core, section
from layerscope_explorer.theme import section_color

__all__ = ["Palette", "groups_of"]


def groups_of(layers: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return `{label, color, items}` per section, sections in order of first appearance."""
    strings = section("palette")
    groups: dict[str, dict[str, Any]] = {}
    for layer in layers:
        name = layer["section"]
        label = strings.get(f"section_{name}", name.replace("_", " ").capitalize())
        group = groups.setdefault(name, {"label": label, "color": section_color(name), "items": []})
        group["items"].append({"name": layer["name"], "summary": of_core(layer["summary"])})
    return list(groups.values())


class Palette(Component):
    """A searchable list of layers that opens over the stack and adds to its session.

    Parameters
    ----------
    session
        Its `add_layer` is called.
    layers
        `{name, section, summary}` of each layer.
    """

    groups = param.List(default=[], item_type=dict, doc="See `groups_of`.")
    active = param.Boolean(default=False, doc="Whether the palette is open.")
    index = param.Integer(default=0, doc="Where in the stack the layer is added.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _esm = with_dom(Path(__file__).with_name("palette.js"))
    _stylesheets = stylesheets("palette")

    def __init__(self, session: Any, layers: Iterable[Mapping[str, str]], **params: Any) -> None:
        super().__init__(groups=groups_of(layers), strings=section("palette"), **params)
        self._session = session

    def offer(self, layers: Iterable[Mapping[str, str]]) -> None:
        """Offer other layers."""
        self.groups = groups_of(layers)

    def open_at(self, index: int) -> None:
        """Open the palette; the chosen layer goes to this place in the stack."""
        self.param.update(index=index, active=True)

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        self.active = False
        if data.get("type") == "add":
            self._session.add_layer(str(data["name"]), self.index)
