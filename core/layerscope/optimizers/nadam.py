"""Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.config import floatx
from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Nadam(Optimizer):
    """Adam whose mean already looks one step ahead.

    The share of the mean grows from step to step, as ``beta_1 * (1 - 0.96^t / 2)``.
    Source: Dozat 2016; Keras `Nadam`.
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
        # Product of the shares of all steps so far.
        dtype = variables[0].dtype if variables else floatx()
        self._u_product = self.add_variable((), "ones", dtype)

    def _share(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _update_all(
        self, arrays: list[np.ndarray], variables: Sequence[Variable], rate: float
    ) -> None:
        self._u_product.value *= self._share(self._step)
        super()._update_all(arrays, variables, rate)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index, step = self._get_variable_index(variable), self._step
        mean, square = self._momentums[index].value, self._velocities[index].value
        mean += (gradient - mean) * (1 - self.beta_1)
        square += (np.square(gradient) - square) * (1 - self.beta_2)
        share, ahead, product = (
            self._share(step),
            self._share(step + 1),
            float(self._u_product.value),
        )
        expected = ahead / (1 - product * ahead) * mean + (1 - share) / (1 - product) * gradient
        spread = np.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        variable.value -= learning_rate * expected / spread
