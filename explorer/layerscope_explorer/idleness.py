"""Pages that nobody touches for a while give their memory back."""

from __future__ import annotations

import time
from typing import Any

from layerscope_explorer.limits import IDLE_SECONDS
from layerscope_explorer.workers import Scheduler

__all__ = ["watch_for_idleness"]

#: How often is looked, in milliseconds.
_LOOK = 20_000


def watch_for_idleness(session: Any, scheduler: Scheduler, seconds: float = IDLE_SECONDS) -> None:
    """Let a session rest whenever nothing was asked of it for so many seconds.

    Parameters
    ----------
    session : its document and what is looked at tell when somebody is there.
    scheduler : of its page.
    """
    touched = time.monotonic()

    def touch(*_: Any) -> None:
        nonlocal touched
        touched = time.monotonic()

    def look() -> None:
        if time.monotonic() - touched >= seconds:
            session.rest()

    session.param.watch(touch, ["document", "selected", "lens", "study", "training", "language"])
    scheduler.every(_LOOK, look)
