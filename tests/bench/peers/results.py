"""What was measured, what is said of it, and files of it."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: A row is noisy where a slowest round takes this many times the fastest.
NOISY = 2.0

OURS = "layerscope"

#: A case and a mode.
Row = tuple[str, str]


@dataclass
class Result:
    """Rounds of one case in one mode by one framework.

    The figure is fixed beforehand: the least of the rounds' medians.

    Attributes
    ----------
    rounds : median of every round, in microseconds (in megabytes of memory).
    flops : operations of the forward pass.
    bytes : moved by the forward pass at least.
    """

    case: str
    family: str
    mode: str
    backend: str
    rounds: list[float] = field(default_factory=list)
    flops: float = 0
    bytes: float = 0

    @property
    def best(self) -> float:
        """The least of the rounds' medians."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """The median of the rounds' medians."""
        return statistics.median(self.rounds)

    @property
    def noisy(self) -> bool:
        """Whether the rounds differ so much that the figure is worth little."""
        return max(self.rounds) > NOISY * self.best


Table = dict[Row, dict[str, Result]]


def table_of(results: Iterable[Result]) -> Table:
    """Return results by case and mode, then by framework; without those never measured."""
    table: Table = {}
    for result in results:
        if result.rounds:
            table.setdefault((result.case, result.mode), {})[result.backend] = result
    return table


def fastest_peer(row: dict[str, Result]) -> Result | None:
    """Return the fastest of the others."""
    peers = [result for backend, result in row.items() if backend != OURS]
    return min(peers, key=lambda result: result.best, default=None)


def ratio(row: dict[str, Result]) -> float | None:
    """Return our time in units of the fastest peer's, None where one is missing."""
    peer = fastest_peer(row)
    return row[OURS].best / peer.best if peer and OURS in row else None


def ratios(table: Table, mode: str) -> dict[str, float]:
    """Return the ratio of every case of a mode."""
    found = {case: ratio(row) for (case, of), row in table.items() if of == mode}
    return {case: value for case, value in found.items() if value is not None}


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def share(values: Sequence[float], limit: float) -> float:
    """Return which share of the values is not above a limit."""
    return sum(value <= limit for value in values) / len(values)


def save(
    path: str | Path, results: Iterable[Result], about: dict[str, Any], keep: bool = False
) -> None:
    """Write results with what is known of the machine and of the run.

    With `keep`, what a file there holds of other cases and modes stays, so that a long comparison
    can be made in pieces.
    """
    found = list(results)
    if keep and Path(path).exists():
        new = {(result.case, result.mode) for result in found}
        earlier, before = load(path)
        found = [one for one in earlier if (one.case, one.mode) not in new] + found
        about = before | about
    rows = [asdict(result) for result in found]
    for row in rows:
        row["rounds"] = [round(value, 3) for value in row["rounds"]]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    head = json.dumps(about, indent=1)
    Path(path).write_text(f'{{"about": {head},\n"results": [\n{lines}\n]}}\n', encoding="utf-8")


def load(path: str | Path) -> tuple[list[Result], dict[str, Any]]:
    """Return what `save` wrote."""
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Result(**row) for row in data["results"]], data["about"]
