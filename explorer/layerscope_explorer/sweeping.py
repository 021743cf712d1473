"""The same stack with many seeds: how much of what is seen is chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from layerscope_explorer.document import Document
from layerscope_explorer.engine import Engine
from layerscope_explorer.snapshot import Health, LayerView, Snapshot

__all__ = ["SEEDS", "Drawn", "Sweep", "draws"]

#: How many seeds are tried.
SEEDS = 16


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of the signal with one seed.

    Attributes
    ----------
    seed : the seed.
    forth, back : standard deviation of values and gradients at every layer, by layer id; NaN where
        there is none.
    other : `forth` of A, where one is pinned.
    health : the worst of all layers.
    """

    seed: int
    forth: dict[str, float]
    back: dict[str, float]
    other: dict[str, float]
    health: Health


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far a sweep is.

    Attributes
    ----------
    document, pinned : B, and A if one is pinned.
    drawn : what is done, a `Drawn` for each seed.
    running : whether more is to come.
    """

    document: Document
    pinned: Document | None = None
    drawn: tuple[Drawn, ...] = ()
    running: bool = True


def seeds_of(document: Document, count: int = SEEDS) -> Sequence[int]:
    """Return the document's own seed and those after it."""
    return [(document.seed + step) % 2**31 for step in range(count)]


def draws(document: Document, pinned: Document | None) -> Iterator[Drawn]:
    """Compute a stack with one seed after another, and A with the same.

    Every item is one piece of work: whoever shares the pool has his turn between them.
    """
    for seed in seeds_of(document):
        # Pictures of another seed share nothing that is worth keeping.
        one = Engine().snapshot(replace(document, seed=seed))
        other = None if pinned is None else Engine().snapshot(replace(pinned, seed=seed))
        yield Drawn(
            seed,
            _spreads(one, "output"),
            _spreads(one, "gradient"),
            {} if other is None else _spreads(other, "output"),
            _worst(one.layers),
        )


def _spreads(snapshot: Snapshot, what: str) -> dict[str, float]:
    views = (snapshot.input, *snapshot.layers)
    found = {view.id: getattr(view, what) for view in views}
    return {
        name: math.nan if histogram is None else histogram.std
        for name, histogram in found.items()
        if histogram is not None or what == "gradient"
    }


def _worst(views: Sequence[LayerView]) -> Health:
    healths = {view.health for view in views}
    if "bad" in healths:
        return "bad"
    return "warn" if "warn" in healths else "ok"
