"""Adam for large batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Lamb(Optimizer):
    """Adam whose step is as long as the weights of a variable, times the rate.

    Source: You et al. 2019; Keras `Lamb`.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_1: float = field(default=0.9, ge=0, lt=1, slider=(0, 0.999), help="Memory of the mean.")
    beta_2: float = field(
        default=0.999, ge=0, lt=1, slider=(0.9, 0.9999), help="Memory of the square."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index, step = self._get_variable_index(variable), self._step
        mean, square = self._momentums[index].value, self._velocities[index].value
        mean += (gradient - mean) * (1 - self.beta_1)
        square += (np.square(gradient) - square) * (1 - self.beta_2)
        spread = np.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        direction = mean / (1 - self.beta_1**step) / spread
        weight_norm = float(np.sqrt(np.square(variable.value).sum()))
        step_norm = float(np.sqrt(np.square(direction).sum()))
        ratio = weight_norm / step_norm if weight_norm > 0 and step_norm > 0 else 1.0
        variable.value -= ratio * learning_rate * direction
