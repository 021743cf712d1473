"""Orthogonalized momentum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.compiled import updates
from layerscope.configurable import field
from layerscope.optimizers.adam import corrected
from layerscope.optimizers.learning_rate import learning_rate_of
from layerscope.optimizers.optimizer import Optimizer
from layerscope.tensor import Variable


class Muon(Optimizer):
    """Matrices move along the nearest orthogonal matrix to their momentum, the rest by Adam.

    Of kernels of layers only matrices count: vectors, embeddings and layers to `exclude_layers`
    go with Adam. Source: Jordan et al. 2024; `rms_rate`: Liu et al. 2025; Keras `Muon`.
    """

    learning_rate: Any = field(
        default=0.001, converter=learning_rate_of, slider=(1e-5, 0.1), help="Size of a step."
    )
    adam_beta_1: float = field(default=0.9, ge=0, lt=1, help="Memory of Adam's mean.")
    adam_beta_2: float = field(default=0.999, ge=0, lt=1, help="Memory of Adam's square.")
    adam_weight_decay: float | None = field(default=0.004, help="Weight decay where Adam is used.")
    epsilon: float = field(default=1e-7, ge=0, help="Keeps Adam's division finite.")
    weight_decay: float | None = field(default=0.004, help="Weight decay of the matrices.")
    exclude_layers: list[str] | None = field(
        default=None, last=True, help="Expressions; paths in which one is found go with Adam."
    )
    exclude_embeddings: bool = field(default=True, last=True, help="Let embeddings go with Adam.")
    muon_a: float = field(default=3.4445, last=True, help="First coefficient of the iteration.")
    muon_b: float = field(default=-4.7750, last=True, help="Third-order coefficient.")
    muon_c: float = field(default=2.0315, last=True, help="Fifth-order coefficient.")
    adam_lr_ratio: float = field(default=1.0, ge=0, last=True, help="Factor of Adam's rate.")
    momentum: float = field(default=0.95, ge=0, last=True, help="Share of the momentum kept.")
    ns_steps: int = field(default=5, ge=0, last=True, help="Iterations towards orthogonality.")
    nesterov: bool = field(default=True, last=True, help="Look ahead by one step.")
    rms_rate: float | None = field(
        default=0.2, last=True, help="Root mean square of a step, None: that of the matrix."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.exclude_layers = list(self.exclude_layers or [])

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = [], []
        for variable in variables:
            self._momentums.append(self.add_variable_from_reference(variable, "momentum"))
            self._velocities.append(
                self.add_variable_from_reference(variable, "velocity")
                if self._should_use_adamw(variable)
                else None
            )

    def _should_use_adamw(self, variable: Variable) -> bool:
        return (
            len(variable.shape) != 2
            or (self.exclude_embeddings and "embedding" in variable.path.lower())
            or any(re.search(pattern, variable.path) for pattern in self.exclude_layers or ())
        )

    def _apply_weight_decay(self, variables: Sequence[Variable]) -> None:
        rate = self._rate()
        for variable in variables:
            with_adam = self._should_use_adamw(variable)
            decay = self.adam_weight_decay if with_adam else self.weight_decay
            if decay is not None and self._use_weight_decay(variable):
                variable.value -= variable.value * decay * rate

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index]
        if velocity is None:
            momentum *= self.momentum
            momentum += gradient
            if self.nesterov:
                momentum = gradient + self.momentum * momentum
            step = self.zeropower_via_newtonschulz5(momentum, self.ns_steps)
            variable.value -= learning_rate * self.lr_adjust(step)
            return
        rate = learning_rate * self.adam_lr_ratio
        updates.adam_update(
            variable.value.ravel(),
            gradient.ravel(),
            momentum.ravel(),
            velocity.value.ravel(),
            corrected(rate, self._step, self.adam_beta_1, self.adam_beta_2),
            self.adam_beta_1,
            self.adam_beta_2,
            self.epsilon,
        )

    def lr_adjust(self, x: np.ndarray) -> np.ndarray:
        """Bring the root mean square of an orthogonal matrix to `rms_rate`."""
        return x if self.rms_rate is None else x * (max(x.shape) ** 0.5 * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: np.ndarray, steps: int) -> np.ndarray:
        """Bring all singular values of a matrix near one, by the Newton-Schulz iteration."""
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (np.sqrt(np.square(x).sum()) + 1e-7)
        for _ in range(steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return x.T if tall else x
