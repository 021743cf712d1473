"""One round: how long a call takes."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

#: At least so many calls make a median.
FEWEST = 3


def median_of_calls(call: Callable[[], Any], seconds: float) -> tuple[float, int]:
    """Return the median time of a call in microseconds, and the number of calls.

    Calls are timed one by one for about `seconds`, after a tenth of that for warming up.
    """
    _repeat(call, seconds / 10, 1)
    taken = _repeat(call, seconds, FEWEST)
    return statistics.median(taken) / 1e3, len(taken)


def _repeat(call: Callable[[], Any], seconds: float, fewest: int) -> list[int]:
    taken: list[int] = []
    end = perf_counter_ns() + int(seconds * 1e9)
    now = 0
    while now < end or len(taken) < fewest:
        start = perf_counter_ns()
        call()
        now = perf_counter_ns()
        taken.append(now - start)
    return taken
