"""How fast Layerscope is beside the frameworks people would take instead.

    python tests/bench/compare.py --quick --cases 'relu*' --backends layerscope,torch
    python tests/bench/compare.py --json now.json --against before.json
    python tests/bench/compare.py --accuracy

Every framework runs in a process of its own and is asked in turn, round by round; none is asked
before it has computed what Layerscope computes. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peers import accuracy, report, results, startup
from peers.cases import BOTH, FORWARD, TASK, chosen
from peers.limits import Limits, measure
from peers.processes import Process, processes, usable_cpus
from peers.rounds import time_cases
from peers.worker import BACKENDS

MODES = (FORWARD, BOTH, TASK, startup.MODE)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cases", default="*", help="names or families, such as 'conv*,pooling'")
    add("--backends", default=",".join(BACKENDS), help="of %(default)s")
    add("--modes", default=",".join(MODES), help="of %(default)s")
    add("--rounds", type=int, help="how often each is asked (5; 2 with --quick)")
    add("--seconds", type=float, help="of a round (0.12; 0.04 with --quick)")
    add("--threads", type=int, default=usable_cpus(), help="of everybody (%(default)s)")
    add("--quick", action="store_true", help="few short rounds, and no limits measured")
    add("--json", metavar="FILE", help="write what was measured")
    add("--keep", action="store_true", help="keep what that file holds of other cases")
    add("--against", metavar="FILE", help="compare with what was measured earlier")
    add("--show", metavar="FILE", help="measure nothing, print what was measured earlier")
    add("--accuracy", action="store_true", help="errors of float32 instead of times")
    chosen_options = parser.parse_args()
    for name, allowed in (("backends", BACKENDS), ("modes", MODES)):
        values = getattr(chosen_options, name).split(",")
        if unknown := [value for value in values if value not in allowed]:
            parser.error(f"--{name} are of {', '.join(allowed)}, not {', '.join(unknown)}")
        setattr(chosen_options, name, values)
    try:
        chosen_options.cases_found = chosen(chosen_options.cases)
    except ValueError as error:
        parser.error(str(error))
    quick = chosen_options.quick
    chosen_options.rounds = chosen_options.rounds or (2 if quick else 5)
    chosen_options.seconds = chosen_options.seconds or (0.04 if quick else 0.12)
    return chosen_options


def about(wanted: argparse.Namespace, running: dict[str, Process]) -> dict[str, Any]:
    """Return what is known of the machine and of the run."""
    return {
        "processor": _processor(),
        "threads": wanted.threads,
        "rounds": wanted.rounds,
        "seconds": wanted.seconds,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "backends": {
            name: {**process.ask("about"), "idle": process.idle / max(process.waited, 1e-9)}
            for name, process in running.items()
        },
    }


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    if found.exists():
        for line in found.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Measure, print and write."""
    wanted = options()
    if wanted.show:
        found, facts = results.load(wanted.show)
        backends = [name for name in wanted.backends if name in facts["backends"]]
        _print(_chosen(found, wanted), backends, facts)
        return
    needed = dict.fromkeys(["layerscope", *wanted.backends])
    with processes(list(needed), wanted.threads) as running:
        if "layerscope" not in running:
            sys.exit("Layerscope itself cannot be imported.")
        backends = [name for name in wanted.backends if name in running]
        if wanted.accuracy:
            errors = accuracy.errors(wanted.cases_found, running)
            print(accuracy.report(errors))
            if wanted.json:
                text = json.dumps([asdict(one) for one in errors], indent=1)
                Path(wanted.json).write_text(text + "\n", encoding="utf-8")
            return
        found = time_cases(
            wanted.cases_found,
            backends,
            running,
            modes=wanted.modes,
            rounds=wanted.rounds,
            seconds=wanted.seconds,
        )
        facts = about(wanted, running)
    if startup.MODE in wanted.modes and (wanted.cases == "*" or wanted.modes == [startup.MODE]):
        found += startup.measure(backends, wanted.rounds)
        facts["numba_import_ms"] = startup.milliseconds_of_numba(wanted.rounds)
    if not wanted.quick:
        facts["limits"] = measure(wanted.threads).to_json()
    _print(found, backends, facts)
    if wanted.json:
        results.save(wanted.json, found, facts, keep=wanted.keep)
    if wanted.against:
        earlier, _ = results.load(wanted.against)
        print()
        print(report.against(results.table_of(found), results.table_of(earlier), backends))


def _chosen(found: list[results.Result], wanted: argparse.Namespace) -> list[results.Result]:
    names = {case.name for case in wanted.cases_found}
    return [
        one
        for one in found
        if one.mode in wanted.modes and (one.case in names or one.mode == startup.MODE)
    ]


def _print(found: list[results.Result], backends: list[str], facts: dict[str, Any]) -> None:
    limits = Limits.from_json(facts["limits"]) if "limits" in facts else None
    table = results.table_of(found)
    if not table:
        sys.exit("Nothing was measured.")
    print(report.machine(facts))
    print()
    print(report.times(table, backends, limits))
    print()
    print(report.NOTE)
    if any(results.ratio(row) is not None for row in table.values()):
        print()
        print(report.summary(table))


if __name__ == "__main__":
    main()
