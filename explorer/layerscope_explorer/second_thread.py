"""A second thread, which measures while the first one goes on computing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import Generic, TypeVar

T = TypeVar("T")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="layerscope-measure")


class Meanwhile(Generic[T]):
    """A value that the second thread computes, if it comes to it before somebody needs it.

    Parameters
    ----------
    work : computes the value; called once.
    worth : whether it takes long enough for another thread; else it is called at once.
    """

    def __init__(self, work: Callable[[], T], worth: bool = True) -> None:
        self._work = work
        self._future: Future[T] = Future()
        if worth:
            self._future = _pool().submit(copy_context().run, work)
        else:
            self._settle()

    def result(self) -> T:
        """Return the value; computed now, if it is still waiting for its turn."""
        if self._future.cancel():
            self._future = Future()
            self._settle()
        return self._future.result()

    def _settle(self) -> None:
        try:
            self._future.set_result(self._work())
        except Exception as error:
            self._future.set_exception(error)
