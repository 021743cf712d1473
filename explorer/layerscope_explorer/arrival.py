"""From taking a page's document until it is ready a browser hears of no change: let it wait."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import panel as pn

__all__ = ["Arrival"]


class Arrival:
    """Lets what changes a page wait while its browser has the document, but is not ready yet.

    What Panel holds together it drops until the browser says that it is ready, for the document
    is sent as a whole once a browser connects. But that takes it some tenths of a second earlier:
    what changes in between would never be seen.

    Parameters
    ----------
    document : the Bokeh document of the page, the current one where there is a server.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._waiting: list[Callable[[], None]] = []
        self._ready = document is not pn.state.curdoc
        if not self._ready:
            # Weak: Panel keeps what it is to call until the browser is ready, which may be never.
            ready = weakref.WeakMethod(self._go)
            pn.state.onload(lambda: None if (go := ready()) is None else go())

    @property
    def under_way(self) -> bool:
        """Whether what changes now would be lost."""
        session = getattr(self._document.session_context, "session", None)
        return not self._ready and session is not None and session.connection_count > 0

    def when_over(self, action: Callable[[], None]) -> None:
        """Do something that changes the page; now, or as soon as its browser hears of it."""
        if self.under_way:
            self._waiting.append(action)
        else:
            action()

    def _go(self) -> None:
        self._ready = True
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            self._document.add_next_tick_callback(action)
