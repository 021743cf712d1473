"""Threads that share the tasks of a loop: one team per process, and the only one Layerscope has.

A shared loop takes the address of a board and a number of tasks, and claims one task after the
other until none is left::

    task = claim(board, -1, tasks)
    while task >= 0:
        ...
        task = claim(board, task, tasks)

Alone (`board` 0) a thread claims all tasks in order. In a team the caller takes them from the
front and helpers from the end: what a thread wrote in one loop is near its core in the next. Who
does a task must not matter: a task writes only what no other task writes, and what is added up is
added in the order of the tasks. Then results do not depend on the number of threads.

Numba's own parallel loops keep their threads spinning for milliseconds, beside BLAS's: a loop
after a matrix product then waits for the scheduler's next slice. Here a thread that finds no
work watches for it for some microseconds, then sleeps; and a loop never waits for a thread that
has not started, only for tasks under way.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from layerscope.compiled.jit import (
    COMPILED,
    ENABLED,
    MACHINE_CODE,
    answer_until_compiled,
    is_ready,
    native,
)
from layerscope.config import num_threads

add_one: Any = None
read: Any = None
give_way: Any = None
whole_vectors: Any = None
if ENABLED:
    from layerscope.compiled import atomic, width

    add_one, read, give_way = atomic.add_one, atomic.read, atomic.give_way
    whole_vectors = width.whole_vectors

#: Offsets of a board's words, each on a cache line of its own: how many tasks were claimed, how
#: many of them by helpers, how many threads have left, and the bell that tells watching threads of
#: new tasks.
_CLAIMED, _FROM_END, _LEFT, _BELL = 0, 64, 128, 192
#: Added to a board's address, which is even, in helpers.
_HELPER = 1

#: How often a thread looks at a word before it falls asleep, in some 150 microseconds, and before
#: it lets another have its core: BLAS's threads watch for work in the same way.
_PATIENCE, _LOOKS = 150_000, 1024


@native(inline="always")
def claim(board: int, task: int, tasks: int) -> int:
    """Return the task to do after `task`, -1 when none is left."""
    if board == 0:
        following = task + 1
        return following if following < tasks else -1
    whole_vectors()
    if board & _HELPER:
        board -= _HELPER
        if add_one(board + _CLAIMED) >= tasks:
            return -1
        return tasks - 1 - add_one(board + _FROM_END)
    claimed = add_one(board + _CLAIMED)
    if claimed == 0:
        # The interpreter is free from here on: a thread that hears the bell starts at once.
        add_one(board + _BELL)
    return task + 1 if claimed < tasks else -1


@native()
def _watch(word: int, known: int, patience: int) -> int:
    """Wait until a word shows another number than the one known; return what it shows."""
    for look in range(patience):
        if read(word) != known:
            break
        if look % _LOOKS == 0:
            give_way()
    return read(word)


@native()
def _leave_and_watch(left: int, bell: int, known: int, patience: int) -> int:
    """Count one more thread that has left, and watch the bell.

    The caller goes on at once and wants the interpreter back, which a thread that came back from
    here before would be waiting for just then, and so be late for the next loop.
    """
    add_one(left)
    return _watch(bell, known, patience)


class Team:
    """Threads that help the calling one with the tasks of a loop, one loop at a time."""

    def __init__(self) -> None:
        self._board = np.zeros(32, np.int64)
        self._address = int(self._board.ctypes.data)
        self._free = threading.Lock()
        self._helpers = 0
        # Lists, because appending to and popping from one cannot be interrupted.
        self._invitations: list[tuple[Callable[..., Any], int, tuple[Any, ...]]] = []
        self._asleep: list[SimpleQueue[None]] = []
        self._errors: list[Exception] = []
        self._dissolved = False

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
        except BaseException:
            # Whoever interrupts the caller does not stop helpers: nobody else may use their board.
            self._board[_CLAIMED // 8] = tasks
            self._dissolve()
            raise
        errors, self._errors = self._errors, []
        self._free.release()
        if errors:
            raise errors[0]

    def _invite(self, count: int, invitation: tuple[Callable[..., Any], int, Any]) -> None:
        while self._helpers < count:
            self._helpers += 1
            name = f"layerscope-{self._helpers}"
            threading.Thread(target=self._help, name=name, daemon=True).start()
        for word in (_CLAIMED, _FROM_END, _LEFT):
            self._board[word // 8] = 0
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

    def _wait_for(self, threads: int) -> None:
        left = 0
        while left < threads:
            left = _watch(self._address + _LEFT, left, _PATIENCE)

    def _help(self) -> None:
        call: SimpleQueue[None] = SimpleQueue()
        left, bell = self._address + _LEFT, self._address + _BELL
        heard, helped = 0, False
        while not self._dissolved:
            if helped:
                rung = _leave_and_watch(left, bell, heard, _PATIENCE)
            else:
                rung = _watch(bell, heard, _PATIENCE)
            helped = False
            if rung == heard:
                self._sleep(call)
                continue
            heard = rung
            try:
                invitation = self._invitations.pop()
            except IndexError:
                continue
            self._follow(*invitation)
            # Arrays must not live on until the next call.
            del invitation
            helped = True

    def _follow(self, loop: Callable[..., Any], tasks: int, arguments: tuple[Any, ...]) -> None:
        # Whether there is machine code is found out by the caller, who takes the first task, or
        # all of them if NumPy has to answer.
        while not (begun := self._board[_CLAIMED // 8]):
            if not _watch(self._address + _CLAIMED, 0, _PATIENCE):
                time.sleep(1e-3)
        if begun >= tasks:
            return
        try:
            loop(self._address + _HELPER, tasks, *arguments)
        except Exception as error:
            self._errors.append(error)
            self._board[_CLAIMED // 8] = tasks

    def _dissolve(self) -> None:
        """Let helpers end, and the next loop find another team."""
        _found_anew()
        self._dissolved = True
        self._withdraw()
        for call in self._asleep:
            call.put(None)

    def _sleep(self, call: SimpleQueue[None]) -> None:
        self._asleep.append(call)
        if self._invitations or self._dissolved:
            try:
                self._asleep.remove(call)
            except ValueError:
                pass  # Called in between.
            else:
                return
        call.get()


_team = Team()


def _found_anew() -> None:
    global _team
    _team = Team()


if hasattr(os, "register_at_fork"):
    # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_found_anew)


#: Whether there is machine code to call a team together with.
_ready = False


def _threads() -> int:
    """Return how many threads share a loop: one, as long as a team cannot be called together."""
    global _ready
    if not _ready:
        _ready = is_ready(_watch, 0, 0, 0) and is_ready(_leave_and_watch, 0, 0, 0, 0)
    return num_threads() if _ready else 1


class SharedLoop:
    """A compiled loop whose tasks threads share; called as ``loop(tasks, *arguments)``."""

    def __init__(self, loop: Any, reference: Callable[..., Any], types: Sequence[str] = ()) -> None:
        self.loop = loop
        self.reference, self.types = reference, types
        self.py_func = getattr(loop, "py_func", loop)
        self.__name__, self.__doc__ = loop.__name__, loop.__doc__

    @property
    def signatures(self) -> list[Any]:
        """Types of arguments there is machine code for."""
        return getattr(self.loop, "signatures", [])

    def __call__(self, tasks: int, *arguments: Any) -> None:
        """Do all tasks; a single one, or one thread, makes no use of the team."""
        # A team that waits for the first machine code would keep the cores busy with nothing.
        if tasks > 1 and MACHINE_CODE and self.loop.overloads and (threads := _threads()) > 1:
            _team.run(self.loop, tasks, arguments, threads)
        else:
            self.loop(0, tasks, *arguments)


def is_shared_loop_ready(loop: Any, *arguments: Any) -> bool:
    """Tell whether ``loop(tasks, *arguments)`` is machine code; see `is_ready`."""
    return not MACHINE_CODE or is_ready(loop.loop, 0, 1, *arguments)


def _answer_alone(reference: Callable[..., Any], board: int, tasks: int, *arguments: Any) -> None:
    """Do all tasks of a board that nobody has begun with."""
    if board:
        ctypes.c_int64.from_address((board & -2) + _CLAIMED).value = tasks
    reference(*arguments)


def shared(
    reference: Callable[..., Any], types: Sequence[str] = (), **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a loop ``(board, tasks, *arguments)``, whose plain NumPy twin takes the arguments.

    What is returned is called as ``loop(tasks, *arguments)``: how finely the work is cut is the
    caller's choice, and a call with one task costs no more than a loop that is not shared.
    Parameters are those of `layerscope.compiled.jit.compiled`; `types` begin with ``int64, int64``.
    """

    def decorate(loop: Callable[..., Any]) -> Callable[..., Any]:
        if not ENABLED:
            return lambda tasks, *arguments: reference(*arguments)
        kernel = SharedLoop(native(**options)(loop), reference, types)
        answer_until_compiled(kernel.loop, partial(_answer_alone, reference))
        COMPILED.append(kernel)
        return kernel

    return decorate
