"""What all browser components have in common: they survive whatever is sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import panel as pn
from panel.models.esm import DataEvent

from layerscope_explorer.faults import check_plain, surviving
from layerscope_explorer.strings import text

__all__ = ["Component"]


class Component(pn.custom.JSComponent):
    """A browser component whose messages may come from anybody.

    A message that is no plain data, or larger than it can be, is refused before it is read; one
    that cannot be done says so on the page. Properties belong to the server: what a browser
    writes into them is dropped, but for those in `_from_browser`.
    """

    #: Properties that the browser sets.
    _from_browser: ClassVar[frozenset[str]] = frozenset()
    #: Length of a text in a message.
    _longest_text: ClassVar[int] = 4_000

    def _process_event(self, event: Any) -> None:
        with surviving(getattr(self, "_session", None)):
            if isinstance(event, DataEvent):
                if not isinstance(event.data, Mapping):
                    raise ValueError(text("faults.not_understood"))
                check_plain(event.data, self._longest_text)
            super()._process_event(event)

    def _process_events(self, events: dict[str, Any]) -> None:
        kept = {name: value for name, value in events.items() if name in self._from_browser}
        if kept:
            with surviving(getattr(self, "_session", None)):
                super()._process_events(kept)
