"""Adam by the largest gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Adamax(Optimizer):
    """Adam, divided by a fading maximum of the gradient in place of its mean square.

    ``m = beta_1 * m + (1 - beta_1) * g; u = max(beta_2 * u, |g|);
    w = w - learning_rate / (1 - beta_1^t) * m / (u + epsilon)``. Source: Kingma & Ba 2014,
    section 7.1.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_1: float = field(default=0.9, ge=0, lt=1, slider=(0, 0.999), help="Memory of the mean.")
    beta_2: float = field(
        default=0.999, ge=0, lt=1, slider=(0.9, 0.9999), help="Memory of the maximum."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._norms = self.add_optimizer_variables(variables, ["momentum", "norm"])

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        mean, largest = self._momentums[index].value, self._norms[index].value
        mean += (gradient - mean) * (1 - self.beta_1)
        largest *= self.beta_2
        np.maximum(largest, np.abs(gradient), out=largest)
        rate = learning_rate / (1 - self.beta_1**self._step)
        variable.value -= rate * mean / (largest + self.epsilon)
