"""Adam without a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class ScheduleFreeAdamW(Optimizer):
    """Averages what it passes in place of letting the rate fall.

    The weights are those at which gradients are taken, between the averaged and the last ones.
    Source: Defazio et al. 2024; Keras `ScheduleFreeAdamW`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("schedulefreeadamw",)

    learning_rate: Any = field(
        default=0.0025, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_1: float = field(
        default=0.9, gt=0, le=1, slider=(0.5, 1), help="Share of the average in the weights."
    )
    beta_2: float = field(
        default=0.999, ge=0, lt=1, slider=(0.9, 0.9999), help="Memory of the square."
    )
    epsilon: float = field(default=1e-8, ge=0, help="Keeps the division finite.")
    warmup_steps: int = field(default=0, ge=0, help="Steps in which the rate rises.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )
        for last, variable in zip(self._momentums, variables, strict=True):
            last.assign(variable.value)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index, step = self._get_variable_index(variable), self._step
        last, square = self._momentums[index].value, self._velocities[index].value
        if self.warmup_steps:
            learning_rate *= min(step / self.warmup_steps, 1.0)
        # The weights lie between the average and the last ones, which gives the average back.
        average = (variable.value - (1 - self.beta_1) * last) / self.beta_1
        square += (np.square(gradient) - square) * (1 - self.beta_2)
        spread = np.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        last -= learning_rate * gradient / spread
        average += (last - average) / step
        variable.value[...] = (1 - self.beta_1) * last + self.beta_1 * average
