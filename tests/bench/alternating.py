"""Whether loops and products of matrices hold up each other, when they take turns.

    python tests/bench/alternating.py [rounds]

A loop shared among all threads and a product that BLAS computes with all of its threads, one after
the other: prints the median and the slowest of either alone, and of both in turn, in microseconds.
Threads that keep spinning when their work is done show in the last two lines: Numba's own held up
the product for 8 ms. ``--numba`` shows them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from layerscope import config
from layerscope.compiled.jit import native
from layerscope.compiled.team import SharedLoop, claim

SIZE = 1 << 17


def _double_reference(x: np.ndarray, out: np.ndarray) -> None:
    np.multiply(x, 2, out)


@native()
def _double(board: int, tasks: int, x: np.ndarray, out: np.ndarray) -> None:
    task = claim(board, -1, tasks)
    while task >= 0:
        first, end = task * x.size // tasks, (task + 1) * x.size // tasks
        source, target = x[first:end], out[first:end]
        for k in range(source.size):
            target[k] = 2 * source[k]
        task = claim(board, task, tasks)


@numba.njit(parallel=True)
def _double_with_numba(x: np.ndarray, out: np.ndarray) -> None:
    for k in numba.prange(x.size):
        out[k] = 2 * x[k]


def microseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return 1e6 * (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    rounds = int(numbers[0]) if numbers else 2000
    x, out = np.ones((2, SIZE), np.float32)
    left, right = np.ones((2, 256, 256), np.float32)
    double = SharedLoop(_double, _double_reference)

    def loop() -> None:
        if "--numba" in sys.argv:
            _double_with_numba(x, out)
        else:
            double(16, x, out)

    def product() -> None:
        np.matmul(left, right)

    for call in (loop, product) * 20:
        call()
    print(f"{config.num_threads()} threads, {rounds} rounds, microseconds: median, slowest")
    for name, call in (("loop alone", loop), ("product alone", product)):
        report(name, [microseconds(call) for _ in range(rounds)])
    turns = [(microseconds(loop), microseconds(product)) for _ in range(rounds)]
    report("loop in turn", [one for one, _ in turns])
    report("product in turn", [other for _, other in turns])


def report(name: str, times: list[float]) -> None:
    """Print one line."""
    share = np.mean(np.array(times) > 1000)
    print(
        f"{name:16} {np.median(times):9.1f} {max(times):9.1f}   {share:.2%} took more than a "
        "millisecond"
    )


if __name__ == "__main__":
    main()
