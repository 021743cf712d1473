"""Pages that nobody touches for a while give their memory back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from layerscope_explorer.limits import IDLE_SECONDS
from layerscope_explorer.workers import Scheduler

__all__ = ["watch_for_idleness"]

#: How often is looked, in milliseconds; Bokeh keeps what a stopped clock calls for so long.
_LOOK = 5_000


def watch_for_idleness(
    session: Any, scheduler: Scheduler, seconds: float = IDLE_SECONDS
) -> Callable[[], None]:
    """Let a session rest whenever nothing was asked of it for so many seconds.

    Parameters
    ----------
    session : its document and what is looked at tell when somebody is there.
    scheduler : of its page.

    Returns
    -------
    What stops it, to be called when the page is closed: else the clock would keep it alive.
    """
    touched = time.monotonic()

    def touch(*_: Any) -> None:
        nonlocal touched
        touched = time.monotonic()

    def look() -> None:
        if time.monotonic() - touched >= seconds:
            session.rest()

    session.param.watch(touch, ["document", "selected", "lens", "study", "training", "language"])
    return scheduler.every(_LOOK, look)
