"""What a layer takes, where only its examples say so: kinds of values, axes, channels, inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from layerscope.layers.layer import Example
from layerscope.tensor import Shape

#: Arguments that say how many whole numbers a layer knows.
COUNTS = ("input_dim", "num_tokens")


def values_taken(layer: Any) -> frozenset[str]:
    """Return the kinds of values a layer takes: ``"real"``, ``"whole"``, ``"words"``.

    Every layer that takes real numbers takes whole ones too.
    """
    inverse = bool(getattr(layer, "invert", False))
    alike = [one for one in layer.examples if bool(one.arguments.get("invert")) == inverse]
    return frozenset(map(_kind, alike)) or frozenset({"real"})


def _kind(example: Example) -> str:
    if example.words is not None:
        return "words"
    return "real" if example.integers is None else "whole"


def axes_taken(layer: Any) -> tuple[int, int] | None:
    """Return the fewest and most axes of a sample a layer without an input spec takes."""
    axes = {len(shape) - 1 for example in layer.examples for shape in shapes_of(example)}
    if axes and hasattr(layer, "data_format"):
        # Layers for images take one alone, too; in a stack there are always many.
        return max(axes), max(axes)
    return (min(axes), 99) if axes and layer.section == "attention" else None


def channels_taken(layer: Any) -> frozenset[int]:
    """Return the numbers of channels that a layer's examples have, the channels last."""
    usual = [one for one in layer.examples if "data_format" not in one.arguments]
    return frozenset(shape[-1] or 1 for example in usual for shape in shapes_of(example))


def takes_single(layer: Any) -> bool:
    """Tell whether every sample is a single number in all of a layer's examples."""
    shapes = [shape for example in layer.examples for shape in shapes_of(example)]
    return bool(shapes) and all(
        math.prod(length or 0 for length in shape[1:]) == 1 for shape in shapes
    )


def inputs_taken(cls: Any) -> tuple[int, int]:
    """Return the fewest and the most inputs of a layer in its examples."""
    counts = [len(list(shapes_of(example))) for example in cls.examples]
    return min(counts, default=1), max(counts, default=1)


def shapes_of(example: Example) -> Iterable[Shape]:
    """Return the shapes of an example's inputs, batch first."""
    shape: Any = example.input_shape
    return shape if isinstance(shape, list) else [shape]
