"""Where heavy work runs: off the event loop, shared by all sessions.

Edits are answered by a small pool of their own. Training runs in another one, in slices: the next
is that of the job that had the least time so far, which shares the pool fairly whatever the jobs'
sizes. The pictures that follow a training take their turns there, too. As all threads share one
interpreter, a slice waits a little while somebody's edit is being answered.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
import panel as pn

from layerscope_explorer.arrival import Arrival
from layerscope_explorer.delivery import deliver_all, deliver_at_once
from layerscope_explorer.faults import noting

#: A training job gives way after this long, in seconds.
SLICE = 0.02
#: An edit takes about this long to be answered; training waits at most so long before each slice.
ANSWER, MOST_WAIT = 0.06, 0.04
#: How long it counts that somebody waited, in seconds, and how many times more time what nobody
#: waits for may take at most where somebody always does.
_MEMORY, _SLOWEST = 2.0, 4.0


@cache
def edit_pool() -> ThreadPoolExecutor:
    """Return the pool that answers edits."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="layerscope-edit")


@cache
def training_pool() -> ThreadPoolExecutor:
    """Return the pool that trains; one core stays free for the event loop and edits."""
    workers = max((os.cpu_count() or 2) - 1, 1)
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="layerscope-train")


class Courtesy:
    """Lets those who have time wait while somebody is being answered."""

    def __init__(self) -> None:
        self._until = 0.0
        #: The share of the time in which somebody waited, as it was when somebody last began to.
        self._share, self._since = 0.0, 0.0

    def begin(self) -> None:
        """Note that somebody waits for an answer from now on."""
        now = time.perf_counter()
        more = ANSWER - max(self._until - now, 0.0)
        self._share, self._since = self._share_at(now) + more / _MEMORY, now
        self._until = now + ANSWER

    def _share_at(self, now: float) -> float:
        return self._share * math.exp((self._since - now) / _MEMORY)

    @property
    def pace(self) -> float:
        """How many times longer than usual what nobody waits for should take."""
        left = 1 - self._share_at(time.perf_counter())
        return 1 / max(left, 1 / _SLOWEST)

    @property
    def due(self) -> bool:
        """Whether somebody waits for an answer."""
        return time.perf_counter() < self._until

    def give_way(self) -> None:
        """Wait until nobody does, but not for long: who drags a slider must not stop others."""
        until = time.perf_counter() + MOST_WAIT * self.pace
        while self.due and time.perf_counter() < until:
            time.sleep(0.004)


#: The edits of all sessions.
EDITS = Courtesy()


