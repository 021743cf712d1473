"""Steps in the units of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Adadelta(Optimizer):
    """Gradients scaled by the recent size of steps over the recent size of gradients.

    ``d = -rms(steps) / rms(gradients) * g; w = w + learning_rate * d``, where ``rms(x)`` is the
    root of `epsilon` and a running mean of squares. The original has a learning rate of 1.
    Source: Zeiler 2012.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 1), help="Size of a step."
    )
    rho: float = field(default=0.95, ge=0, le=1, slider=(0.5, 0.999), help="Memory of the squares.")
    epsilon: float = field(default=1e-7, ge=0, help="Lets the first steps begin.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._grads, self._deltas = self.add_optimizer_variables(
            variables, ["accumulated_grad", "accumulated_delta_var"]
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        square, steps = self._grads[index].value, self._deltas[index].value
        square *= self.rho
        square += (1 - self.rho) * np.square(gradient)
        step = -np.sqrt(steps + self.epsilon) * gradient / np.sqrt(square + self.epsilon)
        steps *= self.rho
        steps += (1 - self.rho) * np.square(step)
        variable.value += learning_rate * step
