"""What an optimizer remembers: variables of its own, to be saved with the weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np

from layerscope import initializers
from layerscope.config import floatx
from layerscope.tensor import Variable


class OptimizerState:
    """Owns the variables of an optimizer, in the order in which Keras has them."""

    name: Any

    def _start_state(self) -> None:
        self.built = False
        self._state: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._indices: dict[int, int] = {}
        self._iterations = Variable(0, trainable=False, name="iteration", dtype="int32")
        self._iterations.scope = (self.name,)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_indices"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copy's variables are others.
        self._number_variables(self._trainable_variables)

    def _number_variables(self, variables: Sequence[Variable]) -> None:
        self._trainable_variables = list(variables)
        self._indices = {id(variable): index for index, variable in enumerate(variables)}

    def _get_variable_index(self, variable: Variable) -> int:
        """Return the place of a variable among those the optimizer was built for.

        Raises
        ------
        ValueError
            If it is not one of them.
        """
        index = self._indices.get(id(variable))
        if index is None:
            raise self._unknown(variable)
        return index

    def _unknown(self, variable: Variable) -> ValueError:
        return ValueError(
            f"Unknown variable: {variable}. This optimizer can only be called for the variables it "
            "was originally built with. When working with a new set of variables, you should "
            "recreate a new optimizer instance."
        )

    # --- making variables ----------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: str | None = None,
        name: str | None = None,
    ) -> Variable:
        """Create a variable that is part of the optimizer's state."""
        dtype = dtype or floatx()
        values = initializers.get(initializer)(tuple(shape), dtype=dtype)
        return self._keep(Variable(values, trainable=False, name=name or "variable", dtype=dtype))

    def _keep(self, variable: Variable) -> Variable:
        variable.scope = (self.name,)
        self._state.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Create a variable of the shape and type of a weight, named after it."""
        return self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            f"{reference_variable.path.replace('/', '_')}_{name or 'var'}",
        )

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Create a variable for every weight, or for each of several names.

        Returns
        -------
        A list in the order of the weights, or a tuple of lists in the order of the names.
        """
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        first_values = list(initializer) if several else [initializer] * len(names)
        rows = [
            [
                self.add_variable_from_reference(variable, one, values)
                for one, values in zip(names, first_values, strict=True)
            ]
            for variable in trainable_variables
        ]
        columns = tuple([row[index] for row in rows] for index in range(len(names)))
        return columns[0] if isinstance(name, str) else columns

    # --- taking and giving ---------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """Everything that a later step depends on, beside the weights."""
        rate = self.__dict__.get("_learning_rate")
        own = [rate] if isinstance(rate, Variable) else []
        return [self._iterations, *own, *self._state]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the content of `variables`.

        Raises
        ------
        ValueError
            If the optimizer is not built, or the arrays are not as many or not of those shapes.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. "
                "Please call `optimizer.build(trainable_variables)` to create the optimizer "
                "weights before calling `set_weights()`."
            )
        arrays = [np.asarray(weight) for weight in weights]
        if len(arrays) != len(self.variables):
            raise ValueError(
                f"Optimizer '{self.name}' has {len(self.variables)} variables. Received: "
                f"{len(arrays)} weights."
            )
        for variable, array in zip(self.variables, arrays, strict=True):
            if variable.shape != array.shape:
                raise ValueError(
                    f"Optimizer variable '{variable.path}' has shape {variable.shape} not "
                    f"compatible with provided weight shape {array.shape}."
                )
        for variable, array in zip(self.variables, arrays, strict=True):
            variable.assign(array)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Write `variables` as arrays named ``"0"``, ``"1"``, ..., as Keras does."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote; warn and leave all as it is if it does not fit."""
        if len(store.keys()) != len(self.variables):
            built = "" if self.built else " The optimizer has not been built yet."
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has "
                f"{len(self.variables)} variables whereas the saved optimizer has "
                f"{len(store.keys())} variables.{built}",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(self.variables):
            variable.assign(store[str(index)])


class VariableState(MutableMapping[str, Any]):
    """What is kept for one weight, by name.

    A value that is set becomes a variable of the optimizer; what is read is its array, which may
    be changed in place.
    """

    def __init__(self, optimizer: OptimizerState, reference: Variable) -> None:
        self._optimizer = optimizer
        self._prefix = reference.path.replace("/", "_")
        self._slots: dict[str, Variable] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._slots[name].value

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self._slots:
            self._slots[name].assign(value)
        else:
            slot = Variable(value, trainable=False, name=f"{self._prefix}_{name}")
            self._slots[name] = self._optimizer._keep(slot)

    def setdefault(self, name: str, default: Any = None) -> np.ndarray:
        """Return what is kept under a name, which is `default` at first."""
        if name not in self._slots:
            self[name] = default
        # Not `default`, whose changes would be lost.
        return self[name]

    def __delitem__(self, name: str) -> None:
        self._optimizer._state.remove(self._slots.pop(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)
