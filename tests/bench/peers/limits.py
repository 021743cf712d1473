"""What the machine can do at most: matrix products and moving memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from peers.processes import environment, keep_to_cpus
from peers.timing import median_of_calls

#: Length of a matrix's axes.
SIZE = 1024
#: Bytes moved by an addition; the caches make a difference.
SIZES = tuple(3 * 4 * 2**power for power in range(15, 25))


@dataclass
class Limits:
    """Measured limits.

    Attributes
    ----------
    gflops : of a product of two float32 matrices by NumPy's BLAS.
    bandwidth : GB/s of a parallel copy or addition, the better one, by bytes moved.
    """

    gflops: float
    bandwidth: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """Return the limits as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Limits:
        """Return the limits that `to_json` gave."""
        return cls(data["gflops"], {int(k): v for k, v in data["bandwidth"].items()})

    def bandwidth_for(self, moved: float) -> float:
        """Return GB/s for as many bytes, measured at the size that is nearest by ratio."""
        return self.bandwidth[
            min(self.bandwidth, key=lambda size: abs(math.log(size / max(moved, 1.0))))
        ]

    def microseconds(self, flops: float, moved: float) -> float:
        """Return how long a call must take: it computes and moves at the same time."""
        return max(self._computing(flops), self._moving(moved))

    def reached(self, flops: float, moved: float, microseconds: float) -> str:
        """Return the rate of what limits a call, and its share of what was measured."""
        share = f"{self.microseconds(flops, moved) / microseconds:.0%}"
        if self._computing(flops) > self._moving(moved):
            return f"{flops / microseconds / 1e3:.3g} GFLOP/s {share:>4}"
        return f"{moved / microseconds / 1e3:.3g} GB/s {share:>4}"

    def _computing(self, flops: float) -> float:
        return flops / self.gflops / 1e3

    def _moving(self, moved: float) -> float:
        return moved / self.bandwidth_for(moved) / 1e3


def measure(threads: int, rounds: int = 5) -> Limits:
    """Measure in a fresh process of as many threads."""
    command = [sys.executable, "-m", "peers.limits", str(threads), str(rounds)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return Limits.from_json(json.loads(done.stdout.splitlines()[-1]))


def _gflops(rounds: int) -> float:
    left, right = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), "float32")
    out = np.empty_like(left)
    times = [median_of_calls(lambda: np.matmul(left, right, out), 0.1)[0] for _ in range(rounds)]
    return 2 * SIZE**3 / min(times) / 1e3


def _bandwidth(rounds: int) -> dict[int, float]:
    from numba import njit, prange

    # Each is a loop over blocks, so that threads get neighbouring memory.
    def copy(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        for block in prange(out.shape[0]):
            out[block] = a[block]

    def add(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        for block in prange(out.shape[0]):
            out[block] = a[block] + b[block]

    # A copy moves two arrays, an addition three.
    kernels = [(2, njit(parallel=True)(copy)), (3, njit(parallel=True)(add))]
    found = {}
    for size in SIZES:
        arrays = np.ones((3, 64, size // 3 // 4 // 64), "float32")
        found[size] = max(
            count * arrays[0].nbytes / median_of_calls(partial(kernel, *arrays), 0.05)[0] / 1e3
            for count, kernel in kernels
            for _ in range(rounds)
        )
    return found


def main(threads: int, rounds: int) -> None:
    """Print the limits as JSON."""
    keep_to_cpus(threads)
    print(json.dumps(Limits(_gflops(rounds), _bandwidth(rounds)).to_json()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
