"""What a layer owns: its weights, and the layers inside it with theirs."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TypeVar

import numpy as np

from layerscope import constraints, initializers, regularizers
from layerscope.config import FLOAT_TYPES, standardize_dtype
from layerscope.metrics import Metric
from layerscope.ops.shapes import ShapeError
from layerscope.random import SeedGenerator
from layerscope.saving.weights_file import account_for
from layerscope.structure import leaves
from layerscope.tensor import Variable

T = TypeVar("T")

#: Whether weights are made without memory, to count them.
_WEIGHTLESS: ContextVar[bool] = ContextVar("weightless", default=False)


@contextmanager
def weightless() -> Iterator[None]:
    """Let layers built inside have weights with a shape but no memory of their own.

    Parameter counts and shapes are exact; the weights read as zeros and must not be trained.
    """
    token = _WEIGHTLESS.set(True)
    try:
        yield
    finally:
        _WEIGHTLESS.reset(token)


#: The layers that are being built or called, outermost first.
SCOPE: ContextVar[tuple[WeightOwner, ...]] = ContextVar("scope", default=())


#: Whether any layer has ever had a metric: until then nobody need look for one.
_metrics_were_set = False


class inside:
    """Let weights made in the block have `owner`'s name in their path."""

    __slots__ = ("_owner", "_token")

    def __init__(self, owner: WeightOwner) -> None:
        self._owner = owner
        self._token: Token[tuple[WeightOwner, ...]] | None = None

    def __enter__(self) -> None:
        scope = SCOPE.get()
        if not scope or scope[-1] is not self._owner:
            self._token = SCOPE.set((*scope, self._owner))

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            SCOPE.reset(self._token)


def is_plain(value: Any) -> bool:
    """Tell whether a value neither is nor can hold a weight, a layer or a metric."""
    kind = type(value)
    return _is_plain(kind) or (kind is tuple and all(map(_is_plain, map(type, value))))


@functools.cache
def _is_plain(kind: type) -> bool:
    return not issubclass(kind, (Variable, WeightOwner, Metric, list, tuple, dict))


