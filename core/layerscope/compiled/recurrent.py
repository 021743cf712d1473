"""What the loops over the steps of recurrent networks share.

A step is one product: that of rows (state, 1, input) with a matrix of the recurrent kernel, the
bias and the kernel. Samples do not touch each other, so that threads share them, some at a time
through all steps, and results do not depend on how many. b samples, s steps, u units, f entries of
an input.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.products import TOGETHER
from layerscope.compiled.registers import ROWS


@callable_from_loops()
def together_of(samples: int, tasks: int) -> int:
    """Return how many samples advance together where so many tasks share them."""
    return max(1, min((samples + tasks - 1) // tasks, TOGETHER))


@callable_from_loops()
def parts_of(samples: int, tasks: int) -> int:
    """Return how many groups of samples there are."""
    together = together_of(samples, tasks)
    return (samples + together - 1) // together


def tasks_of(samples: int, threads: int) -> int:
    """Return how many tasks share samples: equally many for each thread, of a block at least."""
    fewest = parts_of(samples, 1)
    most = (samples + ROWS - 1) // ROWS
    return max(1, min((fewest + threads - 1) // threads * threads, most))


@native()
def find_rows(offsets: np.ndarray, first: int, samples: int, together: int, length: int) -> int:
    """Tell where samples begin, from one on, each of a length; return how many there are.

    What is left of a whole group is the last sample again.
    """
    count = min(samples - first, together)
    for row in range(TOGETHER):
        offsets[row] = (first + min(row, count - 1)) * length
    return count


@native()
def places_of(width: int) -> np.ndarray:
    """Return where rows begin in memory of a group's."""
    places = np.empty(TOGETHER, np.int64)
    for row in range(TOGETHER):
        places[row] = row * width
    return places


def in_order(steps: int, backwards: bool) -> list[tuple[int, int]]:
    """Return which step of the input is taken as the how manieth."""
    return [(k, steps - 1 - k if backwards else k) for k in range(steps)]
