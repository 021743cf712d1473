"""Every message to a browser goes out at once, also one that Panel would leave lying."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document

__all__ = ["deliver_all", "deliver_at_once"]

#: Of Panel 1.9: what sends, what waits to be sent, whose sending is under way, what starts it.
_PARTS = ("_dispatch_msgs", "_WRITE_MSGS", "_WRITE_BLOCK", "_dispatch_write_task")


@cache
def deliver_all() -> None:
    """Let Panel send what comes up in the very turn in which an earlier message has gone out.

    Panel lets it wait until something else changes: who sent the earlier message says that there
    is nothing to send any more, and who was to send this one believes it.
    """
    if not all(hasattr(panel_document, part) for part in _PARTS):
        return
    panel: Any = panel_document
    send = panel._dispatch_msgs

    async def send_all(page: Any) -> None:
        await send(page)
        if page in panel._WRITE_MSGS and page not in panel._WRITE_BLOCK:
            panel._WRITE_BLOCK[page] = True
            panel._dispatch_write_task(page, send_all, page)

    panel._dispatch_msgs = send_all


@cache
def deliver_at_once() -> None:
    """Let no part of a message wait until the browser has confirmed an earlier one.

    Bokeh sends a message in three parts. TCP keeps a small one back while another is under way
    (Nagle's algorithm), and a browser's system takes up to 40 ms to confirm.
    """
    opened = WSHandler.open

    def open_without_delay(handler: WSHandler, *args: Any, **kwargs: Any) -> None:
        handler.set_nodelay(True)
        opened(handler, *args, **kwargs)

    WSHandler.open = open_without_delay
