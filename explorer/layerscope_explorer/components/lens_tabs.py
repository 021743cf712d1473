"""The row of tabs that chooses a lens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets
from layerscope_explorer.components.component import Component

__all__ = ["LensTabs"]


class LensTabs(Component):
    """Tabs of lenses; the open one is the session's `lens`.

    Parameters
    ----------
    session
        Its `lens` is marked, its `open_lens` is called.
    lenses
        Pairs of name and label.
    label
        What a screen reader calls the row.
    """

    lenses = param.List(default=[], item_type=list, doc="Pairs of name and label.")
    opened = param.String(default="", doc="Name of the open lens.")
    hidden = param.List(default=[], item_type=str, doc="Names of those that are not there.")
    label = param.String(default="", doc="What a screen reader calls the row.")

    _esm = Path(__file__).with_name("lens_tabs.js")
    _stylesheets = stylesheets("lens_tabs")

    def __init__(
        self, session: Any, lenses: Sequence[tuple[str, str]], label: str, **params: Any
    ) -> None:
        super().__init__(
            lenses=[list(pair) for pair in lenses], opened=session.lens, label=label, **params
        )
        self._session = session
        session.param.watch(lambda event: self.param.update(opened=event.new), "lens")
        session.param.watch(lambda event: self.param.update(hidden=list(event.new)), "hidden")

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        name = str(data.get("open", ""))
        if any(name == known for known, _ in self.lenses):
            self._session.open_lens(name)
