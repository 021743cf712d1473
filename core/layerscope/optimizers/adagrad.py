"""Steps divided by the size of all gradients so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.initializers import Constant
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    ``s = s + g^2; w = w - learning_rate * g / sqrt(s + epsilon)``. Source: Duchi et al. 2011.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    initial_accumulator_value: float = field(default=0.1, ge=0, help="What the sum starts with.")
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._accumulators = self.add_optimizer_variables(
            variables, "accumulator", Constant(self.initial_accumulator_value)
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        total = self._accumulators[self._get_variable_index(variable)].value
        total += np.square(gradient)
        variable.value -= learning_rate * gradient / np.sqrt(total + self.epsilon)
