"""How time grows with batch, width, depth, sequence length and image size, drawn on log axes.

    python tests/bench/growth.py --json growth.json
    python tests/bench/growth.py --only 'dense*' --json growth.json --keep
    python tests/bench/growth.py --json growth.json --draw

Measures like `compare.py`, prints the exponents over the last decade and draws them into a picture;
``--draw`` only draws what a file holds. What is timed is the forward pass with all gradients.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import compare
from peers import report, results, sweeps
from peers.cases import BOTH, FORWARD
from peers.processes import processes, usable_cpus
from peers.rounds import time_cases
from peers.sweeps import Sweep
from peers.worker import BACKENDS

PICTURE = Path(__file__).parents[2] / "assets" / "growth.svg"

#: Colours that are told apart on white and on black, by people who see few of them too.
COLOURS = {
    "layerscope": "#d55e00",
    "torch": "#0072b2",
    "torch-cl": "#3a8fd0",
    "keras-torch": "#8a7fd0",
    "keras-jax": "#009e73",
    "keras-tf": "#c48a00",
}
#: Is read on white and on black.
TEXT = "#7d7d7d"


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", default="*", help="of " + ", ".join(sweep.name for sweep in sweeps.SWEEPS))
    add("--backends", default="layerscope,torch-cl,keras-jax,keras-tf", help="of %(default)s")
    add("--mode", choices=(FORWARD, BOTH), default=BOTH)
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=0.06, help="of a round")
    add("--threads", type=int, default=usable_cpus())
    add("--json", metavar="FILE", required=True, help="write what was measured")
    add("--keep", action="store_true", help="keep what that file holds of other sweeps")
    add("--draw", action="store_true", help="measure nothing, draw what the file holds")
    add("--picture", metavar="FILE", default=str(PICTURE), help="%(default)s")
    found = parser.parse_args()
    found.backends = found.backends.split(",")
    if unknown := [name for name in found.backends if name not in BACKENDS]:
        parser.error(f"--backends are of {', '.join(BACKENDS)}, not {', '.join(unknown)}")
    found.sweeps = [sweep for sweep in sweeps.SWEEPS if fnmatch(sweep.name, found.only)]
    if not found.sweeps:
        parser.error(f"--only {found.only!r} fits none")
    return found


def measure(wanted: argparse.Namespace) -> None:
    """Time all sizes and write them."""
    cases = [case for sweep in wanted.sweeps for case in sweep.cases()]
    with processes(
        list(dict.fromkeys(["layerscope", *wanted.backends])), wanted.threads
    ) as running:
        found = time_cases(
            cases,
            [name for name in wanted.backends if name in running],
            running,
            modes=[wanted.mode],
            rounds=wanted.rounds,
            seconds=wanted.seconds,
        )
        results.save(wanted.json, found, compare.about(wanted, running), keep=wanted.keep)


def slopes(mode: str, backends: Sequence[str], found: Iterable[results.Result]) -> str:
    """Return the exponents as a table, ours marked where it is above the best peer's.

    A peer whose calls take long whatever they compute has a small one. So the last column holds
    our time in units of the fastest peer's at the largest value.
    """
    found = list(found)
    rows = [["growth", "against", *backends, "ratio at the end"]]
    for sweep in sweeps.SWEEPS:
        lines = {name: sweeps.line(sweep, mode, name, found) for name in backends}
        fitted = {
            name: value for name, one in lines.items() if (value := sweeps.slope(*one)) is not None
        }
        best = min((value for name, value in fitted.items() if name != "layerscope"), default=9)
        cells = [f"{fitted[name]:.2f}" if name in fitted else "–" for name in backends]
        # Two fits of the same growth differ by about so much.
        mark = " !" if fitted.get("layerscope", 0) > best + 0.1 else ""
        if fitted:
            rows.append([sweep.title + mark, sweep.axis, *cells, _ratio_at_the_end(lines)])
    return "Exponents of growth over the last decade\n" + report.columns(rows)


def _ratio_at_the_end(lines: dict[str, tuple[list[int], list[float]]]) -> str:
    last = {name: times[-1] for name, (_, times) in lines.items() if times}
    ours = last.pop("layerscope", None)
    return f"{ours / min(last.values()):.2f}" if ours and last else "–"


def draw(path: str, mode: str, backends: Sequence[str], found: Iterable[results.Result]) -> None:
    """Draw a panel a sweep, with the same colours throughout."""
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("svg")
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    found = list(found)
    matplotlib.rcParams.update(
        {
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), TEXT),
            **dict.fromkeys(("xtick.color", "ytick.color"), TEXT),
            "font.size": 9,
            "svg.fonttype": "none",
            # The same numbers give the same file.
            "svg.hashsalt": "growth",
        }
    )
    figure, panels = pyplot.subplots(2, 4, figsize=(12, 5.6), layout="constrained")
    for panel, sweep in zip(panels.flat, sweeps.SWEEPS, strict=True):
        _draw_sweep(panel, sweep, mode, backends, found)
    for panel in panels[:, 0]:
        panel.set_ylabel("microseconds")
    handles = {line.get_label(): line for panel in panels.flat for line in panel.get_lines()}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False
    )
    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _draw_sweep(
    axes: Any, sweep: Sweep, mode: str, backends: Sequence[str], found: list[results.Result]
) -> None:
    for backend in backends:
        values, times = sweeps.line(sweep, mode, backend, found)
        ours = backend == "layerscope"
        axes.loglog(
            values,
            times,
            label=backend,
            color=COLOURS[backend],
            linewidth=2.2 if ours else 1.2,
            marker="o" if ours else ".",
            markersize=4,
            zorder=3 if ours else 2,
        )
    axes.minorticks_off()
    axes.set_title(sweep.title, fontsize=9)
    axes.set_xlabel(sweep.axis)
    axes.grid(color=TEXT, alpha=0.25, linewidth=0.5)


def main() -> None:
    """Measure unless told not to, print and draw."""
    wanted = options()
    if not wanted.draw:
        measure(wanted)
    found, about = results.load(wanted.json)
    backends = [name for name in wanted.backends if name in about["backends"]]
    print(slopes(wanted.mode, backends, found))
    draw(wanted.picture, wanted.mode, backends, found)


if __name__ == "__main__":
    main()
