"""What a process did lately: how long edits took, and what could not be done."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

__all__ = ["Ledger", "ledger", "quantile"]

#: Edits that are remembered, and for how long, in seconds.
_EDITS, _LATELY = 2_000, 300.0


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that a part of all is not above; 0 where there are none.

    Examples
    --------
    >>> quantile([3.0, 1.0, 2.0, 10.0], 0.95)
    10.0
    """
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class Ledger:
    """Counts and times of one process; any thread may write."""

    def __init__(self) -> None:
        # Their times and how long they took, in one piece: numbers of Python's that outlive the
        # pages they came with would each hold a mebibyte of those pages' memory.
        self._edits = np.full((_EDITS, 2), -np.inf)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answered(self, seconds: float) -> None:
        """Note how long it took from an edit to its picture."""
        with self._lock:
            self._edits[self._counts["edits"] % _EDITS] = time.monotonic(), seconds
            self._counts["edits"] += 1

    def count(self, what: str) -> None:
        """Note that something happened."""
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        """Return how often each thing happened since the start."""
        with self._lock:
            return dict(self._counts)

    def lately(self) -> list[float]:
        """Return how long the edits of the last minutes took, in seconds."""
        since = time.monotonic() - _LATELY
        with self._lock:
            at, seconds = self._edits.T
            return seconds[at >= since].tolist()


@cache
def ledger() -> Ledger:
    """Return the ledger of this process."""
    return Ledger()
