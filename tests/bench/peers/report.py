"""The comparison in words and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peers.limits import Limits
from peers.results import (
    OURS,
    Result,
    Table,
    fastest_peer,
    geometric_mean,
    ratio,
    ratios,
    share,
)
from peers.rounds import work_of

NOTE = (
    "Microseconds: least of the rounds' medians (median of them). † the slowest round took more "
    "than twice the fastest.\n"
    "ratio: ours to the fastest peer's. limit: what we reach, and which share that is of a matrix "
    "product's or of memory's rate."
)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text, the first two columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: float) -> str:
    """Return a positive number, three digits of it."""
    if value >= 99_950:
        return f"{value / 1000:.0f}k"
    if value >= 9_995:
        return f"{value / 1000:.1f}k"
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def cell(result: Result | None) -> str:
    """Return figure and median of a result."""
    if result is None:
        return "–"
    return f"{number(result.best)} ({number(result.median)}){'†' if result.noisy else ' '}"


def times(table: Table, backends: Sequence[str], limits: Limits | None) -> str:
    """Return all rows."""
    head = ["case", "mode", *backends, "ratio", "fastest peer", *(["limit"] if limits else [])]
    rows = [head]
    for (case, mode), row in table.items():
        ours, peer = ratio(row), fastest_peer(row)
        rows.append(
            [
                case,
                mode,
                *(cell(row.get(backend)) for backend in backends),
                "–" if ours is None else f"{ours:.2f}",
                peer.backend if peer else "–",
                *([_reached(row.get(OURS), limits)] if limits else []),
            ]
        )
    return columns(rows)


def _reached(result: Result | None, limits: Limits) -> str:
    if result is None or not result.bytes or result.mode not in ("forward", "both"):
        return "–"
    return limits.reached(*work_of(result), result.best)


def summary(table: Table) -> str:
    """Return geometric means by family and mode, and how many cases are fast enough."""
    modes = list(dict.fromkeys(mode for _, mode in table))
    of_mode = {mode: ratios(table, mode) for mode in modes}
    families: dict[str, list[str]] = {}
    for (case, _), row in table.items():
        names = families.setdefault(next(iter(row.values())).family, [])
        if case not in names:
            names.append(case)
    rows = [["family", "cases", *modes]]
    for family, cases in families.items():
        means = [[of_mode[mode][case] for case in cases if case in of_mode[mode]] for mode in modes]
        if any(means):
            rows.append([family, str(len(cases)), *map(_mean, means)])
    values = [list(of_mode[mode].values()) for mode in modes]
    rows.append(["all", str(max(map(len, values))), *map(_mean, values)])
    for limit in (1.0, 1.5):
        shares = [f"{share(one, limit):.0%}" if one else "–" for one in values]
        rows.append([f"share <= {limit}", "", *shares])
    return "Geometric means of the ratio to the fastest peer\n" + columns(rows)


def _mean(values: Sequence[float]) -> str:
    return f"{geometric_mean(values):.2f}" if values else "–"


def against(table: Table, earlier: Table, backends: Sequence[str]) -> str:
    """Return every time in units of an earlier run's."""
    rows = [["case", "mode", *backends]]
    means: dict[str, list[float]] = {backend: [] for backend in backends}
    for key, row in table.items():
        before = earlier.get(key, {})
        cells = []
        for backend in backends:
            if backend in row and backend in before:
                quotient = row[backend].best / before[backend].best
                means[backend].append(quotient)
                mark = "†" if row[backend].noisy or before[backend].noisy else " "
                cells.append(f"{quotient:.2f}{mark}")
            else:
                cells.append("–")
        if set(cells) != {"–"}:
            rows.append([*key, *cells])
    rows.append(["geometric mean", "", *(_mean(means[backend]) + " " for backend in backends)])
    return "Time now in units of the earlier time\n" + columns(rows)


def machine(about: dict[str, Any]) -> str:
    """Return what is known of the run, a line a framework."""
    lines = [f"{about['processor']}, {about['threads']} threads, {about['rounds']} rounds"]
    for backend, one in about["backends"].items():
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        pools = ", ".join(
            " ".join(map(str, filter(None, [pool["library"], pool["core"], pool["threads"]])))
            for pool in one["pools"]
        )
        spun = f"; {one['idle']:.0%} busy while idle" if one.get("idle", 0) > 0.02 else ""
        lines.append(f"  {backend}: {versions} [{pools}]{spun}")
    if (taken := about.get("numba_import_ms")) is not None:
        lines.append(f"  importing numba alone: {taken:.0f} ms")
    if limits := about.get("limits"):
        moved = ", ".join(
            f"{rate:.0f} ({int(size) / 2**20:.3g} MiB)"
            for size, rate in limits["bandwidth"].items()
        )
        lines.append(f"  limits: {limits['gflops']:.0f} GFLOP/s (sgemm by NumPy), {moved} GB/s")
    return "\n".join(lines)
