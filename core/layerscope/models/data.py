"""Arrays cut into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.structure import leaves, map_structure


@dataclass(frozen=True)
class Batch:
    """Inputs, targets and weights of some samples; targets and weights may be missing."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(leaves(self.x)[0])


@dataclass(frozen=True)
class Dataset:
    """Arrays of equal length: one sample per entry of their first axis."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    @classmethod
    def of(cls, x: Any, y: Any = None, sample_weight: Any = None) -> Dataset:
        """Check the lengths and make arrays of what is given.

        Raises
        ------
        ValueError
            If lengths differ or there are no samples.
        """
        parts = [
            None if part is None else map_structure(np.asarray, _unlisted(part))
            for part in (x, y, sample_weight)
        ]
        lengths = {
            name: sorted({len(leaf) for leaf in leaves(part)})
            for name, part in zip(("x", "y", "sample_weight"), parts, strict=True)
            if part is not None
        }
        if len({length for found in lengths.values() for length in found}) > 1:
            raise ValueError(
                f"Data cardinality is ambiguous: all arrays must have the same length. Received: "
                f"{lengths}"
            )
        if parts[0] is None or not next(iter(lengths.values()))[0]:
            raise ValueError("Argument `x` must hold at least one sample.")
        return cls(*parts)

    def __len__(self) -> int:
        return len(leaves(self.x)[0])

    def take(self, index: Any) -> Batch:
        """Return the samples at `index`."""

        def pick(part: Any) -> Any:
            return None if part is None else map_structure(lambda leaf: leaf[index], part)

        return Batch(pick(self.x), pick(self.y), pick(self.sample_weight))

    def part(self, index: Any) -> Dataset:
        """Return the samples at `index` as data of their own."""
        batch = self.take(index)
        return Dataset(batch.x, batch.y, batch.sample_weight)

    def batches(self, batch_size: int, generator: np.random.Generator | None) -> Iterator[Batch]:
        """Yield batches, shuffled by `generator` unless it is None."""
        order = None if generator is None else generator.permutation(len(self))
        for start in range(0, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            yield self.take(slice(start, stop) if order is None else order[start:stop])

    def steps(self, batch_size: int) -> int:
        """Return the number of batches."""
        return -(-len(self) // batch_size)


def _unlisted(part: Any) -> Any:
    """Treat a list of plain numbers as one array, a list of arrays as several inputs."""
    if isinstance(part, (list, tuple)) and not any(hasattr(entry, "shape") for entry in part):
        return np.asarray(part)
    return part


def split_validation(data: Dataset, fraction: float) -> tuple[Dataset, Dataset]:
    """Cut off the last `fraction` of the samples, as Keras does.

    Raises
    ------
    ValueError
        If either part would be empty.
    """
    cut = int(len(data) * (1.0 - fraction))
    if not 0.0 < fraction < 1.0 or cut == 0 or cut == len(data):
        raise ValueError(
            "Argument `validation_split` must leave samples on both sides. "
            f"Received: validation_split={fraction} for {len(data)} samples."
        )
    return data.part(slice(0, cut)), data.part(slice(cut, None))
