"""What a derivation consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_TERMS", "Derivation", "Line", "Term", "agree", "largest_first"]

Array = NDArray[Any]

#: So many terms are told one by one.
MOST_TERMS = 12
#: How far the result may be from the layer's own, relative to the largest of what was added:
#: layers add in single precision.
_TOLERANCE = 2e-4


@dataclass(frozen=True, slots=True)
class Term:
    """What one entry of an input contributes.

    Attributes
    ----------
    source, place : which input, and the entry's place in it when written as a row.
    given : the entry.
    factor : what it is multiplied by; None where it is taken as it is.
    value : what it contributes.
    """

    source: int
    place: int
    given: float
    factor: float | None
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """One further step of the calculation.

    Attributes
    ----------
    key : which step; names its words.
    value : what it comes to.
    numbers : what it is computed from, by name.
    words : names that its words contain.
    """

    key: str
    value: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one entry of an output comes about.

    Attributes
    ----------
    kind : what kind of calculation it is.
    result : what it comes to.
    terms : what single inputs contribute, largest first, at most `MOST_TERMS`.
    count : how many terms there are in all.
    others : what the terms that are not listed add up to.
    lines : the steps after the terms; the last one gives the result.
    slopes : per input, how much the entry changes with each of its entries, in the input's shape;
        None for an input of whole numbers.
    """

    kind: str
    result: float
    terms: tuple[Term, ...] = ()
    count: int = 0
    others: float = 0.0
    lines: tuple[Line, ...] = ()
    slopes: tuple[Array | None, ...] = ()


def agree(result: float, value: float, scale: float = 0.0) -> bool:
    """Tell whether a calculation comes to what the layer gave.

    Parameters
    ----------
    result, value : what is compared.
    scale : the largest number that went into the result.
    """
    if not np.isfinite(value):
        return bool(np.isclose(result, value, equal_nan=True))
    return abs(result - value) <= _TOLERANCE * max(abs(value), abs(scale), 1e-4)


def largest_first(terms: Sequence[Term]) -> dict[str, Any]:
    """Return the fields of a derivation that hold these terms, by the size of what they add."""
    ordered = sorted(terms, key=lambda term: -abs(term.value))
    return {
        "terms": tuple(ordered[:MOST_TERMS]),
        "count": len(ordered),
        "others": float(sum(term.value for term in ordered[MOST_TERMS:])),
    }
