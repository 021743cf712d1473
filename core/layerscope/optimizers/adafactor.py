"""Adam with little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.configurable import field
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


def _root_mean_square(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(x)))


class Adafactor(Optimizer):
    """Mean squares of gradients from those of rows and of columns.

    The step is relative to the size of the weights, and its root mean square limited. Keras, too,
    keeps the full mean squares beside those of rows and columns. Source: Shazeer & Stern 2018.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    beta_2_decay: float = field(default=-0.8, le=0, help="Exponent by which the memory grows.")
    epsilon_1: float = field(default=1e-30, ge=0, help="Added to squared gradients.")
    epsilon_2: float = field(default=1e-3, ge=0, help="Smallest size of weights to go by.")
    clip_threshold: float = field(default=1.0, gt=0, help="Largest root mean square of a step.")
    relative_step: bool = field(default=True, help="Let the rate fall as one over root of steps.")

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._rows, self._columns, self._velocities = [], [], []
        for variable in variables:
            shape, dtype, name = variable.shape, variable.dtype, variable.name
            # What has no rows has them in Keras's list, though.
            row, column = ((), ()) if len(shape) < 2 else (shape[:-1], (*shape[:-2], shape[-1]))
            self._rows.append(self.add_variable(row, dtype=dtype, name=name))
            self._columns.append(self.add_variable(column, dtype=dtype, name=name))
            self._velocities.append(self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index, step = self._get_variable_index(variable), self._step
        row, column = self._rows[index].value, self._columns[index].value
        velocity = self._velocities[index].value
        # Both switches of Keras lead here; a schedule decides for itself with either.
        rate = min(learning_rate, step**-0.5)
        scale = max(self.epsilon_2, float(_root_mean_square(variable.value)))
        square = np.square(gradient) + self.epsilon_1
        memory = 1 - step**self.beta_2_decay
        if gradient.ndim < 2:
            velocity *= memory
            velocity += (1 - memory) * square
        else:
            row *= memory
            row += (1 - memory) * square.mean(axis=-1)
            column *= memory
            column += (1 - memory) * square.mean(axis=-2)
            share = row / row.mean(axis=-1, keepdims=True)
            velocity[...] = share[..., None] * column[..., None, :]
        direction = gradient / np.sqrt(velocity)
        limit = max(1.0, float(_root_mean_square(direction)) / self.clip_threshold)
        variable.value -= scale * rate / limit * direction
