"""What a training leaves behind: values of every step, and states to go back to, within bounds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from layerscope.models.training_run import TrainingState as RunState

Leg = TypeVar("Leg")


class Series:
    """Numbers that one thread appends while others read what there is.

    Parameters
    ----------
    dtype : of the numbers.
    """

    def __init__(self, dtype: type = np.float32) -> None:
        self._values = np.zeros(256, dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, value: float) -> None:
        """Add a number at the end."""
        if self._count == len(self._values):
            # A new array, for a reader may hold the old one.
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        self._values[self._count] = value
        self._count += 1

    def cut(self, count: int) -> None:
        """Forget all but the first `count` numbers."""
        if count < self._count:
            # Again a new array: readers keep what they saw.
            self._values = self._values.copy()
            self._count = count

    def first(self, count: int) -> np.ndarray:
        """Return the first `count` numbers, fewer where there are not so many."""
        count = min(count, self._count)
        return self._values[:count]


@dataclass(frozen=True)
class Kept(Generic[Leg]):
    """All that training goes on from after a number of steps.

    Attributes
    ----------
    at : how many steps were taken.
    leg : under which settings.
    state : weights, what the optimizer keeps, the order of samples, and randomness.
    """

    at: int
    leg: Leg
    state: RunState

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        arrays = (*self.state.weights, *self.state.optimizer, *self.state.metrics)
        return sum(array.nbytes for array in arrays)


class Recording(Generic[Leg]):
    """States along a training, evenly spread: when there are too many, every second is let go.

    The first is never let go, so every step can be reached again from one before it. Beside these
    there is one more, shortly before where a person looks.

    Parameters
    ----------
    most_bytes, most : how much is kept, and how many states.
    """

    def __init__(self, most_bytes: int, most: int = 64) -> None:
        self._most_bytes, self._most = most_bytes, most
        self.spacing = 1
        self._kept: list[Kept[Leg]] = []
        self._near: Kept[Leg] | None = None

    def __iter__(self) -> Iterator[Kept[Leg]]:
        # A copy: who reads may be another thread than who adds.
        return iter(list(self._kept))

    @property
    def bytes(self) -> int:
        """Memory of all that is kept."""
        near = 0 if self._near is None else self._near.bytes
        return near + sum(kept.bytes for kept in self._kept)

    def wants(self, at: int) -> bool:
        """Tell whether a state after so many steps should be kept."""
        return at % self.spacing == 0 and (not self._kept or at > self._kept[-1].at)

    def add(self, kept: Kept[Leg]) -> None:
        """Keep a state that is wanted."""
        self._kept.append(kept)
        while len(self._kept) > 1 and (
            len(self._kept) > self._most
            or sum(kept.bytes for kept in self._kept[1:]) > self._most_bytes
        ):
            self.spacing *= 2
            self._kept = [one for one in self._kept if one.at % self.spacing == 0]

    def look_near(self, kept: Kept[Leg]) -> None:
        """Keep one more state, shortly before where a person looks."""
        self._near = kept

    def before(self, at: int) -> Kept[Leg]:
        """Return the last state after at most so many steps."""
        found = self._kept[bisect_right([one.at for one in self._kept], at) - 1]
        near = self._near
        return near if near is not None and found.at < near.at <= at else found

    def cut(self, at: int) -> None:
        """Forget what comes after so many steps."""
        self._kept = [one for one in self._kept if one.at <= at]
        if self._near is not None and self._near.at > at:
            self._near = None

    def clear(self) -> None:
        """Forget everything."""
        self._kept, self._near, self.spacing = [], None, 1


@dataclass(frozen=True)
class Moment:
    """A layer's weights after a number of steps."""

    at: int
    weights: Sequence[np.ndarray]


def moments(recording: Recording[Any], layer_id: str) -> list[Moment]:
    """Return a layer's weights at every state that is kept, oldest first.

    The legs of the recording say in `places` where they are among those of a state.
    """
    return [
        Moment(kept.at, [kept.state.weights[place] for place in kept.leg.places[layer_id]])
        for kept in recording
        if layer_id in kept.leg.places
    ]
