"""Gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.compiled import updates
from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    ``v = momentum * v - learning_rate * g; w = w + v``; with `nesterov` the step looks ahead:
    ``w = w + momentum * v - learning_rate * g``. Source: Sutskever et al. 2013; Keras `SGD`.
    """

    learning_rate: Any = field(
        default=0.01, converter=learning_rate_of, slider=(1e-5, 1), help="Size of a step."
    )
    momentum: float = field(
        default=0.0,
        ge=0,
        le=1,
        slider=(0, 0.99),
        help="Share of the last step kept.",
        refusal="`momentum` must be a float between [0, 1]. Received: momentum={value}",
    )
    nesterov: bool = field(default=False, help="Take the gradient's step after the momentum's.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums = []
        if self.momentum:
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        if not self._momentums:
            value = variable.value
            # Among arrays of one type NumPy has nothing to convert, which takes longer than this.
            step = np.asarray(learning_rate, value.dtype)
            np.subtract(value, np.multiply(gradient, step), value)
            return
        updates.momentum_update(
            variable.value.ravel(),
            gradient.ravel(),
            self._momentums[self._get_variable_index(variable)].value.ravel(),
            learning_rate,
            self.momentum,
            self.nesterov,
        )
