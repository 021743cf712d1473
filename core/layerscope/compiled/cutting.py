"""How the work of a shared loop is cut into tasks."""

from __future__ import annotations

from layerscope.compiled.jit import native

#: Entries below which a task is not worth the call of another thread.
_SMALLEST = 2**16
#: More tasks than this do not even out what threads have to do.
_MOST = 64


def tasks_for(entries: int, parts: int) -> int:
    """Return into how many tasks to cut a loop over so many entries, at most one per part."""
    return max(1, min(parts, entries // _SMALLEST, _MOST))


@native(inline="always")
def start(task: int, tasks: int, parts: int) -> int:
    """Return the first part of a task; the one after its last is the start of the next."""
    return parts * task // tasks
