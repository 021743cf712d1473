"""How gradients change the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope.compiled import updates
from layerscope.configurable import Configurable, field
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify
from layerscope.tensor import Tensor, Variable


class Optimizer(Configurable):
    """Base class: define ``update(variable, grad, state)`` and list arguments as fields.

    `state` is a dict of arrays kept for the variable, empty at first. After each step the
    variable's constraint is applied.
    """

    kind: ClassVar[str] = "optimizer"
    keras_module: ClassVar[str] = "keras.optimizers"

    learning_rate: float = field(default=0.01, ge=0, slider=(1e-5, 1), help="Size of a step.")

    def __post_init__(self) -> None:
        self._iterations = Variable(np.zeros((), "int64"), trainable=False, name="iteration")
        # Keyed by identity; the variable is kept so that its identity stays taken.
        self._states: dict[int, tuple[Variable, dict[str, np.ndarray]]] = {}

    @property
    def iterations(self) -> int:
        """Number of steps taken."""
        return int(self._iterations.value)

    @property
    def variables(self) -> list[Variable]:
        """The number of steps, then what is kept for each variable, once it is built."""
        kept = [
            _sharing(array, name)
            for _, state in self._states.values()
            for name, array in state.items()
        ]
        return [self._iterations, *kept]

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        """Drop what Keras writes into a config and Layerscope lacks, unless it is in use."""
        return {
            name: value
            for name, value in unknown.items()
            if name not in _WITHOUT_MEANING and not (name in _ABSENT and value == _ABSENT[name])
        }

    def update(self, variable: Variable, grad: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Change one variable in place."""
        raise NotImplementedError(f"{type(self).__name__} must define `update(...)`.")

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable]) -> None:
        """Take one step.

        Parameters
        ----------
        grads : gradient of each variable; None leaves a variable alone.
        trainable_variables : what to change.

        Raises
        ------
        ValueError
            If no variable has a gradient.
        """
        if all(grad is None for grad in grads) and trainable_variables:
            raise ValueError(
                "No gradients provided for any variable: the loss does not depend on "
                f"{[variable.path for variable in trainable_variables]}."
            )
        self._iterations.value += 1
        for variable, grad in zip(trainable_variables, grads, strict=True):
            if grad is None:
                continue
            array = grad.value if isinstance(grad, Tensor) else grad
            array = np.asarray(array, dtype=variable.value.dtype, order="C")
            entry = self._states.setdefault(id(variable), (variable, {}))
            self.update(variable, array, entry[1])
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> None:
        """Take one step from pairs of gradient and variable."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])

    def build(self, variables: Sequence[Variable]) -> None:
        """Make what is kept for each variable, by a step that changes nothing."""
        self._iterations.value += 1
        for variable in variables:
            if id(variable) not in self._states:
                trial = Variable(variable.numpy())
                state = self._states.setdefault(id(variable), (variable, {}))[1]
                self.update(trial, np.zeros_like(trial.value), state)
        self._iterations.value -= 1

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss to differentiate."""
        return loss

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Bring the variables to what they are to be after training."""


#: What Keras's optimizers take and Layerscope's lack, with the value that means nothing.
_ABSENT = {
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "gradient_accumulation_steps": None,
    "loss_scale_factor": None,
    "use_ema": False,
    "weight_decay": None,
}

#: What only matters beside one of those.
_WITHOUT_MEANING = ("ema_momentum", "ema_overwrite_frequency", "name")


def _sharing(array: np.ndarray, name: str) -> Variable:
    """Return a variable whose content is `array` itself."""
    variable = Variable(0.0, trainable=False, name=name)
    variable.value = array
    return variable


def _slot(state: dict[str, np.ndarray], name: str, variable: Variable) -> np.ndarray:
    """Return one of the arrays kept for a variable, flat, zeros at first."""
    if name not in state:
        state[name] = np.zeros(variable.value.size, variable.value.dtype)
    return state[name]


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    ``v = momentum * v - learning_rate * g; w = w + v``; with `nesterov` the step looks ahead:
    ``w = w + momentum * v - learning_rate * g``. Source: Sutskever et al. 2013; Keras `SGD`.
    """

    learning_rate: float = field(default=0.01, ge=0, slider=(1e-5, 1), help="Size of a step.")
    momentum: float = field(
        default=0.0, ge=0, le=1, slider=(0, 0.99), help="Share of the last step kept."
    )
    nesterov: bool = field(default=False, help="Take the gradient's step after the momentum's.")

    def update(self, variable: Variable, grad: np.ndarray, state: dict[str, np.ndarray]) -> None:
        if self.momentum == 0:
            variable.value -= variable.value.dtype.type(self.learning_rate) * grad
            return
        updates.momentum_update(
            variable.value.reshape(-1),
            grad.reshape(-1),
            _slot(state, "momentum", variable),
            self.learning_rate,
            self.momentum,
            self.nesterov,
        )


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    ``s = rho * s + (1 - rho) * g^2; v = momentum * v + learning_rate * g / sqrt(s + epsilon);
    w = w - v``; with `centered` the square of the gradient's own mean is taken from ``s``.
    Source: Tieleman & Hinton 2012, lecture 6e; Keras `RMSprop`, also for epsilon's place.
    """

    aliases: ClassVar[tuple[str, ...]] = ("rmsprop",)

    learning_rate: float = field(default=0.001, ge=0, slider=(1e-5, 0.1), help="Size of a step.")
    rho: float = field(default=0.9, ge=0, le=1, slider=(0.5, 0.999), help="Memory of the square.")
    momentum: float = field(
        default=0.0, ge=0, le=1, slider=(0, 0.99), help="Share of the last step kept."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")
    centered: bool = field(default=False, help="Divide by the variance, not the mean square.")

    def update(self, variable: Variable, grad: np.ndarray, state: dict[str, np.ndarray]) -> None:
        updates.rmsprop_update(
            variable.value.reshape(-1),
            grad.reshape(-1),
            _slot(state, "square", variable),
            _slot(state, "mean", variable),
            _slot(state, "momentum", variable),
            self.learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
            self.centered,
        )


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and its square.

    Source: Kingma & Ba 2014, with Keras's placement of epsilon (the paper's "epsilon hat").
    """

    learning_rate: float = field(default=0.001, ge=0, slider=(1e-5, 0.1), help="Size of a step.")
    beta_1: float = field(default=0.9, ge=0, lt=1, slider=(0, 0.999), help="Memory of the mean.")
    beta_2: float = field(
        default=0.999, ge=0, lt=1, slider=(0.9, 0.9999), help="Memory of the square."
    )
    epsilon: float = field(default=1e-7, ge=0, help="Keeps the division finite.")
    amsgrad: bool = field(default=False, help="Divide by the largest square so far.")

    def update(self, variable: Variable, grad: np.ndarray, state: dict[str, np.ndarray]) -> None:
        t = self.iterations
        rate = self.learning_rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        moments = [_slot(state, "mean", variable), _slot(state, "square", variable)]
        update: Any = updates.adam_update
        if self.amsgrad:
            moments.append(_slot(state, "largest", variable))
            update = updates.amsgrad_update
        update(
            variable.value.reshape(-1),
            grad.reshape(-1),
            *moments,
            rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
        )


def get(identifier: Any) -> Any:
    """Return the optimizer meant by a name, class, config or instance."""
    return identify(Optimizer, identifier)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return the config of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """Return the optimizer a config describes."""
    return deserialize_as(Optimizer, config, custom_objects)
