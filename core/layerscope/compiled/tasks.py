"""Into how many tasks the work of loops is cut; knows nothing of Numba."""

from __future__ import annotations

#: Fewer entries take longer to share than to do.
WORTH_SHARING = 1 << 16
#: So many entries take no longer one by one.
_SHORT = 2000
#: Entries of a task: the longer it is, the better memory is read ahead.
_TASK = 1 << 17


def tasks_of(entries: int) -> int:
    """Return into how many tasks to cut a loop over so many entries.

    It does not depend on the number of threads, on which results do not depend either.
    """
    return 1 if entries < WORTH_SHARING else min(max(entries // _TASK, 2), 64)


def repeats(rows: int, columns: int) -> int:
    """Return how many rows to put side by side where a loop takes columns one after the other.

    Loops over a handful of columns cannot make use of vectors; few entries take no longer.
    """
    times = 1
    while rows * columns > _SHORT and columns * times < 64 and not rows % (2 * times):
        times *= 2
    return times
