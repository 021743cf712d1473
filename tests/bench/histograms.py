"""How long an exact histogram takes: ``python tests/bench/histograms.py``.

Prints, for arrays of 10^3 to 10^7 values, the least and the median time of one histogram, as the
explorer makes it, and of `numpy.histogram` with as many bins, in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope_explorer.histograms import compile_loops, histogram

ROUNDS = 15


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    compile_loops()
    print(f"{'values':>10} {'ours ms (median)':>20} {'numpy ms (median)':>20} {'ratio':>7}")
    for power in range(3, 8):
        values = np.random.default_rng(0).normal(size=10**power).astype("float32")
        bins = len(histogram(values).counts)
        ours, numpy = [], []
        for _ in range(ROUNDS):
            ours.append(_timed(lambda values=values: histogram(values)))
            numpy.append(_timed(lambda values=values, bins=bins: np.histogram(values, bins)))
        print(
            f"{values.size:>10,} {min(ours):>9.3f} ({statistics.median(ours):>7.3f})"
            f" {min(numpy):>9.3f} ({statistics.median(numpy):>7.3f})"
            f" {min(ours) / min(numpy):>7.2f}"
        )


if __name__ == "__main__":
    main()
