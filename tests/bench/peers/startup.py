"""How long importing takes, and how much memory it needs: in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from peers.processes import environment
from peers.results import Result

MODE = "startup"

#: What a program of each framework's users imports. They all share Python's own start.
_IMPORTS = {
    "layerscope": ("layerscope", ""),
    "torch": ("torch", ""),
    "keras-torch": ("keras", "torch"),
    "keras-jax": ("keras", "jax"),
    "keras-tf": ("keras", "tensorflow"),
}


def measure(backends: Sequence[str], rounds: int) -> list[Result]:
    """Return seconds and memory of importing each framework, in interleaved rounds.

    The seconds, in microseconds as everything, are those from before the import to after it; the
    memory is the process's largest, in megabytes.
    """
    importing = [backend for backend in backends if backend in _IMPORTS]
    taken = {backend: Result("import", MODE, MODE, backend) for backend in importing}
    memory = {backend: Result("import_memory_MB", MODE, MODE, backend) for backend in importing}
    for backend in importing:
        # What is installed was compiled to bytecode before.
        _once(*_IMPORTS[backend])
    for _ in range(max(rounds, 2)):
        for backend in importing:
            seconds, megabytes = _once(*_IMPORTS[backend])
            taken[backend].rounds.append(seconds * 1e6)
            memory[backend].rounds.append(megabytes)
    return [*taken.values(), *memory.values()]


def _once(module: str, keras_backend: str) -> tuple[float, float]:
    program = (
        "import resource, time; start = time.perf_counter()\n"
        f"import {module}\n"
        "taken = time.perf_counter() - start\n"
        "print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    variables = environment()
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    if keras_backend:
        variables["KERAS_BACKEND"] = keras_backend
    done = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True
    )
    seconds, peak = done.stdout.split()[-2:]
    # macOS counts bytes, Linux kilobytes.
    return float(seconds), float(peak) / (2**20 if sys.platform == "darwin" else 2**10)


def milliseconds_of_numba(rounds: int) -> float:
    """Return the least time in which Numba, without which we do not start, is imported."""
    return min(_once("numba", "")[0] for _ in range(max(rounds, 2))) * 1e3
