"""Different optimizers for different weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, ClassVar, Self

from layerscope.config import floatx
from layerscope.custom_objects import custom_object_scope
from layerscope.optimizers.optimizer import Optimizer
from layerscope.plain_data import serialize_keras_object
from layerscope.registry import snake_case
from layerscope.saving.serialization import deserialize_as
from layerscope.tensor import Variable


def _checked(optimizer: Any, argument: str) -> Optimizer:
    """Return an optimizer that may take its share of the weights."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{argument} must be an Optimizer instance. Received: {optimizer!r}")
    if isinstance(optimizer, MultiOptimizer):
        raise ValueError(f"{argument} cannot be MultiOptimizer.")
    return optimizer


class OptimizerMap(MutableMapping[str, Optimizer]):
    """Optimizers by the paths of variables, or by regular expressions that match whole paths.

    Parameters
    ----------
    default_optimizer : for paths that nothing matches.
    optimizer_map : optimizers by path or expression.

    Raises
    ------
    TypeError
        If something is not what it should be.
    ValueError
        If two expressions match one path, or a key is set twice.
    """

    keras_module: ClassVar[str] = "keras.optimizers"

    def __init__(
        self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None
    ) -> None:
        self._default_optimizer = _checked(default_optimizer, "default_optimizer")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary. Received: {optimizer_map!r}")
        self._optimizer_map: dict[str, Optimizer] = {}
        self.update(optimizer_map or {})

    @property
    def default_optimizer(self) -> Optimizer:
        """Optimizer of what nothing matches."""
        return self._default_optimizer

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}: {matching}.")
        return self._optimizer_map[matching[0]] if matching else self._default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._optimizer_map:
            raise ValueError(
                f"'{key}' already exists in the OptimizerMap with value "
                f"{self._optimizer_map[key]}. Please make sure to not use duplicated keys."
            )
        if not isinstance(key, str):
            raise TypeError(f"key must be a string. Received: {key!r}")
        self._optimizer_map[key] = _checked(optimizer, "optimizer")

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data."""
        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": {
                key: serialize_keras_object(one) for key, one in self._optimizer_map.items()
            },
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create an instance from what `get_config` returned."""
        return cls(
            deserialize_as(Optimizer, config["default_optimizer"]),
            {key: deserialize_as(Optimizer, one) for key, one in config["optimizer_map"].items()},
        )


class MultiOptimizer(Optimizer):
    """Hands every variable to one of several optimizers; each has a rate and a state of its own.

    Parameters
    ----------
    optimizer_map : an `OptimizerMap`, or a function from a variable to its optimizer.
    loss_scale_factor : of all the optimizers, in place of their own.
    name : name of the optimizer.

    Attributes
    ----------
    optimizers : those of the map, in order, then those a function gave.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> fast, slow = ls.optimizers.SGD(1.0), ls.optimizers.SGD(0.125)
    >>> optimizer = ls.optimizers.MultiOptimizer(ls.optimizers.OptimizerMap(slow, {"bias": fast}))
    >>> kernel, bias = ls.Variable(1.0, name="kernel"), ls.Variable(1.0, name="bias")
    >>> optimizer.apply([np.array(1.0), np.array(1.0)], [kernel, bias])
    >>> float(kernel), float(bias)
    (0.875, 0.0)
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.loss_scale_factor = loss_scale_factor
        self._optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        self._start_state()
        # Keras keeps one, of no use, among the variables.
        self._learning_rate = Variable(0.0, False, name="learning_rate", dtype=floatx())
        self._learning_rate.scope = (self.name,)
        if isinstance(optimizer_map, OptimizerMap):
            for one in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._enlist(one)

    def _enlist(self, optimizer: Any) -> int:
        """Return the place of an optimizer among all, having given it one."""
        _checked(optimizer, "The optimizer of a variable")
        for index, known in enumerate(self.optimizers):
            if known is optimizer:
                return index
        optimizer.loss_scale_factor = self.loss_scale_factor
        self.optimizers.append(optimizer)
        return len(self.optimizers) - 1

    def build(self, variables: Sequence[Variable]) -> None:
        """Share the variables out, and build each optimizer for its own."""
        if self.built:
            return
        self._number_variables(variables)
        self._places = [self._enlist(self._optimizer_map(variable)) for variable in variables]
        for optimizer, share in zip(self.optimizers, self._shares(variables), strict=True):
            if share:
                optimizer.build(share)
        self.built = True

    def _shares(self, variables: Sequence[Variable]) -> list[list[Any]]:
        """Return the variables of each optimizer."""
        shares: list[list[Any]] = [[] for _ in self.optimizers]
        for variable in variables:
            shares[self._places[self._get_variable_index(variable)]].append(variable)
        return shares

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Let every optimizer take a step with its own variables.

        Raises
        ------
        ValueError
            If an optimizer has no gradient, or a variable is not one it was built for.
        """
        if len(grads) == 0:
            return
        variables = self._targets(grads, trainable_variables)
        by_variable = {id(variable): grad for grad, variable in zip(grads, variables, strict=True)}
        for optimizer, share in zip(self.optimizers, self._shares(variables), strict=True):
            if share:
                optimizer.apply([by_variable[id(variable)] for variable in share], share)
        self._iterations.value += 1

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Give variables the values training ends with."""
        for optimizer, share in zip(self.optimizers, self._shares(var_list), strict=True):
            if share:
                optimizer.finalize_variable_values(share)

    @property
    def variables(self) -> list[Variable]:
        """Everything that a later step depends on, beside the weights."""
        inner = [variable for optimizer in self.optimizers for variable in optimizer.variables]
        return [*super().variables, *inner]

    @property
    def iterations(self) -> Any:
        """Steps taken."""
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """Each of the `optimizers` has its own."""
        raise AttributeError(_NO_RATE.format("accessed"))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:  # type: ignore[override]
        raise AttributeError(_NO_RATE.format("set"))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data."""
        return {
            "optimizer_map": serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Create an instance from what `get_config` returned."""
        with custom_object_scope(custom_objects or {}):
            made = OptimizerMap.from_config(config["optimizer_map"]["config"])
        return cls(**{**config, "optimizer_map": made})


_NO_RATE = (
    "Learning rate cannot be {} on a MultiOptimizer. Use the learning rate of the individual "
    "`optimizers` instead."
)