class Scheduler(Protocol):
    """Runs work somewhere and hands the result back on the session's own thread."""

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Start `work`; call `done` with its finished future later (or at once)."""
        ...

    def animate(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the same for what nobody waits for: one of many pictures that follow a training."""
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

    def animate(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work now."""
        self.run(work, done)

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
    document : the Bokeh document of the page, which the server's loop makes.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._loop = _running_loop()
        self._served = document.session_context is not None
        self._arrival = Arrival(document)
        deliver_all()
        deliver_at_once()

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work in the pool of edits, and come back under the document's lock."""
        EDITS.begin()

        def answered(finished: Future[Any]) -> None:
            EDITS.begin()
            done(finished)

        self._run(edit_pool, work, answered)

    def animate(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work when it is its turn among trainings, and come back as from `run`."""

        def politely() -> Any:
            EDITS.give_way()
            return work()

        self._run(training_pool, politely, done)

    def _run(
        self,
        pool: Callable[[], ThreadPoolExecutor],
        work: Callable[[], Any],
        done: Callable[[Future[Any]], None],
    ) -> None:
        context = copy_context()

        def deliver(finished: Future[Any]) -> None:
            # Whose work failed has said so on the page.
            with noting():
                done(finished)

        def come_back(finished: Future[Any]) -> None:
            # A page that was closed meanwhile has no session context and needs no answer.
            if self._document.session_context is not None:
                ready = partial(self._arrival.when_over, partial(deliver, finished))
                self._document.add_next_tick_callback(ready)

        def returned(finished: Future[Any]) -> None:
            if self._loop is None:
                come_back(finished)
            elif not self._loop.is_closed():
                # A document that holds changes back keeps what is to be called next among them:
                # added from here while its own thread takes them away, it would be lost, and the
                # page would wait for its picture for ever.
                self._loop.call_soon_threadsafe(come_back, finished)

        def start() -> None:
            pool().submit(context.run, work).add_done_callback(returned)

        here = _running_loop()
        if here is None:
            # `panel serve --num-threads` handles events in threads that have no loop.
            start()
        else:
            # Started after the event that asked for it: the two would fight for the interpreter.
            here.call_soon(start)

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        """Call `tick` under the document's lock until stopped."""

        def tick_unless_lost() -> None:
            # There will be another.
            if not self._arrival.under_way:
                tick()

        handle = self._document.add_periodic_callback(tick_unless_lost, milliseconds)

        def stop() -> None:
            # A page that is gone has been taken apart, its clocks, too. To touch it now would
            # leave it behind as the current document of whoever comes next.
            gone = self._served and self._document.session_context is None
            # Removing twice would raise.
            if not gone and handle in self._document.session_callbacks:
                self._document.remove_periodic_callback(handle)

        return stop

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Call `action` under the document's lock after a while."""
        self._document.add_timeout_callback(partial(self._arrival.when_over, action), milliseconds)

    def together(self) -> AbstractContextManager[Any]:
        """Let Panel send what changes inside as one message."""
        return pn.io.hold(self._document)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class SlicedJob:
    """Work done piece by piece in the training pool, giving way to others after each slice.

    Parameters
    ----------
    work : does one piece, in the pool, and tells whether there is more; must not raise.
    """

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        # The ambient generator and phase stay the same from slice to slice.
        self._context: Context = copy_context()
        # A diverging training is reported in the page, not by warnings in the server's log.
        self._context.run(np.seterr, all="ignore")
        self._queued = self._woken = False
        #: Whether it was cancelled.
        self.ended = False
        #: What its slices took, in seconds; who comes late begins with what the others had.
        self.used = 0.0
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether there is, or may be, work to do."""
        return self._queued

    def wake(self) -> None:
        """Start, or go on: there is something to do."""
        with self._lock:
            self._woken = True
            if self._queued or self.ended:
                return
            self._queued = True
        _TURNS.queue(self)

    def cancel(self) -> None:
        """Stop for good, after the piece that is being done."""
        with self._lock:
            self.ended = True

    def take_slice(self) -> None:
        """Do pieces for a while, and queue again if there are more."""
        EDITS.give_way()
        start = time.perf_counter()
        more = True
        while more and not self.ended and time.perf_counter() < start + SLICE:
            self._woken = False
            more = self._context.run(self._work)
            if EDITS.due:
                break
        # One piece may take longer than a slice.
        self.used += time.perf_counter() - start
        with self._lock:
            # Who was woken while the last piece was done looks once more.
            self._queued = (more or self._woken) and not self.ended
            if not self._queued:
                return
        _TURNS.queue(self)


class _Turns:
    """Whose slice comes next: the job's that had the least time, as in Linux's fair scheduler."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, SlicedJob]] = []
        self._count = 0
        self._least = 0.0
        self._lock = threading.Lock()

    def queue(self, job: SlicedJob) -> None:
        """Let a job have a turn; what others had while it was away is not made up for."""
        with self._lock:
            job.used = max(job.used, self._least)
            self._count += 1
            heapq.heappush(self._waiting, (job.used, self._count, job))
        training_pool().submit(self._next)

    def _next(self) -> None:
        with self._lock:
            self._least, _, job = heapq.heappop(self._waiting)
        job.take_slice()


_TURNS = _Turns()
