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

With its first task the caller writes to the board how to call the loop, offers seats and rings a
bell. Helpers that watch take the seats that are left, and call the loop; with its last task the
caller takes the seats away, and waits for those who have one.

Of two threads that work by turns on one core the system may think that they are best left there,
even if another core has nothing to do: a helper that finds itself on the caller's leaves it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
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

add: Any = None
core: Any = None
exchange: Any = None
read: Any = None
give_way: Any = None
hand_over: Any = None
take_over: Any = None
whole_vectors: Any = None
half_vectors: Any = None
if ENABLED:
    from layerscope.compiled import atomic, handing_over, width

    add, exchange, read = atomic.add, atomic.exchange, atomic.read
    core, give_way = atomic.core, atomic.give_way
    hand_over, take_over = handing_over.hand_over, handing_over.take_over
    whole_vectors, half_vectors = width.whole_vectors, width.half_vectors

#: Offsets of a board's words, each on a cache line of its own: how many tasks were claimed, how
#: many of them by helpers, the seats left, how many helpers have left and how many failed, the
#: bell, how many seats to offer, the caller's core, and how to call the loop.
_CLAIMED, _FROM_END, _SEATS, _LEFT, _FAILED, _BELL, _OFFERED, _CORE, _LOOP = range(0, 576, 64)
_WORDS = 72
#: Added to a board's address, which is even, in helpers.
_HELPER = 1
#: Fewer seats than anybody can take: there are none.
_NO_SEATS = -(1 << 40)

#: How often a thread looks at a word before it falls asleep, in some 150 microseconds, and before
#: it lets another have its core: BLAS's threads watch for work in the same way.
_PATIENCE, _LOOKS = 400_000, 1024


@native(inline="always")
def claim(board: int, task: int, tasks: int) -> int:
    """Return the task to do after `task`, -1 when none is left."""
    if board == 0:
        following = task + 1
        return following if following < tasks else -1
    whole_vectors()
    if board & _HELPER:
        board -= _HELPER
        if add(board + _CLAIMED, 1) >= tasks:
            return -1
        return tasks - 1 - add(board + _FROM_END, 1)
    if task < 0:
        hand_over(board + _LOOP)
        for word in (_CLAIMED, _FROM_END, _LEFT):
            exchange(board + word, 0)
        exchange(board + _CORE, core())
        exchange(board + _SEATS, read(board + _OFFERED))
        add(board + _BELL, 1)
    if add(board + _CLAIMED, 1) < tasks:
        return task + 1
    close(board)
    return -1


@native()
def close(board: int) -> None:
    """Take away the seats that are left, and wait for those who have one to leave."""
    left = exchange(board + _SEATS, _NO_SEATS)
    # Who came too late for a seat took one all the same.
    offered = left > _NO_SEATS // 2
    taken, look = read(board + _OFFERED) - max(left, 0), 0
    while offered and read(board + _LEFT) < taken:
        look += 1
        if look % _LOOKS == 0:
            give_way()


@native()
def _serve(board: int, heard: int, patience: int, movable: bool) -> int:
    """Help with loop after loop; return the bell heard last when none has rung for long.

    Who is `movable` returns at once, with the bell's complement, if it rang on the same core.
    """
    look = 0
    while look < patience:
        rung = read(board + _BELL)
        if rung != heard:
            look, heard = 0, rung
            if movable and read(board + _CORE) == core():
                return ~heard
            if add(board + _SEATS, -1) > 0:
                if take_over(board + _LOOP, board + _HELPER):
                    add(board + _FAILED, 1)
                add(board + _LEFT, 1)
        look += 1
        if look % _LOOKS == 0:
            give_way()
    return heard


class Team:
    """Threads that help the calling one with the tasks of a loop, one loop at a time."""

    def __init__(self) -> None:
        self._board = np.zeros(_WORDS, np.int64)
        self._board[_SEATS // 8] = _NO_SEATS
        self._address = int(self._board.ctypes.data)
        self._free = threading.Lock()
        self._helpers = self._offered = 0
        # A list, because appending to and popping from one cannot be interrupted.
        self._asleep: list[SimpleQueue[None]] = []

    def run(
        self, loop: Callable[..., Any], tasks: int, arguments: tuple[Any, ...], threads: int
    ) -> None:
        """Run ``loop(board, tasks, *arguments)`` on at most `threads` threads.

        A team at work for another thread is not waited for: the caller does all tasks.

        Raises
        ------
        Exception
            What a helper met, or `MemoryError` if the caller does not meet it again.
        """
        if not self._free.acquire(blocking=False):
            loop(0, tasks, *arguments)
            return
        try:
            self._prepare(min(threads, tasks) - 1)
            loop(self._address, tasks, *arguments)
            failed = self._board[_FAILED // 8]
        except BaseException:
            # A loop that ended early, or with an interrupt, may still have helpers.
            close(self._address)
            self._board[_FAILED // 8] = 0
            raise
        finally:
            self._free.release()
        if failed:
            self._board[_FAILED // 8] = 0
            # Only the interpreter can tell what it was: a thread that has it meets it, too.
            loop(0, tasks, *arguments)
            raise MemoryError("A thread that helped with a loop could not finish its tasks.")

    def _prepare(self, seats: int) -> None:
        while self._helpers < seats:
            self._helpers += 1
            name = f"layerscope-{self._helpers}"
            threading.Thread(target=self._help, name=name, daemon=True).start()
        if seats != self._offered:
            self._board[_OFFERED // 8] = self._offered = seats
        for _ in range(min(seats, len(self._asleep))):
            # In this order an interrupt wakes one twice, and forgets none.
            self._asleep[-1].put(None)
            self._asleep.pop()

    def _help(self) -> None:
        call: SimpleQueue[None] = SimpleQueue()
        heard, movable = 0, hasattr(os, "sched_setaffinity")
        while True:
            heard = _serve(self._address, heard, _PATIENCE, movable)
            if heard < 0:
                heard, movable = ~heard, _leave(int(self._board[_CORE // 8]))
                continue
            self._asleep.append(call)
            if self._board[_BELL // 8] == heard:
                call.get()
                continue
            # It rang while this thread waited for the interpreter.
            with suppress(ValueError):
                self._asleep.remove(call)


def _leave(core: int) -> bool:
    """Let this thread run on any core of the process but one; tell whether there is another."""
    others = os.sched_getaffinity(os.getpid()) - {core}
    with suppress(OSError):
        os.sched_setaffinity(0, others)
        return True
    return False


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
        _ready = is_ready(_serve, 0, 0, 0, True) and is_ready(close, 0)
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


def alone(loop: Any) -> Callable[..., None]:
    """Return what does a shared loop's only task; called as ``alone(0, 1, *arguments)``.

    For few entries to be looked at, a call through `SharedLoop` takes as long as they do.
    """
    if isinstance(loop, SharedLoop):
        return loop.loop
    return lambda board, tasks, *arguments: loop(tasks, *arguments)


def is_shared_loop_ready(loop: Any, *arguments: Any) -> bool:
    """Tell whether ``loop(tasks, *arguments)`` is machine code; see `is_ready`."""
    return not MACHINE_CODE or is_ready(loop.loop, 0, 1, *arguments)


def _answer_alone(reference: Callable[..., Any], board: int, tasks: int, *arguments: Any) -> None:
    """Do all tasks: nobody is asked to help."""
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
