"""The base of all metrics: values gathered over batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import initializers, ops
from layerscope.config import floatx, standardize_dtype
from layerscope.configurable import Configurable, field
from layerscope.registry import snake_case
from layerscope.structure import leaves
from layerscope.tensor import Shape, Variable

Array = np.ndarray


class Metric(Configurable):
    """A value gathered over batches, the state of which is in variables.

    Define ``update_state(...)``, which takes in a batch, and ``result()``; add variables with
    `add_variable` in the constructor.

    Source: Keras `Metric`.

    Examples
    --------
    >>> import layerscope as ls
    >>> class Largest(ls.metrics.Metric):
    ...     def __init__(self, name="largest", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.largest = self.add_variable((), "zeros", name="largest")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest.assign(max(float(self.largest), y_pred.max()))
    ...
    ...     def result(self):
    ...         return self.largest.value
    >>> import numpy as np
    >>> float(Largest()(None, np.array([1.0, 3.0])))
    3.0
    """

    kind: ClassVar[str] = "metric"
    keras_module: ClassVar[str] = "keras.metrics"
    #: Whether more is better, None if that depends.
    _direction: ClassVar[Literal["up", "down"] | None] = None

    _last: ClassVar[tuple[str, ...]] = ("dtype", "name")

    dtype: str = field(
        default=None, kw_only=True, converter=standardize_dtype, help="Type of the result."
    )
    name: str | None = field(default=None, kw_only=True, help="Name in the logs.")

    def __post_init__(self) -> None:
        self.name = self.name or snake_case(type(self).__name__)
        self._variables: list[Variable] = []

    # --- state ---------------------------------------------------------------------------

    def add_variable(
        self,
        shape: Shape = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Create a variable that is part of the state.

        Parameters
        ----------
        shape : length of each axis.
        initializer : what gives the first values; None: zeros.
        dtype : type of one entry, None for `floatx`.
        aggregation : taken for Keras's sake: there is one copy of a variable.
        name : name within the metric.

        Raises
        ------
        RuntimeError
            If the constructor of `Metric` was not called.
        """
        self._check_super_called()
        first = initializers.get("zeros" if initializer is None else initializer)
        dtype = floatx() if dtype is None else standardize_dtype(dtype)
        values = first(tuple(shape), dtype=dtype)
        variable = Variable(values, trainable=False, name=name or "variable", dtype=dtype)
        variable.owner = self
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Shape = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Create a variable that is part of the state, like `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The state: the metric's own variables, then those of the metrics it holds."""
        held = leaves(dict(vars(self)))
        own = [value for value in held if isinstance(value, Variable)]
        inner = [
            value for metric in held if isinstance(metric, Metric) for value in metric.variables
        ]
        return list({id(value): value for value in (*own, *inner)}.values())

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in one batch."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state(...)`.")

    def result(self) -> Any:
        """Return the value so far."""
        raise NotImplementedError(f"{type(self).__name__} must define `result()`.")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in one batch and return the value so far."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def _check_super_called(self) -> None:
        if "_variables" not in self.__dict__:
            raise RuntimeError(
                "You forgot to call `super().__init__()` in the `__init__()` method of "
                f"{type(self).__name__}. Go add it!"
            )

    # --- without changing the metric -----------------------------------------------------

    def stateless_update_state(
        self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any
    ) -> list[Array]:
        """Return what values of the variables become with one more batch.

        Parameters
        ----------
        metric_variables : a value for each of `variables`.
        args, kwargs : of `update_state`.

        Raises
        ------
        ValueError
            If the number of values is wrong.
        """
        twin = self._with_state(metric_variables)
        twin.update_state(*args, **kwargs)
        return [variable.value for variable in twin.variables]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """Return the result for values of the variables.

        Raises
        ------
        ValueError
            If the number of values is wrong.
        """
        return self._with_state(metric_variables).result()

    def stateless_reset_state(self) -> list[Array]:
        """Return the values that the variables have after `reset_state`."""
        twin = copy.deepcopy(self)
        twin.reset_state()
        return [variable.value for variable in twin.variables]

    def _with_state(self, values: Sequence[Any]) -> Metric:
        """Return a copy with other values of the variables."""
        twin = copy.deepcopy(self)
        if len(values) != len(twin.variables):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. Received list with length {len(values)}, but "
                f"expected {len(twin.variables)} variables."
            )
        for variable, value in zip(twin.variables, values, strict=True):
            variable.assign(value)
        return twin


def as_array(value: Any, dtype: str | None = None) -> Array:
    """Return the plain array in a value, Python floats as `floatx`."""
    return ops.convert_to_numpy(ops.convert_to_tensor(value, dtype))


def ratio(numerator: Any, denominator: Any) -> Any:
    """Return the quotient, 0 where the denominator is 0."""
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    zero = denominator == 0
    # An empty tuple as index makes a scalar of an array without axes.
    return np.where(zero, 0, numerator / np.where(zero, 1, denominator)).astype(
        numerator.dtype, copy=False
    )[()]
