"""The browser's address, kept equal to what the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from layerscope_explorer.address import address_of, read_search, state_of
from layerscope_explorer.components.component import Component
from layerscope_explorer.history import History
from layerscope_explorer.limits import MAX_ADDRESS
from layerscope_explorer.strings import text
from layerscope_explorer.view_state import ViewState

__all__ = ["SETTLED", "AddressBar"]

#: The address follows when nothing has changed for so long, in milliseconds: browsers hold a page
#: up that changes its address with every value of a drag.
SETTLED = 250


class AddressBar(Component):
    """Invisible: writes the state into the page's address, and hears the browser's Back.

    A new edit is a new entry of the browser's history; what continues an edit, as dragging does,
    and what only looks elsewhere, replaces the newest. Back leads to the document before; where
    that is one of the session's history it goes there, so that Undo and Back agree.

    Parameters
    ----------
    session
        Its document and what is looked at are written, its `open_document` is called.
    begin
        Called with the name of a lesson that an address asks for.
    """

    #: The part of an address that stands for a stack, and more that somebody may have added.
    _longest_text = 2 * MAX_ADDRESS
    _esm = Path(__file__).with_name("address_bar.js")
    _stylesheets: ClassVar[list[str]] = [
        ":host { position: absolute !important; width: 0; height: 0; }"
    ]

    def __init__(self, session: Any, begin: Any = None, **params: Any) -> None:
        super().__init__(**params)
        self._session = session
        self._begin = begin
        self._waiting: tuple[ViewState, bool] | None = None
        self._number = 0
        self._going_back = False
        self._written = False
        session.param.watch(self._edited, "history")
        session.param.watch(self._looked, ["selected", "lens", "language", "pinned"])

    def _edited(self, event: Any) -> None:
        old, new = event.old, event.new
        continued = isinstance(old, History) and _continues(old, new)
        if self._session.lesson is not None and self._session.lesson.task is None:
            # A lesson has an address of its own.
            return
        if not continued:
            self.flush()
        self._wait(push=not continued)

    def _looked(self, *_: Any) -> None:
        if self._waiting or self._written:
            self._wait(push=False)

    def _wait(self, *, push: bool) -> None:
        """Write the state as it is now, once nothing changes any more."""
        if self._going_back or (self._session.lesson and self._session.lesson.task is None):
            return
        push = push or bool(self._waiting and self._waiting[1])
        self._waiting = (state_of(self._session), push)
        self._number += 1
        number = self._number
        self._session.later(SETTLED, lambda: self.flush() if number == self._number else None)

    def flush(self) -> None:
        """Write what waits to be written."""
        if self._waiting is None:
            return
        state, push = self._waiting
        self._waiting = None
        # A stack that is too much for an address leaves the last one there.
        with suppress(ValueError):
            self._send_msg({"search": address_of(state), "push": push})
            self._written = True

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        """Go where the browser went."""
        opening = read_search(str(data.get("search", "")))
        self._waiting, self._going_back = None, True
        try:
            if opening.lesson and self._begin is not None:
                self._begin(opening.lesson)
                return
            self._session.show(opening.state, text("share.edit_back"))
            if opening.notice:
                self._session.notice = opening.notice
        finally:
            self._going_back = False


def _continues(old: History, new: History) -> bool:
    """Tell whether the newest edit only went on, as while a slider is dragged."""
    return (
        bool(old.past)
        and len(old.past) == len(new.past)
        and old.past[-1] is new.past[-1]
        and old.future == new.future == ()
    )
