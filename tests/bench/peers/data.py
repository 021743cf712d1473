"""The numbers of a case: drawn once, and the same for everybody."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from peers.cases import Case, Shape

Arrays = list[np.ndarray]


@dataclass
class Data:
    """Arrays of a case, as Keras has them: channels last, weights in its order.

    Attributes
    ----------
    inputs : one array an input.
    weights : trained or not.
    upstream : gradient that flows into the output.
    outputs : what Layerscope computed, a single array.
    gradients : of the inputs, by Layerscope.
    """

    inputs: Arrays
    weights: Arrays = field(default_factory=list)
    upstream: Arrays = field(default_factory=list)
    outputs: Arrays = field(default_factory=list)
    gradients: Arrays = field(default_factory=list)

    def save(self, path: str | Path) -> None:
        """Write the arrays into a file."""
        named = {
            f"{name}.{place:03}": array
            for name, arrays in vars(self).items()
            for place, array in enumerate(arrays)
        }
        np.savez(path, **named)  # pyright: ignore[reportArgumentType]

    @classmethod
    def load(cls, path: str | Path) -> Data:
        """Return what was saved."""
        found = cls([])
        with np.load(path) as file:
            for key in sorted(file.files):
                getattr(found, key.split(".")[0]).append(file[key])
        return found

    def astype(self, dtype: str) -> Data:
        """Return the same with its real numbers in another precision."""
        return Data(
            *(
                [array.astype(dtype) if array.dtype.kind == "f" else array for array in arrays]
                for arrays in vars(self).values()
            )
        )


def generator_of(case: Case) -> np.random.Generator:
    """Return the randomness of a case, the same wherever it is drawn."""
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def draw_inputs(case: Case, generator: np.random.Generator) -> Arrays:
    """Return an input of each shape, float32 or int32."""
    if case.integers:
        return [generator.integers(0, case.integers, shape, "int32") for shape in case.inputs]
    return [generator.standard_normal(shape, "float32") for shape in case.inputs]


def draw_weights(
    named_shapes: Iterable[tuple[str, Shape]], generator: np.random.Generator
) -> Arrays:
    """Return weights that keep the signal's size about as it is."""
    weights = []
    for name, shape in named_shapes:
        drawn = generator.standard_normal(shape, "float32")
        if name.endswith("variance"):
            weights.append(np.abs(drawn) + np.float32(0.5))
        elif len(shape) < 2:
            weights.append(drawn * np.float32(0.1))
        else:
            fan_in = max(int(np.prod(shape[:-1])), 1)
            weights.append(drawn / np.float32(fan_in**0.5))
    return weights
