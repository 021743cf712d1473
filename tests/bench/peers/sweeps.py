"""How time grows: a layer in one size after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from peers.cases import DENSE_STACK, Case, attention, conv2d, dense, recurrent
from peers.results import Result


@dataclass(frozen=True)
class Sweep:
    """Cases that differ in one number.

    Attributes
    ----------
    name : how it is chosen.
    title : what is computed.
    axis : what the number is.
    values : of the number, rising.
    case : of a value.
    """

    name: str
    title: str
    axis: str
    values: tuple[int, ...]
    case: Callable[[int], Case]

    def cases(self) -> list[Case]:
        """Return the cases, named by the sweep and the value."""
        return [replace(self.case(value), name=f"{self.name}@{value}") for value in self.values]


def _powers(first: int, last: int, factor: int = 2) -> tuple[int, ...]:
    count = round(math.log(last / first, factor)) + 1
    return tuple(first * factor**power for power in range(count))


def _stack(depth: int) -> Case:
    arguments = {"units": 64, "activation": "tanh", "depth": depth}
    return Case("", "growth", DENSE_STACK, arguments, ((32, 64),))


def _pooling(size: int) -> Case:
    return Case("", "growth", "GlobalAveragePooling2D", {}, ((8, size, size, 32),))


SWEEPS = [
    Sweep(
        "dense-batch",
        "Dense, 256 to 256",
        "batch",
        _powers(1, 4096, 4),
        lambda n: dense("", n, 256, 256),
    ),
    Sweep(
        "dense-width",
        "Dense, batch 64",
        "width",
        _powers(16, 2048),
        lambda n: dense("", 64, n, n),
    ),
    Sweep("dense-depth", "Dense 64 with tanh, batch 32", "depth", _powers(1, 64), _stack),
    Sweep(
        "conv2d-size",
        "Conv2D 3x3, 16 to 16 channels, batch 8",
        "image size",
        _powers(8, 128),
        lambda n: conv2d("", (8, n, n, 16), 16, 3),
    ),
    Sweep(
        "conv2d-width",
        "Conv2D 3x3, 16x16 pixels, batch 8",
        "channels",
        _powers(4, 256),
        lambda n: conv2d("", (8, 16, 16, n), n, 3),
    ),
    Sweep(
        "lstm-length",
        "LSTM, 32 to 32, batch 16",
        "sequence length",
        _powers(8, 512),
        lambda n: recurrent("", "LSTM", 4, (16, n, 32), 32),
    ),
    Sweep(
        "attention-length",
        "Self-attention, 4 heads of 16, batch 4",
        "sequence length",
        _powers(16, 1024),
        lambda n: attention("", (4, n, 64), 4, 16),
    ),
    Sweep(
        "pooling-size",
        "Global average pooling, batch 8",
        "image size",
        _powers(8, 256),
        _pooling,
    ),
]


def line(
    sweep: Sweep, mode: str, backend: str, results: Iterable[Result]
) -> tuple[list[int], list[float]]:
    """Return values and times of one framework, those that were measured."""
    found = {
        result.case: result.best
        for result in results
        if (result.mode, result.backend) == (mode, backend) and result.rounds
    }
    names = [(value, f"{sweep.name}@{value}") for value in sweep.values]
    measured = [(value, found[name]) for value, name in names if name in found]
    return [value for value, _ in measured], [time for _, time in measured]


def slope(values: Sequence[float], times: Sequence[float]) -> float | None:
    """Return the exponent of growth over the last decade of `values`, None for too few of them."""
    assert all(one < other for one, other in pairwise(values))
    last = [place for place, value in enumerate(values) if value * 10 >= values[-1]]
    if len(last) < 2:
        return None
    x, y = (np.log([numbers[place] for place in last]) for numbers in (values, times))
    return float(np.polyfit(x, y, 1)[0])
