"""Memory that nobody needs any more goes back to the system, not only to this process."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bokeh.document import Document
from bokeh.io.state import curstate

__all__ = ["give_back", "keep_together", "let_go", "look_at_the_new_only"]

#: From Python 3.13 on it is part of a function for all such caches.
_forget_names: Callable[[], None] = getattr(
    sys, "_clear_internal_caches", getattr(sys, "_clear_type_cache", lambda: None)
)
#: Of glibc: how many areas threads take memory from.
_ARENA_MAX = -8
#: Of asyncio: how many of what waits for a future it keeps to use again.
_KEPT_WAITS = 255
#: Seconds after which all there is is looked through for garbage again.
_THOROUGHLY = 300.0


def give_back() -> None:
    """Collect what nobody refers to, and return whole pages of it to the system."""
    # What looking up attributes keeps of names that were put together: little, but one in each of
    # Python's mebibytes is enough to hold on to all of them.
    _forget_names()
    if _look in gc.callbacks:
        gc.unfreeze()
    gc.collect()
    # Where there is another library, or none, memory stays for the next page.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def look_at_the_new_only() -> None:
    """Look for garbage among what is new, and rarely among what was found to be in use.

    To look through all that 60 open pages consist of takes 0.7 seconds, in which nobody else can do
    anything, and Python would do it every few seconds. For processes that only serve.
    """
    gc.callbacks.append(_look)
    gc.collect()


_looked_through = time.monotonic()


def _look(phase: str, info: dict[str, int]) -> None:
    """Set aside what is in use whenever Python has looked at everything that is not set aside."""
    global _looked_through
    if info["generation"] < 2:
        return
    now = time.monotonic()
    if phase == "stop":
        gc.freeze()
    elif now - _looked_through >= _THOROUGHLY:
        _looked_through = now
        gc.unfreeze()


def keep_together() -> None:
    """Take memory from the same areas, so that little stays half used."""
    # For all threads.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)
    # What asyncio keeps of these for the next time lies side by side from now on, not wherever
    # there was room when pages were busy.
    loop = asyncio.new_event_loop()
    waits = [loop.create_future().__await__() for _ in range(_KEPT_WAITS)]
    del waits
    loop.close()


def let_go(document: Any) -> None:
    """Let a page's document go where Bokeh keeps the one that is current without any page.

    Panel puts back there what was current before it opened a page: at times another page's.
    """
    if curstate().document is document:
        curstate().document = Document()
