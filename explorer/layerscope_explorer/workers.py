"""Where heavy work runs: off the event loop, shared by all sessions.

Edits are answered by a small pool of their own, so that nobody's training delays anybody's edit.
Training runs in slices: after each the job queues again behind the others, which shares the pool
fairly whatever the jobs' sizes.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from functools import cache
from typing import Any, Protocol

import numpy as np
import panel as pn

#: A training job gives way after this long, in seconds.
SLICE = 0.02


@cache
def edit_pool() -> ThreadPoolExecutor:
    """Return the pool that answers edits."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="layerscope-edit")


@cache
def training_pool() -> ThreadPoolExecutor:
    """Return the pool that trains; one core stays free for the event loop and edits."""
    workers = max((os.cpu_count() or 2) - 1, 1)
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="layerscope-train")


class Scheduler(Protocol):
    """Runs work somewhere and hands the result back on the session's own thread."""

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Start `work`; call `done` with its finished future later (or at once)."""
        ...

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        """Call `tick` again and again; return what stops that."""
        ...

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Call `action` once after a while."""
        ...

    def together(self) -> AbstractContextManager[Any]:
        """Send everything that changes inside as one message."""
        ...


class InlineScheduler:
    """Does everything at once: for tests and scripts without an event loop."""

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work now."""
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        done(future)

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        """Do nothing: who has no loop calls the tick himself."""
        return lambda: None

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Do nothing: what would be late here is already done."""

    def together(self) -> AbstractContextManager[Any]:
        """Do nothing: there is nobody to send messages to."""
        return nullcontext()


class DocumentScheduler:
    """Works in the shared pool and returns to a Bokeh document's thread.

    Parameters
    ----------
    document : the Bokeh document of the page.
    """

    def __init__(self, document: Any) -> None:
        self._document = document

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work in the pool, and come back under the document's lock."""
        context = copy_context()

        def returned(finished: Future[Any]) -> None:
            # A page that was closed meanwhile has no session context and needs no answer.
            if self._document.session_context is not None:
                self._document.add_next_tick_callback(lambda: done(finished))

        def start() -> None:
            edit_pool().submit(context.run, work).add_done_callback(returned)

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # `panel serve --num-threads` handles events in threads that have no loop.
            start()
        else:
            # Started after the event that asked for it: the two would fight for the interpreter.
            loop.call_soon(start)

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        """Call `tick` under the document's lock until stopped."""
        handle = self._document.add_periodic_callback(tick, milliseconds)

        def stop() -> None:
            # Removing twice would raise; a closed page has removed it already.
            if handle in self._document.session_callbacks:
                self._document.remove_periodic_callback(handle)

        return stop

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Call `action` under the document's lock after a while."""
        self._document.add_timeout_callback(action, milliseconds)

    def together(self) -> AbstractContextManager[Any]:
        """Let Panel send what changes inside as one message."""
        return pn.io.hold(self._document)


class SlicedJob:
    """A long iteration that runs in slices in the training pool.

    Parameters
    ----------
    iterator : each item is one small piece of work done.
    on_item : called in the pool with every item.
    on_end : called in the pool when the iteration ends, with the error if one ended it.
    """

    def __init__(
        self,
        iterator: Iterator[Any],
        on_item: Callable[[Any], None],
        on_end: Callable[[BaseException | None], None],
    ) -> None:
        self._iterator = iterator
        self._on_item, self._on_end = on_item, on_end
        # The ambient generator and phase stay the same from slice to slice.
        self._context: Context = copy_context()
        # A diverging training is reported in the page, not by warnings in the server's log.
        self._context.run(np.seterr, all="ignore")
        self._wanted = False
        self._queued = False
        self._lock = threading.Lock()
        self.ended = False

    def resume(self) -> None:
        """Start, or go on after a pause."""
        self._wanted = True
        with self._lock:
            if self._queued or self.ended:
                return
            self._queued = True
        training_pool().submit(self._slice)

    def pause(self) -> None:
        """Stop after the piece of work that is running."""
        self._wanted = False

    def cancel(self) -> None:
        """Stop for good."""
        self._wanted = False
        self.ended = True

    def _slice(self) -> None:
        until = time.perf_counter() + SLICE
        try:
            while self._wanted and not self.ended and time.perf_counter() < until:
                try:
                    item = self._context.run(next, self._iterator)
                except StopIteration:
                    self._finish(None)
                    return
                self._on_item(item)
        except Exception as error:
            self._finish(error)
            return
        self._queued = False
        if self._wanted:
            self.resume()

    def _finish(self, error: BaseException | None) -> None:
        cancelled, self.ended, self._queued = self.ended, True, False
        if not cancelled:
            self._on_end(error)
