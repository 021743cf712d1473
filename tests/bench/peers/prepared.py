"""What a driver makes of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from peers.cases import Case
from peers.data import Arrays, Data


class NoCounterpart(Exception):
    """The framework has nothing to compare with; the message says what it lacks."""


@dataclass
class Prepared:
    """A case, ready to be timed.

    Attributes
    ----------
    calls : what is timed, by mode; each returns when it is done.
    outputs : computes what `Data.outputs` holds, as channels-last NumPy arrays.
    gradients : computes gradients of the inputs, then of the weights; those of the weights in the
        framework's own layout.
    """

    calls: dict[str, Callable[[], Any]]
    outputs: Callable[[], Arrays]
    gradients: Callable[[], Arrays]


class Driver(Protocol):
    """A framework; its constructor raises `ImportError` where it is not installed."""

    def versions(self) -> dict[str, str]:
        """Return the packages that compute, and their versions."""
        ...

    def prepare(self, case: Case, data: Data, dtype: str) -> Prepared:
        """Make a case ready.

        Raises
        ------
        NoCounterpart
            If the framework has nothing like it.
        """
        ...
