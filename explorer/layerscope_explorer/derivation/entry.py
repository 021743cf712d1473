"""One entry of what a layer gave, and what can be asked about it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.steps import Step

__all__ = ["Entry", "array_of"]

Array = NDArray[Any]


class Entry:
    """One entry of a layer's output for one sample.

    Parameters
    ----------
    step : the layer at work.
    sample : which sample.
    index : where in the sample's output.
    """

    def __init__(self, step: Step, sample: int, index: tuple[int, ...]) -> None:
        self.step, self.sample, self.index = step, sample, index
        self.layer: Any = step.layer
        self.place = (sample, *index)
        self.value = float(step.output[self.place])
        #: The layer's inputs for the sample; none where a sample does not go in as it comes out.
        alike = all(len(one) == len(step.output) for one in step.inputs)
        self.inputs: tuple[Array, ...] = (
            tuple(np.asarray(one[sample]) for one in step.inputs) if alike else ()
        )

    @property
    def has_before(self) -> bool:
        """Whether it is the activation of a single number, or of a row of them."""
        before = self.step.before
        return before is not None and before.shape == self.step.output.shape

    @cached_property
    def before(self) -> float:
        """The number the activation was applied to; the value itself without one."""
        before = self.step.before
        return float(before[self.place]) if self.has_before and before is not None else self.value

    @cached_property
    def biases(self) -> list[Any]:
        """The weights that are added and not multiplied."""
        return [one for one in self.layer.trainable_weights if one.name in ("bias", "beta")]

    @cached_property
    def _pulled(self) -> tuple[list[Array | None], list[Array | None]]:
        alone = self.step.alone(self.sample) if self.inputs else None
        if alone is None:
            inputs, biases = self.step.slopes(self.place, self.biases, of_before=self.has_before)
            found = [None if one is None else one[self.sample] for one in inputs]
            return (found if self.inputs else [None] * len(inputs)), biases
        # One sample is less work than all of them.
        place = (0, *self.index)
        inputs, biases = alone.slopes(place, self.biases, of_before=self.has_before)
        return [None if one is None else one[0] for one in inputs], biases

    @cached_property
    def slopes(self) -> tuple[Array | None, ...]:
        """How the number before the activation changes with each input of the sample."""
        found = self._pulled[0]
        return tuple(None if one is None else np.asarray(one, np.float64) for one in found)

    @cached_property
    def bias(self) -> float | None:
        """What the biases add; None without any."""
        parts = [
            float(np.sum(np.asarray(slope, np.float64) * weight.value))
            for weight, slope in zip(self.biases, self._pulled[1], strict=True)
            if slope is not None and np.any(slope)
        ]
        return sum(parts) if parts else None


def array_of(value: Any) -> Array:
    """Return an array, a tensor or a variable as an array."""
    return np.asarray(getattr(value, "value", value))