class WeightOwner:
    """Keeps track of variables and layers by watching which attributes are set."""

    name: str
    dtype: str
    trainable: bool
    built: bool
    _trainable_variables: list[Variable]
    _non_trainable_variables: list[Variable]
    _tracked: dict[str, Any]
    _metrics: dict[str, Any]

    # --- tracking ------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "trainable":
            self._set_trainable(bool(value))
        elif not is_plain(value):
            self._track(name, value)
        elif self._tracked or self._metrics:
            self._tracked.pop(name, None)
            self._metrics.pop(name, None)
        super().__setattr__(name, value)

    def _track(self, name: str, value: Any) -> None:
        if isinstance(value, Variable):
            self._track_variable(value)
        elif isinstance(value, (WeightOwner, list, tuple, dict)):
            self._track_layers(name, value)
        elif name in self._tracked:
            del self._tracked[name]
        self._track_metrics(name, value)

    def __delattr__(self, name: str) -> None:
        self._tracked.pop(name, None)
        self._metrics.pop(name, None)
        super().__delattr__(name)

    def _set_trainable(self, value: bool) -> None:
        for variable in self._trainable_variables:
            variable.trainable = value
        for layer in self._sublayers():
            layer.trainable = value

    def _track_variable(self, variable: Variable) -> None:
        for known in (*self._trainable_variables, *self._non_trainable_variables):
            if known is variable:
                return
        self._refuse_new_state()
        target = self._trainable_variables if variable.trainable else self._non_trainable_variables
        target.append(variable)
        if variable.owner is None:
            variable.owner = self

    def _track_layers(self, name: str, value: Any) -> None:
        if any(isinstance(leaf, WeightOwner) for leaf in leaves(value)):
            self._refuse_new_state()
            self._tracked[name] = value
        elif isinstance(value, (list, dict)) and not value:
            # An empty container may be filled with layers later.
            self._tracked[name] = value

    def _track_metrics(self, name: str, value: Any) -> None:
        if isinstance(value, Metric) or (
            isinstance(value, (list, tuple, dict))
            and any(isinstance(leaf, Metric) for leaf in leaves(value))
        ):
            global _metrics_were_set
            _metrics_were_set = True
            self._metrics[name] = value
        elif name in self._metrics:
            del self._metrics[name]

    def _refuse_new_state(self) -> None:
        if self.built:
            raise ValueError(
                "You cannot add new elements of state (variables or sub-layers) to a layer that "
                f"is already built. Create all state of '{self.name}' in `__init__()` or `build()`."
            )

    def _sublayers(self) -> list[Any]:
        """Return the layers directly inside, in the order their attributes were set."""
        if not self._tracked:
            return []
        held = [leaf for value in self._tracked.values() for leaf in leaves(value)]
        return list({id(leaf): leaf for leaf in held if isinstance(leaf, WeightOwner)}.values())

    @property
    def _layers(self) -> list[Any]:
        """The layers directly inside, under the name Keras's code uses."""
        return self._sublayers()

    def _flatten_layers(self) -> list[Any]:
        """Return this layer and all inside it."""
        found: list[Any] = [self]
        for layer in self._sublayers():
            if layer._tracked:
                found.extend(layer._flatten_layers())
            else:
                found.append(layer)
        return found

    @property
    def metrics(self) -> list[Any]:
        """Metrics among the attributes of this layer and of those inside it."""
        inner = [metric for layer in self._sublayers() for metric in layer.metrics]
        return [*self._own_metrics(), *inner]

    @property
    def metrics_variables(self) -> list[Variable]:
        """What the metrics keep."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def _layers_with_metrics(self) -> list[Any]:
        """Return this layer and all inside it, as far as they have metrics of their own."""
        if not _metrics_were_set:
            return []
        return [layer for layer in self._flatten_layers() if layer._metrics]

    def _own_metrics(self) -> list[Metric]:
        if not self._metrics:
            return []
        return [leaf for leaf in leaves(self._metrics) if isinstance(leaf, Metric)]

    # --- weights -------------------------------------------------------------------------

    def add_weight(
        self,
        *args: Any,
        shape: Sequence[int | None] | None = None,
        initializer: initializers.InitializerLike = None,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
        name: str | None = None,
    ) -> Variable:
        """Create a weight of this layer.

        Parameters
        ----------
        args : shape, initializer and dtype may be given by position, in this order.
        shape : length of each axis, all known; None makes a scalar.
        initializer : default: Glorot uniform for floats, zeros otherwise.
        dtype : default: the layer's.
        trainable : whether training changes it.
        regularizer : penalty added to the loss.
        constraint : projection after each optimizer step.
        name : default: ``"variable"``, ``"variable_1"``, ...

        Raises
        ------
        ValueError
            If the layer is already built, an argument is given twice, or `shape` is not a sequence
            of lengths.
        TypeError
            If more than three arguments are given by position.
        """
        self._refuse_new_state()
        if args:
            named = {"shape": shape, "initializer": initializer, "dtype": dtype}
            shape, initializer, dtype = _in_order("add_weight", args, named)
        dtype = standardize_dtype(dtype or self.dtype)
        lengths = _weight_shape(shape, self.name)
        account_for(lengths, dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtype in FLOAT_TYPES else "zeros"
        if name is None:
            count = len(self._trainable_variables) + len(self._non_trainable_variables)
            name = f"variable_{count}" if count else "variable"
        draw, values = initializers.get(initializer), ()
        if not _WEIGHTLESS.get():
            values = draw(lengths, dtype=dtype)
            values = np.asarray(getattr(values, "value", values), dtype).reshape(lengths)
        variable = Variable(
            values,
            trainable=trainable and self.trainable,
            name=name,
            dtype=dtype,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        if _WEIGHTLESS.get():
            variable.value = np.broadcast_to(np.zeros((), dtype), lengths)
        variable.initializer = draw
        variable.owner = self
        variable.scope = tuple(owner.name for owner in SCOPE.get() if owner is not self)
        own = self._trainable_variables if trainable else self._non_trainable_variables
        own.append(variable)
        return variable

    def add_variable(
        self,
        shape: Sequence[int | None],
        initializer: initializers.InitializerLike,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
        name: str | None = None,
    ) -> Variable:
        """Create a weight: the older name of `add_weight`."""
        return self.add_weight(
            shape,
            initializer,
            dtype,
            trainable=trainable,
            regularizer=regularizer,
            constraint=constraint,
            name=name,
        )

    @property
    def weights(self) -> list[Variable]:
        """Own trainable weights, own others, then those of the layers inside."""
        found = [*self._trainable_variables, *self._non_trainable_variables]
        if not self._tracked:
            return found
        for layer in self._sublayers():
            found.extend(layer.weights)
        return _unique(found)

    @property
    def trainable_weights(self) -> list[Variable]:
        """Weights that training changes."""
        if not self.trainable:
            return []
        found = [variable for variable in self._trainable_variables if variable.trainable]
        if not self._tracked:
            return found
        for layer in self._sublayers():
            found += layer.trainable_weights
        return _unique(found)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Weights that training leaves alone."""
        trained = {id(variable) for variable in self.trainable_weights}
        return [variable for variable in self.weights if id(variable) not in trained]

    @property
    def variables(self) -> list[Variable]:
        """All weights and the states of seed generators: own ones, then those inside."""
        states = (
            leaf.state for leaf in leaves(dict(vars(self))) if isinstance(leaf, SeedGenerator)
        )
        found = [*self._trainable_variables, *self._non_trainable_variables, *states]
        for layer in self._sublayers():
            found.extend(layer.variables)
        return _unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """Weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Weights that training leaves alone, and the states of seed generators."""
        trained = {id(variable) for variable in self.trainable_weights}
        return [variable for variable in self.variables if id(variable) not in trained]

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the weights' content.

        Raises
        ------
        ValueError
            If their number or a shape differs; nothing is changed then.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of "
                f"length {len(weights)}, but the layer was expecting {len(variables)} weights."
            )
        _assign_all(self.name, variables, weights)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put the weights of this layer alone into `store`, under ``"0"``, ``"1"``, ...

        Override both this and `load_own_variables` to keep something else in files.
        """
        for number, variable in enumerate(self._stored_variables()):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the weights of this layer alone from what `save_own_variables` filled.

        Raises
        ------
        ValueError
            If their number or a shape differs; nothing is changed then.
        """
        variables = self._stored_variables()
        if len(store) != len(variables):
            raise ValueError(
                f"Layer '{self.name}' expected {len(variables)} variables, but received "
                f"{len(store)} variables during loading. Expected: "
                f"{[variable.name for variable in variables]}"
            )
        values = [store[str(number)] for number in range(len(variables))]
        _assign_all(self.name, variables, values)

    def _stored_variables(self) -> list[Variable]:
        """Return the layer's own weights in the order of a file."""
        return [*self._trainable_variables, *self._non_trainable_variables]

    def count_params(self) -> int:
        """Return the number of scalars in the weights.

        Raises
        ------
        ValueError
            If the layer has no weights yet because it was never called.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't "
                "built. You can build it manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(variable.shape) for variable in self.weights)


def _assign_all(layer_name: str, variables: Sequence[Variable], values: Sequence[Any]) -> None:
    """Replace the content of variables, or of none of them if a shape differs."""
    arrays = [np.asarray(value) for value in values]
    for variable, array in zip(variables, arrays, strict=True):
        if variable.shape != array.shape:
            raise ValueError(
                f"Layer {layer_name} weight shape {variable.shape} is not compatible with "
                f"provided weight shape {array.shape} of '{variable.name}'."
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _in_order(function: str, args: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    """Return arguments in the order of `named`, of which the first may be given by position."""
    if len(args) > len(named):
        raise TypeError(
            f"`{function}()` takes at most {len(named)} positional arguments, "
            f"{', '.join(named)}. Received {len(args)}: {args}"
        )
    if args and isinstance(args[0], str):
        raise ValueError(
            f"`{function}()` takes the name of a weight as a keyword argument: `name={args[0]!r}`."
        )
    for name in list(named)[: len(args)]:
        if named[name] is not None:
            raise ValueError(
                f"`{name}` was passed both positionally and as a keyword argument of "
                f"`{function}()`. Received: {name}={named[name]!r}"
            )
    return [*args, *list(named.values())[len(args) :]]


def _weight_shape(shape: Any, layer_name: str) -> tuple[int, ...]:
    if shape is None:
        return ()
    if not isinstance(shape, (tuple, list)):
        raise ValueError(f"Cannot convert '{shape}' to a shape.")
    for length in shape:
        if not isinstance(length, (int, np.integer)) or length < 0:
            raise ShapeError(
                f"Layer '{layer_name}' cannot create a weight of shape {tuple(shape)}: the lengths "
                "it depends on must be known."
            )
    return tuple(map(int, shape))


def _unique(values: Iterable[T]) -> list[T]:
    """Return each object once, in order."""
    return list({id(value): value for value in values}.values())
