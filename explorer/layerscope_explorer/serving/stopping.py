"""A server that ends on purpose: everybody is told, trainings stop, then it goes."""

from __future__ import annotations

import logging
import signal
from typing import Any

from layerscope_explorer.strings import speaking, text
from layerscope_explorer.visitors import visitors

__all__ = ["GRACE", "stop_gracefully", "tell_everybody"]

_LOG = logging.getLogger(__name__)

#: Seconds for pages to hear that the server ends.
GRACE = 2.0


def stop_gracefully(server: Any) -> None:
    """Let a server end at SIGTERM and SIGINT; a second one ends it at once."""
    loop = server.io_loop

    def begin() -> None:
        _LOG.info("stopping", extra={"page": ""})
        server.stop(wait=False)
        tell_everybody()
        loop.call_later(GRACE, loop.stop)

    def asked(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.add_callback_from_signal(begin)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)


def tell_everybody() -> None:
    """Say on every page that the server ends, and stop what it computes."""
    for visitor in visitors():
        session, document = visitor.session, visitor.document
        if session is None:
            continue
        if document is not None and document.session_context is not None:
            document.add_next_tick_callback(lambda session=session: _farewell(session))
        else:
            _farewell(session)


def _farewell(session: Any) -> None:
    session.pause()
    session.stop_sweep()
    with speaking(session.language):
        session.notice = text("faults.stopping")
