"""Steps of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Lion(Optimizer):
    """The sign of a mean of gradients, so that every weight moves equally far.

    ``w = w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g);
    m = beta_2 * m + (1 - beta_2) * g``. Wants a smaller rate and more weight decay than Adam.
    Source: Chen et al. 2023.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_1: float = field(
        default=0.9,
        gt=0,
        le=1,
        slider=(0.5, 1),
        help="Weight of the mean in a step.",
        refusal="Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer "
        "degenerates to SignSGD. Received: beta_1={value}.",
    )
    beta_2: float = field(default=0.99, ge=0, le=1, slider=(0.5, 1), help="Memory of the mean.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        mean = self._momentums[self._get_variable_index(variable)].value
        direction = np.sign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        variable.value -= learning_rate * direction
        mean *= self.beta_2
        mean += (1 - self.beta_2) * gradient
