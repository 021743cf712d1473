"""Steps divided by the recent size of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from layerscope.compiled import updates
from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    ``s = rho * s + (1 - rho) * g^2; v = momentum * v + learning_rate * g / sqrt(s + epsilon);
    w = w - v``; with `centered` the square of the gradient's own mean is taken from ``s``.
    Source: Tieleman & Hinton 2012, lecture 6e; Keras `RMSprop`, also for epsilon's place.
    """

    aliases: ClassVar[tuple[str, ...]] = ("rmsprop",)

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    rho: float = field(default=0.9, ge=0, le=1, slider=(0.5, 0.999), help="Memory of the square.")
    momentum: float = field(
        default=0.0, ge=0, le=1, slider=(0, 0.99), help="Share of the last step kept."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")
    centered: bool = field(default=False, help="Divide by the variance, not the mean square.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        # What is not asked for is not kept: the square stands in for it and is left alone.
        self._velocities = self._momentums = self._means = self.add_optimizer_variables(
            variables, "velocity"
        )
        if self.momentum:
            self._momentums = self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self._means = self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        updates.rmsprop_update(
            variable.value.ravel(),
            gradient.ravel(),
            self._velocities[index].value.ravel(),
            self._means[index].value.ravel(),
            self._momentums[index].value.ravel(),
            learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
            self.centered,
        )
