"""What a notebook's kernel offers: a loop to come back to, cells to follow, a stop button."""

from __future__ import annotations

import asyncio
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from functools import cache
from types import MethodType
from typing import Any

import panel as pn
from pyviz_comms import Comm

from layerscope_explorer.shell import shell_here
from layerscope_explorer.workers import (
    DocumentScheduler,
    InlineScheduler,
    Scheduler,
    edit_pool,
    training_pool,
)

__all__ = ["at_once", "follow_cells", "scheduler_here", "stoppable"]


class KernelScheduler:
    """Works in the shared pool and returns to the loop of a notebook's kernel.

    While a cell runs the loop waits: what must be shown meanwhile is done within `at_once`.

    Parameters
    ----------
    loop : of the kernel.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        self._inline: InlineScheduler | None = None
        _hear_on(loop)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Do everything inside the block at once, and first what is under way."""
        for future in list(self._pending):
            wait([future])
            self._finish(future)
        self._inline = InlineScheduler()
        try:
            yield
        finally:
            self._inline = None

    def run(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work in the pool of edits, and come back when no cell runs."""
        self._run(edit_pool, work, done)

    def animate(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Do the work when it is its turn among trainings, and come back as from `run`."""
        self._run(training_pool, work, done)

    def _run(
        self,
        pool: Callable[[], ThreadPoolExecutor],
        work: Callable[[], Any],
        done: Callable[[Future[Any]], None],
    ) -> None:
        if self._inline is not None:
            self._inline.run(work, done)
            return
        future = pool().submit(copy_context().run, work)
        self._pending[future] = done
        future.add_done_callback(self._returned)

    def _returned(self, future: Future[Any]) -> None:
        # A kernel that shuts down has closed its loop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, future)

    def _finish(self, future: Future[Any]) -> None:
        done = self._pending.pop(future, None)
        if done is not None:
            done(future)

    def every(self, milliseconds: int, tick: Callable[[], None]) -> Callable[[], None]:
        """Call `tick` again and again until stopped, or until its object is gone."""
        bound = isinstance(tick, MethodType)
        reference: Callable[[], Any] = weakref.WeakMethod(tick) if bound else lambda: tick
        stopped = False

        def turn() -> None:
            call = None if stopped else reference()
            if call is not None:
                self._loop.call_later(milliseconds / 1000, turn)
                call()

        def stop() -> None:
            nonlocal stopped
            stopped = True

        self._loop.call_later(milliseconds / 1000, turn)
        return stop

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Call `action` once after a while."""
        self._loop.call_later(milliseconds / 1000, action)

    def together(self) -> AbstractContextManager[Any]:
        """Do nothing: Panel sends every change to a notebook by itself."""
        return nullcontext()


#: Where messages of pages are heard.
_ears: list[asyncio.AbstractEventLoop] = []


def _hear_on(loop: asyncio.AbstractEventLoop) -> None:
    """Let messages of pages be heard on the kernel's loop, one after the other.

    JupyterLab has kernels that can hear them in a thread of their own, a subshell, while a cell
    runs or the loop shows something. But Panel sends one change as several messages, which a page
    cannot tell from those of another change that another thread sends meanwhile.
    """
    _ears[:] = [loop]
    _listen()


@cache
def _listen() -> None:
    hear = Comm._handle_msg

    def heard(self: Comm, msg: Any) -> None:
        ear = _ears[0]
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is ear or ear.is_closed():
            hear(self, msg)
        else:
            ear.call_soon_threadsafe(hear, self, msg)

    Comm._handle_msg = heard


def scheduler_here() -> Scheduler:
    """Return the scheduler that fits: of a served page, of a kernel, or of a plain script."""
    if pn.state.curdoc is not None:
        return DocumentScheduler(pn.state.curdoc)
    try:
        return KernelScheduler(asyncio.get_running_loop())
    except RuntimeError:
        return InlineScheduler()


def at_once(scheduler: Scheduler) -> AbstractContextManager[Any]:
    """Do everything inside the block at once, for a cell that keeps the loop waiting."""
    return scheduler.at_once() if isinstance(scheduler, KernelScheduler) else nullcontext()


def follow_cells(owner: Any, before: str, after: str) -> Callable[[], None]:
    """Call methods of an object before and after each cell, for as long as it lives.

    Parameters
    ----------
    owner : whose methods are called; it is not kept alive.
    before, after : names of methods without arguments.

    Returns
    -------
    What ends that; nothing needs to be ended outside of a notebook.
    """
    shell = shell_here()
    if shell is None:
        return lambda: None
    reference = weakref.ref(owner)

    def calling(name: str) -> Callable[..., None]:
        def call(*_: Any) -> None:
            if (found := reference()) is not None:
                getattr(found, name)()

        return call

    hooks = {"pre_run_cell": calling(before), "post_run_cell": calling(after)}
    for event, hook in hooks.items():
        shell.events.register(event, hook)

    def forget() -> None:
        for event, hook in hooks.items():
            if hook in shell.events.callbacks[event]:
                shell.events.unregister(event, hook)

    finalizer = weakref.finalize(owner, forget)
    finalizer.atexit = False
    return finalizer


@contextmanager
def stoppable(stop: Callable[[], None]) -> Iterator[None]:
    """Let the kernel's stop button call `stop` once; pressed again it interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        # Signals reach the main thread only.
        yield
        return

    def pressed(*_: Any) -> None:
        signal.signal(signal.SIGINT, usual)
        stop()

    usual = signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
