"""Threads that share a loop do every task once, whatever happens to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerscope import config
from layerscope.compiled import team
from layerscope.compiled.jit import MACHINE_CODE, native
from layerscope.compiled.team import SharedLoop, claim
from processes import run

machine_code = pytest.mark.skipif(not MACHINE_CODE, reason="threads share machine code only")


def _count_reference(visits: np.ndarray, effort: np.ndarray) -> None:
    visits += 1


@native()
def _count(board: int, tasks: int, visits: np.ndarray, effort: np.ndarray) -> None:
    """Note that a task is done, after an effort that nobody optimises away."""
    task = claim(board, -1, tasks)
    while task >= 0:
        value = 1.0
        for _ in range(int(effort[task])):
            value = np.sqrt(value + 1.0)
        if effort[task] < 0.0:
            raise ValueError("no effort")
        visits[task] += 1 if value > 0.0 else 2
        task = claim(board, task, tasks)


count: Any = SharedLoop(_count, _count_reference)


def visits_of(tasks: int, effort: float | np.ndarray = 100.0) -> np.ndarray:
    visits = np.zeros(tasks, np.int64)
    count(tasks, visits, np.broadcast_to(effort, tasks).astype(float))
    return visits


def with_threads(threads: int, action: Callable[[], Any]) -> Any:
    """Do something with that many threads, in a context of its own."""

    def act() -> Any:
        config.set_num_threads(threads)
        return action()

    return copy_context().run(act)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("tasks", [0, 1, 2, 3, 17, 200])
def test_every_task_is_done_once(threads: int, tasks: int) -> None:
    for _ in range(5):
        visits = with_threads(threads, partial(visits_of, tasks))
        np.testing.assert_array_equal(visits, 1)


@machine_code
def test_threads_help() -> None:
    """Of long tasks the calling thread does not do all."""
    visits_of(2)
    helped, until = 0, time.monotonic() + 30
    while not helped and time.monotonic() < until:
        with_threads(2, partial(visits_of, 4, 2e6))
        helped = team._team._board[team._FROM_END // 8]
    assert helped


@machine_code
def test_many_threads_share_loops_at_once() -> None:
    """One call gets the team, the others do their tasks alone; nobody gets another's."""

    def work(seed: int) -> bool:
        generator = np.random.default_rng(seed)
        config.set_num_threads(1 + seed % 4)
        for _ in range(200):
            tasks = int(generator.integers(1, 40))
            if not (visits_of(tasks, generator.integers(0, 2000, tasks)) == 1).all():
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(copy_context().run, work, seed) for seed in range(8)]
        assert all(future.result() for future in futures)


@machine_code
@pytest.mark.parametrize("failing", [0, 1, 7])
def test_an_error_in_any_thread_reaches_the_caller(failing: int) -> None:
    visits_of(1)
    effort = np.full(8, 20_000.0)
    effort[failing] = -1.0
    for _ in range(20):
        with pytest.raises(ValueError, match="no effort"):
            with_threads(2, partial(visits_of, 8, effort))
        np.testing.assert_array_equal(with_threads(2, partial(visits_of, 8)), 1)


IMPORTED = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("shared", {__file__!r})
shared = importlib.util.module_from_spec(spec)
sys.modules["shared"] = shared
spec.loader.exec_module(shared)
shared.config.set_num_threads(2)
# Until all that a shared loop needs is loaded: the second one finds a team.
assert (shared.visits_of(10) == 1).all()
assert (shared.visits_of(10) == 1).all()
"""


@machine_code
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_shares_loops_among_threads_of_its_own() -> None:
    forked = """
import os
for _ in range(50):
    assert (shared.visits_of(20, 3000.0) == 1).all()
child = os.fork()
right = all((shared.visits_of(20, 3000.0) == 1).all() for _ in range(50))
if not child:
    os._exit(0 if right else 1)
assert right and os.waitpid(child, 0)[1] == 0
"""
    run(IMPORTED + forked)


@machine_code
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no interval timer")
def test_an_interrupted_caller_leaves_no_task_to_the_next_loop() -> None:
    interrupted = """
import signal
class Enough(Exception): pass
def stop(*_): raise Enough
signal.signal(signal.SIGALRM, stop)
times = 0
for k in range(60):
    try:
        signal.setitimer(signal.ITIMER_REAL, 2e-4 + 1e-5 * k)
        while True:
            shared.visits_of(6, 30_000.0)
    except Enough:
        times += 1
    visits = shared.visits_of(12, 10_000.0)
    assert (visits == 1).all(), visits
assert times == 60
"""
    run(IMPORTED + interrupted)


@machine_code
def test_a_bell_is_heard_without_a_seat_to_take() -> None:
    board = np.zeros(team._WORDS, np.int64)
    board[team._SEATS // 8] = team._NO_SEATS
    address = int(board.ctypes.data)

    def join() -> None:
        """Ring, and look whether it rang, with no seat to take."""
        heard = int(board[team._BELL // 8])
        for _ in range(5000):
            ring(address)
            heard = team._serve(address, heard, 2, False)

    @native()
    def ring(address: int) -> None:
        team.add(address + team._BELL, 1)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(join) for _ in range(4)]:
            future.result()
    assert board[team._BELL // 8] == 20_000
    assert board[team._LEFT // 8] == board[team._FAILED // 8] == 0
    team.close(address)


@machine_code
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="this system does not say which core a thread is on, or there is one only",
)
def test_a_helper_leaves_the_callers_core() -> None:
    board = np.zeros(team._WORDS, np.int64)
    everywhere = os.sched_getaffinity(0)
    here, *_ = everywhere

    def help_on_the_same_core() -> tuple[list[int], set[int]]:
        os.sched_setaffinity(0, {here})
        board[team._CORE // 8], board[team._BELL // 8] = here, 5
        address = int(board.ctypes.data)
        heard = [team._serve(address, 4, 10, True), team._serve(address, 4, 10, False)]
        assert team._leave(here)
        heard.append(team._serve(address, 4, 10, True))
        return heard, os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pool:
        heard, cores = pool.submit(help_on_the_same_core).result()
    assert heard == [~5, 5, 5]
    assert cores == everywhere - {here}
    assert os.sched_getaffinity(0) == everywhere
