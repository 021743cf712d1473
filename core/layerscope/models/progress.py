"""What a person sees while a model trains in a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

#: A line is rewritten at most this often, in seconds.
_INTERVAL = 0.05
_WIDTH = 20


class ProgressBar:
    """One line that fills up as an epoch passes.

    Parameters
    ----------
    steps : number of steps of the epoch.
    verbose : 1 for a bar, 2 for one line per epoch, 0 for silence.
    stream : where to write; default: standard output.
    """

    def __init__(self, steps: int, verbose: int = 1, stream: TextIO | None = None) -> None:
        self.steps = steps
        self.verbose = verbose
        self.stream = stream or sys.stdout
        self._start = time.perf_counter()
        self._written = 0.0
        self._length = 0

    def update(self, step: int, logs: dict[str, float], final: bool = False) -> None:
        """Show that `step` steps are done.

        Parameters
        ----------
        step : steps done.
        logs : values to show.
        final : whether the epoch is over, validation included.
        """
        now = time.perf_counter()
        if not self.verbose or (
            not final and (self.verbose == 2 or now - self._written < _INTERVAL)
        ):
            return
        self._written = now
        elapsed = now - self._start
        values = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        filled = _WIDTH * step // max(self.steps, 1)
        bar = "━" * filled + " " * (_WIDTH - filled)
        if final:
            timing = f"{elapsed:.0f}s {1000 * elapsed / max(step, 1):.0f}ms/step"
        else:
            timing = f"{elapsed / max(step, 1) * (self.steps - step):.0f}s left"
        line = f"{step}/{self.steps} {bar} {timing} - {values}"
        if self.verbose == 2:
            line = f"{step}/{self.steps} - {timing} - {values}"
        start = "\r" if self.verbose == 1 else ""
        self.stream.write(start + line.ljust(self._length) + ("\n" if final else ""))
        self.stream.flush()
        self._length = len(line)
