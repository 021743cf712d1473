"""Sums of products: what holds for every layer that is linear in its inputs, and near it for all.

The derivative of a linear function is its weights. So the terms of any such layer, whatever its
class, are its inputs times the derivatives with respect to them; what is left is the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.derivation.activating import activated
from layerscope_explorer.derivation.entry import Entry
from layerscope_explorer.derivation.records import MOST_TERMS, Derivation, Line, Term, agree

__all__ = ["as_sum"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Sum:
    """The terms over some of the inputs.

    Attributes
    ----------
    terms, count, others : as in a `Derivation`.
    total : what all terms add up to.
    size : the largest of them.
    factors : of all terms, float64.
    """

    terms: tuple[Term, ...]
    count: int
    others: float
    total: float
    size: float
    factors: Array


def as_sum(entry: Entry) -> Derivation:
    """Return an entry as a sum of products of its inputs and their slopes."""
    slopes = entry.slopes
    if all(one is None for one in slopes):
        return Derivation("opaque", entry.value, slopes=slopes)
    bias = entry.bias
    known = [source for source, one in enumerate(slopes) if one is not None]
    for chosen in _choices(known):
        found = _terms(entry, slopes, chosen)
        scale = max(found.size, abs(bias or 0.0))
        if agree(found.total + (bias or 0.0), entry.before, scale):
            return _finished(entry, found, _kind(found, bias), _bias_lines(bias))
    found = _terms(entry, slopes, known)
    rest = entry.before - found.total
    kind = "offset" if _is_affine(entry, slopes, rest) else "local"
    return _finished(entry, found, kind, [Line("constant" if kind == "offset" else "rest", rest)])


def _choices(known: Sequence[int]) -> list[Sequence[int]]:
    """Return which inputs a sum may be over: all, or one where the others are its weights."""
    return [known, *((one,) for one in known if len(known) > 1)]


def _terms(entry: Entry, slopes: Sequence[Array | None], chosen: Sequence[int]) -> _Sum:
    """Return the terms over some of the inputs, with their sum and the largest of them."""
    parts: list[tuple[Array, ...]] = []
    for source in chosen:
        slope = slopes[source]
        assert slope is not None
        places = np.flatnonzero(slope)
        given = entry.inputs[source].reshape(-1)[places].astype(np.float64)
        factors = slope.reshape(-1)[places]
        parts.append((np.full(places.size, source), places, given, factors, given * factors))
    sources, places, given, factors, values = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    order = np.argsort(-np.abs(values), kind="stable")
    first, others = order[:MOST_TERMS], order[MOST_TERMS:]
    columns = (part[first].tolist() for part in (sources, places, given, factors, values))
    return _Sum(
        terms=tuple(Term(*numbers) for numbers in zip(*columns, strict=True)),
        count=int(values.size),
        others=float(values[others].sum()),
        total=float(values.sum()),
        size=float(np.abs(values).max(initial=0.0)),
        factors=factors,
    )


def _kind(found: _Sum, bias: float | None) -> str:
    """Return what kind of sum it is."""
    factors = found.factors
    if not factors.size:
        return "constant"
    if bias is None and factors.size == 1:
        return "copy" if factors[0] == 1.0 else "scaled"
    if bias is None and (factors == 1.0).all():
        return "added"
    if bias is None and np.allclose(factors, 1.0 / factors.size, rtol=1e-5):
        return "mean"
    return "sum"


def _bias_lines(bias: float | None) -> list[Line]:
    return [] if bias is None else [Line("bias", bias)]


def _finished(entry: Entry, found: _Sum, kind: str, added: list[Line]) -> Derivation:
    """Return the derivation of terms and what is added to them, with the activation applied."""
    total, count = found.total, found.count
    lines: list[Line] = []
    if count > 1 and (added or entry.has_before):
        lines.append(Line("terms", total, {}, {"count": f"{count:,}"}))
    lines += added
    result = total + sum(line.value for line in added)
    if added and count:
        lines.append(Line("plus", result, {"total": total, "added": result - total}))
    if entry.has_before:
        more, result = activated(entry, result)
        lines += more
    return Derivation(
        kind,
        result,
        found.terms,
        count,
        found.others,
        tuple(lines),
        entry.slopes,
    )


def _is_affine(entry: Entry, slopes: tuple[Array | None, ...], rest: float) -> bool:
    """Tell whether another sample has the same slopes and the same rest."""
    count = len(entry.step.output)
    if count < 2 or any(one is None for one in slopes) or not np.isfinite(rest):
        return False
    other = Entry(entry.step, (entry.sample + count // 2) % count, entry.index)
    if any(one is None or not np.isfinite(one).all() for one in other.slopes):
        return False
    alike = all(
        np.allclose(one, two, rtol=1e-4, atol=1e-7)  # type: ignore[arg-type]
        for one, two in zip(slopes, other.slopes, strict=True)
    )
    if not alike:
        return False
    found = _terms(other, other.slopes, tuple(range(len(slopes))))
    return agree(other.before - found.total, rest, max(found.size, abs(other.before)))
