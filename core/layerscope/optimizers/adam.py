"""Steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from layerscope.compiled import updates
from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


def corrected(learning_rate: float, step: int, beta_1: float, beta_2: float) -> float:
    """Return the rate that makes up for means that start at zero."""
    return learning_rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and its square.

    Source: Kingma & Ba 2014, with Keras's placement of epsilon (the paper's "epsilon hat");
    `amsgrad`: Reddi et al. 2018.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_1: float = field(default=0.9, ge=0, lt=1, slider=(0, 0.999), help="Memory of the mean.")
    beta_2: float = field(
        default=0.999, ge=0, lt=1, slider=(0.9, 0.9999), help="Memory of the square."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")
    amsgrad: bool = field(default=False, help="Divide by the largest square so far.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        arrays = (
            variable.value.ravel(),
            gradient.ravel(),
            self._momentums[index].value.ravel(),
            self._velocities[index].value.ravel(),
        )
        beta_1, beta_2 = self.beta_1, self.beta_2
        rate = corrected(learning_rate, self._step, beta_1, beta_2)
        if self.amsgrad:
            largest = self._velocity_hats[index].value.ravel()
            updates.amsgrad_update(*arrays, largest, rate, beta_1, beta_2, self.epsilon)
        else:
            updates.adam_update(*arrays, rate, beta_1, beta_2, self.epsilon)


class AdamW(Adam):
    """Adam with weight decay, which is not part of the gradient and so is not scaled with it.

    Source: Loshchilov & Hutter 2017; Keras `AdamW`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("adamw",)

    weight_decay: float = field(  # type: ignore[assignment]
        default=0.004,
        after="learning_rate",
        slider=(0, 0.1),
        help="Share of a weight, times the rate, taken off each step.",
        refusal="Argument `weight_decay` must be a float. Received: weight_decay={value}",
    )
