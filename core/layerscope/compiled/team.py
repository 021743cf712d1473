"""Threads that share the tasks of a loop: one team per process, and the only one Layerscope has.

A shared loop takes the address of a board and a number of tasks, and claims one task after the
other until none is left::

    task = claim(board, -1, tasks)
    while task >= 0:
        ...
        task = claim(board, task, tasks)

Alone (`board` 0) a thread claims all tasks in order. Who does a task must not matter: a task
writes only what no other task writes, and what is added up is added in the order of the tasks.
Then results do not depend on the number of threads.

Numba's own parallel loops keep their threads spinning for milliseconds, beside BLAS's: a loop
after a matrix product then waits for the scheduler's next slice. Here a thread that finds no
work watches for it for some microseconds, then sleeps; and a loop never waits for a thread that
has not started, only for tasks under way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np

from layerscope.compiled.jit import COMPILED, ENABLED, native
from layerscope.config import num_threads

if ENABLED:
    from layerscope.compiled.atomic import add_one, read
    from layerscope.compiled.width import whole_vectors

#: Offsets of a board's words, each on a cache line of its own: the next task, how many threads
#: have left, and the bell that tells watching threads of new tasks.
_NEXT, _LEFT, _BELL = 0, 64, 128

#: How often a thread looks at the bell before it falls asleep, in some 50 microseconds.
_PATIENCE = 50_000


@native(inline="always")
def claim(board: int, task: int, tasks: int) -> int:
    """Return the task to do after `task`, -1 when none is left."""
    if board == 0:
        following = task + 1
    else:
        whole_vectors()
        following = add_one(board + _NEXT)
        if following == 0:
            # The interpreter is free from here on: a thread that hears the bell starts at once.
            add_one(board + _BELL)
    return following if following < tasks else -1


@native()
def _watch(word: int, known: int, patience: int) -> int:
    """Wait until a word shows another number than the one known; return what it shows."""
    for _ in range(patience):
        if read(word) != known:
            break
    return read(word)


@native()
def _add_one(word: int) -> None:
    add_one(word)


class Team:
    """Threads that help the calling one with the tasks of a loop, one loop at a time."""

    def __init__(self) -> None:
        self._board = np.zeros(24, np.int64)
        self._address = int(self._board.ctypes.data)
        self._free = threading.Lock()
        self._helpers = 0
        # Lists, because appending to and popping from one cannot be interrupted.
        self._invitations: list[tuple[Callable[..., Any], int, tuple[Any, ...]]] = []
        self._asleep: list[SimpleQueue[None]] = []

    def run(
        self, loop: Callable[..., Any], tasks: int, arguments: tuple[Any, ...], threads: int
    ) -> None:
        """Run ``loop(board, tasks, *arguments)`` on at most `threads` threads.

        A team at work for another thread is not waited for: the caller does all tasks.
        """
        if not self._free.acquire(blocking=False):
            loop(0, tasks, *arguments)
            return
        try:
            invited = min(threads, tasks) - 1
            self._invite(invited, (loop, tasks, arguments))
            loop(self._address, tasks, *arguments)
            self._wait_for(invited - self._withdraw())
        finally:
            self._free.release()

    def _invite(self, count: int, invitation: tuple[Callable[..., Any], int, Any]) -> None:
        while self._helpers < count:
            self._helpers += 1
            name = f"layerscope-{self._helpers}"
            threading.Thread(target=self._help, name=name, daemon=True).start()
        self._board[_NEXT // 8] = self._board[_LEFT // 8] = 0
        self._invitations.extend([invitation] * count)
        for _ in range(min(count, len(self._asleep))):
            self._asleep.pop().put(None)

    def _withdraw(self) -> int:
        """Take back the invitations that nobody followed; return how many."""
        withdrawn = 0
        try:
            while True:
                self._invitations.pop()
                withdrawn += 1
        except IndexError:
            return withdrawn

    def _wait_for(self, helpers: int) -> None:
        left = 0
        while left < helpers:
            left = _watch(self._address + _LEFT, left, _PATIENCE)

    def _help(self) -> None:
        call: SimpleQueue[None] = SimpleQueue()
        heard = 0
        while True:
            rung = _watch(self._address + _BELL, heard, _PATIENCE)
            try:
                loop, tasks, arguments = self._invitations.pop()
            except IndexError:
                if rung == heard:
                    self._sleep(call)
                heard = rung
                continue
            heard = rung
            try:
                loop(self._address, tasks, *arguments)
            finally:
                _add_one(self._address + _LEFT)
            del loop, arguments

    def _sleep(self, call: SimpleQueue[None]) -> None:
        self._asleep.append(call)
        if self._invitations:
            try:
                self._asleep.remove(call)
            except ValueError:
                pass  # Called in between.
            else:
                return
        call.get()


_team = Team()


def _found_anew() -> None:
    """A forked process has none of its parent's threads."""
    global _team
    _team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_found_anew)


class SharedLoop:
    """A compiled loop whose tasks threads share; called as ``loop(tasks, *arguments)``."""

    def __init__(self, loop: Callable[..., Any], reference: Callable[..., Any]) -> None:
        self.loop = loop
        self.reference = reference
        self.__name__, self.__doc__ = loop.__name__, loop.__doc__

    def __call__(self, tasks: int, *arguments: Any) -> None:
        """Do all tasks; a single one, or one thread, makes no use of the team."""
        if tasks > 1 and (threads := num_threads()) > 1:
            _team.run(self.loop, tasks, arguments, threads)
        else:
            self.loop(0, tasks, *arguments)


def shared(
    reference: Callable[..., Any], **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a loop ``(board, tasks, *arguments)``, whose plain NumPy twin takes the arguments.

    What is returned is called as ``loop(tasks, *arguments)``: how finely the work is cut is the
    caller's choice, and a call with one task costs no more than a loop that is not shared.
    """

    def decorate(loop: Callable[..., Any]) -> Callable[..., Any]:
        if not ENABLED:
            return lambda tasks, *arguments: reference(*arguments)
        kernel = SharedLoop(native(**options)(loop), reference)
        COMPILED.append(kernel)
        return kernel

    return decorate
