"""Follow the regularized leader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.initializers import Constant
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable

_NEGATIVE = "`{name}` needs to be positive or zero. Received: {name}={{value}}."


def _strength(name: str, help: str) -> Any:
    return field(default=0.0, ge=0, help=help, refusal=_NEGATIVE.format(name=name))


class Ftrl(Optimizer):
    """The weights that would have served best so far, few of them not zero.

    For linear models with many, sparse features. Source: McMahan et al. 2013; Keras `Ftrl`.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 1), help="Size of a step."
    )
    learning_rate_power: float = field(
        default=-0.5,
        le=0,
        help="How the rate falls with the squared gradients; 0 keeps it.",
        refusal="`learning_rate_power` needs to be negative or zero. Received: "
        "learning_rate_power={value}.",
    )
    initial_accumulator_value: float = field(
        default=0.1,
        ge=0,
        help="What the sum of squares starts with.",
        refusal=_NEGATIVE.format(name="initial_accumulator_value"),
    )
    l1_regularization_strength: float = _strength(
        "l1_regularization_strength", "Weight of the absolute values."
    )
    l2_regularization_strength: float = _strength(
        "l2_regularization_strength", "Weight of the squares."
    )
    l2_shrinkage_regularization_strength: float = _strength(
        "l2_shrinkage_regularization_strength", "Weight of the squares, in the gradient only."
    )
    beta: float = field(default=0.0, help="The paper's beta, as more weight of the squares.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._accumulators, self._linears = self.add_optimizer_variables(
            variables,
            ["accumulator", "linear"],
            [Constant(self.initial_accumulator_value), "zeros"],
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        if learning_rate <= 0:
            raise ValueError(
                "Ftrl divides by `learning_rate`, which must be above 0 in every step. Received: "
                f"learning_rate={learning_rate} in step {self._step}"
            )
        index = self._get_variable_index(variable)
        total, linear = self._accumulators[index].value, self._linears[index].value
        l1 = self.l1_regularization_strength
        l2 = self.l2_regularization_strength + self.beta / (2 * learning_rate)
        shrinkage = 2 * self.l2_shrinkage_regularization_strength * variable.value
        before = np.power(total, -self.learning_rate_power)
        total += np.square(gradient)
        after = np.power(total, -self.learning_rate_power)
        linear += gradient + shrinkage - (after - before) / learning_rate * variable.value
        curvature = after / learning_rate + 2 * l2
        variable.value[...] = (np.clip(linear, -l1, l1) - linear) / curvature
