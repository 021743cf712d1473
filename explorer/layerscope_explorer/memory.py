"""Memory that nobody needs any more goes back to the system, not only to this process."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["give_back", "keep_together"]

#: Of glibc: how many areas threads take memory from.
_ARENA_MAX = -8


def give_back() -> None:
    """Collect what nobody refers to, and return whole pages of it to the system."""
    gc.collect()
    # Where there is another library, or none, memory stays for the next page.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_together() -> None:
    """Let all threads take memory from the same areas, so that little stays half used."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)
