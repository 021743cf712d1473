"""Rates that fall steadily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.schedules.learning_rate_schedule import (
    LearningRateSchedule,
    as_number,
    as_rates,
    as_steps,
)

#: Keras's words for a number of steps that cannot be divided by.
NO_STEPS = "Argument `decay_steps` must be > 0. Received: decay_steps={value}"


class ExponentialDecay(LearningRateSchedule):
    """Multiplied by `decay_rate` every `decay_steps` steps.

    Examples
    --------
    >>> import layerscope as ls
    >>> rate = ls.optimizers.schedules.ExponentialDecay(0.5, decay_steps=10, decay_rate=0.5)
    >>> rate([0, 10, 20]).tolist()
    [0.5, 0.25, 0.125]
    """

    formula = r"\eta_0\, r^{t / T}"

    initial_learning_rate: float = field(
        converter=as_number, help="Rate of the first step.", slider=(1e-4, 1)
    )
    decay_steps: float = field(gt=0, help="Steps between two reductions.", refusal=NO_STEPS)
    decay_rate: float = field(help="Factor of one reduction.", slider=(0, 1))
    staircase: bool = field(default=False, help="Reduce at once, not bit by bit.")
    name: str = field(default="ExponentialDecay", help="Name of the schedule.")

    def __call__(self, step: Any) -> Any:
        passed = as_steps(step) / self.decay_steps
        if self.staircase:
            passed = np.floor(passed)
        return as_rates(self.initial_learning_rate * np.power(self.decay_rate, passed))


class InverseTimeDecay(LearningRateSchedule):
    """Divided by ``1 + decay_rate * step / decay_steps``."""

    formula = r"\frac{\eta_0}{1 + r\, t / T}"

    initial_learning_rate: float = field(
        converter=as_number, help="Rate of the first step.", slider=(1e-4, 1)
    )
    decay_steps: float = field(gt=0, help="Steps that count as one.", refusal=NO_STEPS)
    decay_rate: float = field(help="Growth of the divisor.", slider=(0, 5))
    staircase: bool = field(default=False, help="Reduce at once, not bit by bit.")
    name: str = field(default="InverseTimeDecay", help="Name of the schedule.")

    def __call__(self, step: Any) -> Any:
        passed = as_steps(step) / self.decay_steps
        if self.staircase:
            passed = np.floor(passed)
        return as_rates(self.initial_learning_rate / (1 + self.decay_rate * passed))


class PolynomialDecay(LearningRateSchedule):
    """From one rate to another along a power of the steps that remain.

    With `cycle` the decay is stretched whenever it ends, to the next multiple of `decay_steps`.
    """

    formula = r"(\eta_0 - \eta_T) (1 - t / T)^p + \eta_T"

    initial_learning_rate: float = field(
        converter=as_number, help="Rate of the first step.", slider=(1e-4, 1)
    )
    decay_steps: float = field(gt=0, help="Steps until the end.", refusal=NO_STEPS)
    end_learning_rate: float = field(default=0.0001, help="Rate at the end.", slider=(0, 0.1))
    power: float = field(default=1.0, help="Exponent; 1 is a straight line.", slider=(0.1, 4))
    cycle: bool = field(default=False, help="Start again where it would end.")
    name: str = field(default="PolynomialDecay", help="Name of the schedule.")

    def __call__(self, step: Any) -> Any:
        step = as_steps(step)
        length = np.float64(self.decay_steps)
        if self.cycle:
            length = length * np.maximum(np.ceil(step / length), 1)
        else:
            step = np.minimum(step, length)
        remaining = np.power(1 - step / length, self.power)
        difference = self.initial_learning_rate - self.end_learning_rate
        return as_rates(difference * remaining + self.end_learning_rate)


def _numbers(value: Any) -> list[Any]:
    """Return a sequence of numbers as a list."""
    if not isinstance(value, Sequence) or not all(isinstance(one, (int, float)) for one in value):
        raise ValueError(f"Expected a sequence of numbers. Received: {value!r}")
    return list(value)


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to each boundary, which still has it, and a last one beyond.

    Examples
    --------
    >>> import layerscope as ls
    >>> rate = ls.optimizers.schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])
    >>> rate([10, 11, 21]).tolist()
    [1.0, 0.5, 0.25]
    """

    formula = r"\eta_i, \quad b_{i-1} < t \le b_i"

    boundaries: list[Any] = field(converter=_numbers, help="Last step of each rate, ascending.")
    values: list[Any] = field(converter=_numbers, help="Rates, one more than boundaries.")
    name: str = field(default="PiecewiseConstant", help="Name of the schedule.")

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={self.boundaries} of length {len(self.boundaries)}, and "
                f"values={self.values} of length {len(self.values)}."
            )
        if sorted(self.boundaries) != self.boundaries:
            raise ValueError(
                f"Argument `boundaries` must ascend. Received: boundaries={self.boundaries}"
            )

    def __call__(self, step: Any) -> Any:
        piece = np.searchsorted(self.boundaries, as_steps(step), side="left")
        return as_rates(np.asarray(self.values)[piece])
