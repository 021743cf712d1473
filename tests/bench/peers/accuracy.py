"""What speed must not cost: errors of float32, beside torch's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from peers.cases import Case
from peers.checking import distance
from peers.data import Data
from peers.processes import Process, Skipped
from peers.report import columns

#: Our error may be so many times torch's.
GOAL = 4.0
#: How far the two may be apart in float64, in units of the largest entry.
AGREED = 1e-9
#: What a gradient is at most, in units of the largest entry of all, where it should be zero.
ZERO = 1e-9


@dataclass
class Errors:
    """Largest errors of a case, in units of the largest entry, of outputs and of gradients.

    Each framework's float32 is compared with its own float64; `apart` is how far these two are.
    """

    case: str
    ours: tuple[float, float]
    theirs: tuple[float, float] | None = None
    apart: float | None = None

    @property
    def ratio(self) -> float | None:
        """Our error in units of torch's, the worse of outputs and gradients."""
        if self.theirs is None:
            return None
        # Less than half a unit in the last place is nobody's merit.
        return max(
            max(one, 6e-8) / max(other, 6e-8)
            for one, other in zip(self.ours, self.theirs, strict=True)
        )


def errors(cases: Iterable[Case], running: dict[str, Process]) -> list[Errors]:
    """Compute cases in both precisions, by Layerscope and by torch where it runs."""
    found = []
    for case in cases:
        if case.random or case.family == "task":
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "case.npz")
            try:
                running["layerscope"].ask("draw", case, path=path)
                ours, double = _precisions(running["layerscope"], case, path)
            except Skipped as reason:
                print(f"{case.name} left out: {reason}", file=sys.stderr)
                continue
            one = Errors(case.name, ours)
            if "torch" in running:
                try:
                    one.theirs, other = _precisions(running["torch"], case, path)
                    one.apart = distance(double.outputs[0], other.outputs[0])
                except Skipped as reason:
                    print(f"{case.name} without torch: {reason}", file=sys.stderr)
            found.append(one)
    return found


def _precisions(process: Process, case: Case, path: str) -> tuple[tuple[float, float], Data]:
    """Return a framework's errors of outputs and gradients, and what it gives in float64."""
    computed = []
    for dtype in ("float32", "float64"):
        to = str(Path(path).with_name(f"{process.backend}-{dtype}.npz"))
        process.ask("compute", case, path=path, dtype=dtype, to=to)
        computed.append(Data.load(to))
    single, double = computed
    pairs = zip(single.gradients, double.gradients, strict=True)
    largest = max((np.abs(one).max() for one in double.gradients), default=0.0)
    # One that is zero but for rounding, as that of attention's key bias, has no relative error.
    of_gradients = max(
        (distance(one, other) for one, other in pairs if np.abs(other).max() > ZERO * largest),
        default=0.0,
    )
    return (distance(single.outputs[0], double.outputs[0]), of_gradients), double


def report(found: list[Errors]) -> str:
    """Return the errors as a table, and who misses the goal."""
    rows = [["case", "", "ours", "gradient", "torch's", "gradient", "ratio", "float64 apart"]]
    for one in found:
        theirs = [f"{value:.1e}" for value in one.theirs] if one.theirs else ["–", "–"]
        rows.append(
            [
                one.case,
                "!" if (one.ratio or 0) > GOAL or (one.apart or 0) > AGREED else "",
                *(f"{value:.1e}" for value in one.ours),
                *theirs,
                "–" if one.ratio is None else f"{one.ratio:.2f}",
                "–" if one.apart is None else f"{one.apart:.0e}",
            ]
        )
    missed = sum((one.ratio or 0) > GOAL for one in found)
    last = f"{missed} of {len(found)} cases are more than {GOAL:g} times as far off as torch."
    return columns(rows) + "\n\n" + last
