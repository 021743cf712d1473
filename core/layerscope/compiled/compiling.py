"""Compiling in another process: Numba holds the interpreter for as long as it compiles.

A process of low priority (`layerscope.warmup`) is told what to compile. What it has compiled is on
disk, where the next call finds it; it ends with this process, or when there is nothing to do.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from layerscope.compiled.machine_code import writable_root

_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """A function to compile: the file it is defined in, that of its machine code, and types."""

    module: str
    code: str
    signature: Any


class Progress(NamedTuple):
    """How many of the functions known to be wanted are compiled."""

    done: int
    wanted: int


class Compiler(Protocol):
    """Whoever is told what to compile."""

    def ask(self, request: Request) -> bool:
        """Note a request; return whether it will be compiled."""
        ...


class Process:
    """Another process that compiles.

    Parameters
    ----------
    everything : whether it compiles what the whole catalogue needs, besides what it is asked for.
    """

    def __init__(self, everything: bool) -> None:
        root = Path(__file__).parents[2]
        path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layerscope.warmup", "--serve", *["--all"] * everything],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": str(writable_root())},
            # An interrupt from the keyboard is not meant for it.
            start_new_session=True,
        )
        self._asked: set[Request] = set()
        self._lock = threading.Lock()
        self.progress = Progress(0, 0)
        name = "layerscope-compiling"
        threading.Thread(target=self._listen, name=name, daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether it has ended because there was nothing to do."""
        return self._process.poll() == 0

    def ask(self, request: Request) -> bool:
        """Send a request, once; a process that has just ended will not be asked again."""
        with self._lock:
            if request not in self._asked:
                self._asked.add(request)
                assert self._process.stdin is not None
                with suppress(OSError):
                    pickle.dump(request, self._process.stdin)
                    self._process.stdin.flush()
        return True

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(EOFError), self._process.stdout as told:
            while True:
                self.progress = Progress(*pickle.load(told))
        self.progress = Progress(0, 0)
        if code := self._process.wait():
            _log.warning("Compiling ended with code %s: NumPy answers instead.", code)


_compiler: Compiler | None = None
_choosing = threading.Lock()


def start(everything: bool = False) -> bool:
    """Start a process that compiles, if there is none; return whether there is one.

    Parameters
    ----------
    everything : whether it is to compile what the whole catalogue needs.
    """
    global _compiler
    with _choosing:
        if _compiler is None or (isinstance(_compiler, Process) and _compiler.idle):
            try:
                _compiler = Process(everything)
            except OSError as error:
                _log.warning("No process can be started that compiles: %s", error)
                return False
        return True


def use(compiler: Compiler | None) -> None:
    """Let all requests go to somebody else; None: to a process again, once there is one."""
    global _compiler
    _compiler = compiler


def ask(kernel: Any, signature: Any) -> bool:
    """Ask for a function to be compiled for types of arguments; return whether it will be."""
    module = kernel.py_func.__module__
    # Nobody else can import what a person types.
    if not module.startswith("layerscope.") or not start():
        return False
    assert _compiler is not None
    return _compiler.ask(Request(module, kernel._cache.name_of(signature), signature))


def progress() -> Progress:
    """Return how far compiling is, 0 of 0 if there is nothing to do."""
    return _compiler.progress if isinstance(_compiler, Process) else Progress(0, 0)


if hasattr(os, "register_at_fork"):
    # The compiling process listens to its parent only.
    os.register_at_fork(after_in_child=partial(use, None))
