"""Who is here: the open pages of this process, for limits, for the log and for the teacher.

What is known of a visitor is how much is asked of the server, never what is built or typed.
"""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Any

from panel.io.state import state

__all__ = ["Visitor", "Visitors", "current_visitor", "visitors"]


class Visitor:
    """One open page.

    Nothing here keeps the page alive: it goes when its session does.

    Parameters
    ----------
    session : its session.
    document : its Bokeh document, None without one.

    Attributes
    ----------
    name : stands for the page in logs; says nothing about the person.
    since : when the page was opened, in seconds of the monotonic clock.
    """

    def __init__(self, session: Any, document: Any = None) -> None:
        self.name = secrets.token_hex(4)
        self.since = time.monotonic()
        self._session = weakref.ref(session)
        self._document = None if document is None else weakref.ref(document)

    @property
    def session(self) -> Any:
        """Its session, None once that is gone."""
        return self._session()

    @property
    def document(self) -> Any:
        """Its Bokeh document, None without one or once that is gone."""
        return None if self._document is None else self._document()

    def shows(self, document: Any) -> bool:
        """Tell whether this is the page of a Bokeh document."""
        return self._document is not None and self.document is document


class Visitors:
    """The open pages of a process."""

    def __init__(self) -> None:
        self._open: dict[str, Visitor] = {}
        self._sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        self.served = 0

    def enter(self, session: Any, document: Any = None) -> Visitor:
        """Note that a page was opened."""
        visitor = Visitor(session, document)
        with self._lock:
            self._open[visitor.name] = visitor
            self._sessions.add(session)
            self.served += 1
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """Note that a page was closed."""
        with self._lock:
            self._open.pop(visitor.name, None)

    @property
    def alive(self) -> int:
        """How many sessions are in memory, open or not yet collected."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Visitor]:
        with self._lock:
            return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def of(self, document: Any) -> Visitor | None:
        """Return whose page a Bokeh document is, None where nobody's."""
        return next((one for one in self if one.shows(document)), None)


@cache
def visitors() -> Visitors:
    """Return the visitors of this process."""
    return Visitors()


def current_visitor() -> Visitor | None:
    """Return the visitor whose event is handled, None outside of one."""
    document = state.curdoc
    return None if document is None else visitors().of(document)
