"""Python processes of their own, for what can only be seen in a fresh one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def started(code: str, place: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """Start code; machine code is kept in `place`, if that is given."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    if place is not None:
        variables["NUMBA_CACHE_DIR"] = str(place)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> list[str]:
    """Wait for a process; return the words it printed."""
    # Compiling everything takes minutes where others are at work.
    printed, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    assert not complaints, complaints
    return printed.split()


def run(code: str, place: Path | None = None, **environment: str) -> list[str]:
    """Run code; return the words it printed."""
    return ended(started(code, place, **environment))
