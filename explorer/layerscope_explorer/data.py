"""The data the stack is shown on and trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from layerscope.datasets import digits

#: How many samples the live pictures are computed on.
SAMPLE = 256


@dataclass(frozen=True)
class Data:
    """Inputs and class numbers, split once for training and for judging.

    Attributes
    ----------
    x, y : for training: float32 (n, ...) and int32 (n,).
    x_test, y_test : for judging.
    classes : number of classes.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.x.shape[1:]

    @property
    def sample(self) -> np.ndarray:
        """Inputs the live pictures are computed on."""
        return self.x[:SAMPLE]


@cache
def digits_data() -> Data:
    """Return the handwritten digits; shared by all sessions, so read-only."""
    (x, y), (x_test, y_test) = digits.load_data(test_fraction=0.2, seed=0)
    for array in (x, y, x_test, y_test):
        array.flags.writeable = False
    return Data(x, y, x_test, y_test, 10)
