"""Interleaved rounds: every framework in turn, again and again."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from peers.cases import FORWARD, Case
from peers.processes import Process, Skipped
from peers.results import Result

#: Thread pools go on spinning for a moment after their work.
REST = 0.02


def time_cases(
    cases: Iterable[Case],
    backends: Sequence[str],
    running: dict[str, Process],
    *,
    modes: Sequence[str],
    rounds: int,
    seconds: float,
) -> list[Result]:
    """Time cases in all frameworks.

    Parameters
    ----------
    backends : whom to time.
    running : their processes, and Layerscope's, which says what must come out.
    rounds : how often each is asked for each case and mode.
    seconds : about how long a round lasts.
    """
    results = []
    for case in cases:
        wanted = [mode for mode in case.modes if mode in modes]
        if not wanted:
            continue
        if sys.stderr.isatty():
            print(f"{case.name:40}", end="\r", file=sys.stderr, flush=True)
        ready, moved = _prepare(case, backends, running)
        found = {
            (mode, process.backend): Result(
                case.name, case.family, mode, process.backend, flops=case.flops, bytes=moved
            )
            for mode in wanted
            for process in ready
        }
        _take_turns(ready, wanted, found, rounds, seconds)
        results += found.values()
        for process in ready:
            with suppress(Skipped):
                process.ask("drop")
    return results


def _prepare(
    case: Case, backends: Sequence[str], running: dict[str, Process]
) -> tuple[list[Process], int]:
    """Return whoever can do a case, and how many bytes it moves at least."""
    ready = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "case.npz")
        try:
            moved = running["layerscope"].ask("draw", case, path=path)["bytes"]
        except Skipped as reason:
            print(f"{case.name} left out: {reason}", file=sys.stderr)
            return [], 0
        for backend in backends:
            try:
                running[backend].ask("prepare", case, path=path)
                ready.append(running[backend])
            except Skipped as reason:
                print(f"{case.name} without {backend}: {reason}", file=sys.stderr)
    return ready, moved


def _take_turns(
    ready: list[Process],
    modes: Sequence[str],
    found: dict[tuple[str, str], Result],
    rounds: int,
    seconds: float,
) -> None:
    for number in range(rounds):
        # Whoever was first comes last, so that nobody always follows the same one.
        first = number % max(len(ready), 1)
        for process in ready[first:] + ready[:first]:
            try:
                for mode in modes:
                    answer = process.ask("time", mode=mode, seconds=seconds)
                    found[mode, process.backend].rounds.append(answer["median"])
            except Skipped as reason:
                print(f"{process.backend} gave up: {reason}", file=sys.stderr)
                ready = [one for one in ready if one is not process]
            time.sleep(REST)


def work_of(result: Result) -> tuple[float, float]:
    """Return operations and bytes that a call takes at least.

    Gradients of inputs and of weights take the operations of two more forward passes, and move
    what went in and came out a second time.
    """
    times = 1 if result.mode == FORWARD else 3
    return times * result.flops, result.bytes * (1 if result.mode == FORWARD else 2)
