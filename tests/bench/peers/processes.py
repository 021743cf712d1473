"""Starting the frameworks' processes, and asking them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from peers.cases import Case

BENCH = Path(__file__).parents[1]
CORE = BENCH.parents[1] / "core"


def environment() -> dict[str, str]:
    """Return this process's variables, with the benchmark and Layerscope to be imported.

    Layerscope is the one on the path; without one there, that beside the benchmark.
    """
    paths = [str(BENCH), os.environ.get("PYTHONPATH", ""), str(CORE)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    return {**quiet, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def usable_cpus() -> int:
    """Return on how many processors this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_to_cpus(count: int) -> None:
    """Let this process run on so many processors only, where the system can tell it so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


class Skipped(Exception):
    """A framework is not there, or cannot do what is asked; the message says why."""


class Process:
    """A framework in its own process, which sleeps unless asked.

    Raises
    ------
    Skipped
        If the framework is not installed.
    """

    def __init__(self, backend: str, threads: int) -> None:
        self.backend, self.threads = backend, threads
        #: Processor time it took while nobody asked, and how long that was.
        self.idle = self.waited = 0.0
        self._start()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", self.backend, str(self.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(),
            text=True,
        )
        self._answer()  # Whether the framework is installed.
        self._new = True

    def ask(self, what: str, case: Case | None = None, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises
        ------
        Skipped
            If it cannot be done; a process that died of it is started again.
        """
        about = {} if case is None else {"case": case.to_json()}
        assert self._process.stdin
        print(json.dumps({"ask": what, **about, **arguments}), file=self._process.stdin, flush=True)
        try:
            reply = self._answer()
        except _Died as death:
            self._start()
            raise Skipped(str(death)) from None
        if not self._new:
            self.idle += reply["idle"]
            self.waited += reply["waited"]
        self._new = False
        return reply

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise _Died(f"the process ended with {self._process.wait()}: {self._last_words()}")
        reply = json.loads(line)
        if "skipped" in reply:
            raise Skipped(reply["skipped"])
        return reply

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()


class _Died(Skipped):
    """A process ended instead of answering."""


@contextmanager
def processes(backends: Sequence[str], threads: int) -> Iterator[dict[str, Process]]:
    """Start processes, of those frameworks that are installed, and end them."""
    with ExitStack() as stack:
        started = {}
        for backend in backends:
            try:
                started[backend] = stack.enter_context(Process(backend, threads))
            except Skipped as reason:
                print(f"without {backend}: {reason}", file=sys.stderr)
        yield started
