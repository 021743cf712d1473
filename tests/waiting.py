"""Waiting for what is to happen, long enough for a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"Not within {seconds} s: {what}")
        time.sleep(0.05)
