"""What a person sees while a model trains in a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

#: A line is rewritten at most this often, in seconds.
_INTERVAL = 0.05
_WIDTH = 20


class ProgressBar:
    """One line that fills up as an epoch passes.

    Parameters
    ----------
    steps : number of steps of the epoch, None if not known.
    verbose : 1 for a bar, 2 for one line per epoch, 0 for silence.
    stream : where to write; default: standard output.
    """

    def __init__(self, steps: int | None, verbose: int = 1, stream: TextIO | None = None) -> None:
        self.steps = steps
        self.verbose = verbose
        self.stream = stream or sys.stdout
        self._start = time.perf_counter()
        self._written = 0.0
        self._length = 0
        self._step = 0

    def update(self, step: int | None, logs: dict[str, Any], final: bool = False) -> None:
        """Show that `step` steps are done.

        Parameters
        ----------
        step : steps done; None: as many as the last time.
        logs : values to show.
        final : whether the epoch is over, validation included.
        """
        self._step = step = self._step if step is None else step
        if not self.verbose:
            return
        now = time.perf_counter()
        if not final and (self.verbose == 2 or now - self._written < _INTERVAL):
            return
        self._written = now
        line = self._line(step, now - self._start, logs, final)
        start = "\r" if self.verbose == 1 else ""
        self.stream.write(start + line.ljust(self._length) + ("\n" if final else ""))
        self.stream.flush()
        self._length = len(line)

    def _line(self, step: int, elapsed: float, logs: dict[str, Any], final: bool) -> str:
        total = (step if final else None) if self.steps is None else self.steps
        parts = [f"{step}/{'?' if total is None else total}"]
        if self.verbose == 1:
            filled = _WIDTH * step // max(total, 1) if total else 0
            parts[0] += " " + "━" * filled + " " * (_WIDTH - filled)
        if final:
            parts.append(f"{elapsed:.0f}s {1000 * elapsed / max(step, 1):.0f}ms/step")
        elif total is not None:
            parts.append(f"{elapsed / max(step, 1) * (total - step):.0f}s left")
        values = " - ".join(f"{name}: {_shown(value)}" for name, value in logs.items())
        joint = " - " if self.verbose == 2 else " "
        return f"{joint.join(parts)} - {values}" if values else joint.join(parts)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
