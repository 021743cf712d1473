"""The values that flow through operations beside plain arrays.

`Tensor` is an array whose history a tape records, `KerasTensor` a shape and dtype without data,
`Variable` a named array a layer owns. All three share Python's operators, which dispatch to the
operation of the same name in `layerscope.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from layerscope.compiled import room
from layerscope.config import floatx, name_of
from layerscope.tape import is_recording

Shape = tuple[int | None, ...]

#: Operations by name; `layerscope.ops` fills it as it defines them.
OPERATIONS: dict[str, Any] = {}


def _refuse_numpy() -> None:
    """Raise if an array is asked for whose history would be lost.

    Raises
    ------
    TypeError
        While a tape records.
    """
    if is_recording():
        raise TypeError(
            "A NumPy function was applied to a value that is being differentiated, which would "
            "silently drop it from the gradient. Use the function of the same name in "
            "`layerscope.ops`, or `ops.stop_gradient(x)` if no gradient is wanted."
        )


class Operators:
    """Python's operators, each handed to the operation of the same meaning."""

    __slots__ = ()
    dtype: Any
    # NumPy must defer to the reflected operators instead of building object arrays.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> Any:
        return OPERATIONS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return OPERATIONS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return OPERATIONS["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return OPERATIONS["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return OPERATIONS["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return OPERATIONS["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return OPERATIONS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return OPERATIONS["divide"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return OPERATIONS["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return OPERATIONS["floor_divide"](other, self)

    def __mod__(self, other: Any) -> Any:
        return OPERATIONS["mod"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return OPERATIONS["mod"](other, self)

    def __pow__(self, other: Any) -> Any:
        return OPERATIONS["power"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return OPERATIONS["power"](other, self)

    def __matmul__(self, other: Any) -> Any:
        return OPERATIONS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return OPERATIONS["matmul"](other, self)

    def __neg__(self) -> Any:
        return OPERATIONS["negative"](self)

    def __abs__(self) -> Any:
        return OPERATIONS["abs"](self)

    def __lt__(self, other: Any) -> Any:
        return OPERATIONS["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return OPERATIONS["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return OPERATIONS["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return OPERATIONS["greater_equal"](self, other)

    def __eq__(self, other: object) -> Any:
        return OPERATIONS["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        return OPERATIONS["not_equal"](self, other)

    # Equality is elementwise, identity stays what makes a tensor usable as a key.
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return OPERATIONS["getitem"](self, key=key)

    @property
    def shape(self) -> Any:
        """Length of each axis."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def T(self) -> Any:
        """Transposed value."""
        return OPERATIONS["transpose"](self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("A scalar has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


class Tensor(Operators):
    """An array whose history is being recorded for differentiation.

    Attributes
    ----------
    value : the array itself.
    """

    __slots__ = ("_keras_mask", "value")

    def __init__(self, value: np.ndarray) -> None:
        self.value = value
        self._keras_mask: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of one entry."""
        return self.value.dtype

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.value.size

    def numpy(self) -> np.ndarray:
        """Return the array, without its history."""
        return self.value

    def item(self) -> Any:
        """Return the only entry as a Python number."""
        return self.value.item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        _refuse_numpy()
        return np.array(self.value, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"Tensor({self.value!r})"


class Variable(Operators):
    """A named array that a layer owns and an optimizer may change.

    Parameters
    ----------
    value : initial array; copied.
    trainable : whether gradients are wanted.
    name : name within its layer.
    regularizer : penalty added to the loss while the variable is trainable.
    constraint : projection applied after each update.
    """

    __slots__ = (
        "__weakref__",
        "_keras_mask",
        "constraint",
        "initializer",
        "name",
        "owner",
        "regularizer",
        "scope",
        "trainable",
        "value",
    )

    def __init__(
        self,
        value: Any,
        trainable: bool = True,
        name: str = "variable",
        *,
        dtype: Any = None,
        regularizer: Callable[[Any], Any] | None = None,
        constraint: Callable[[Any], Any] | None = None,
    ) -> None:
        # In C order, so that an optimizer can update it as one flat view.
        self.value: np.ndarray = np.array(value, dtype=dtype, order="C")
        if dtype is None and self.value.dtype == np.float64 and not hasattr(value, "dtype"):
            self.value = self.value.astype(floatx())
        self.value = room.in_line(self.value)
        self.trainable = trainable
        self.name = name
        self.regularizer = regularizer
        self.constraint = constraint
        #: What gave the first values, None for a variable made from values.
        self.initializer: Any = None
        self.owner: Any = None
        #: Names of the layers the owner was made in, outermost first.
        self.scope: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        """Name of the type of one entry."""
        return name_of(self.value.dtype)

    @property
    def path(self) -> str:
        """Name with those of the owning layer and of the layers around it before it."""
        owner = () if self.owner is None else (self.owner.name,)
        return "/".join((*self.scope, *owner, self.name))

    def assign(self, value: Any) -> np.ndarray:
        """Replace the content in place.

        Raises
        ------
        ValueError
            If the shape differs.
        """
        array = _array(value)
        if array.shape != self.shape:
            raise ValueError(
                f"The shape of the target variable and the shape of the value must match. "
                f"Received: variable '{self.path}' of shape {self.shape}, value of shape "
                f"{array.shape}."
            )
        self.value[...] = array
        return self.value

    def assign_add(self, value: Any) -> np.ndarray:
        """Add `value` in place."""
        return self.assign(self.value + _array(value))

    def assign_sub(self, value: Any) -> np.ndarray:
        """Subtract `value` in place."""
        return self.assign(self.value - _array(value))

    def numpy(self) -> np.ndarray:
        """Return a copy of the content."""
        return self.value.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.trainable:
            _refuse_numpy()
        return np.array(self.value, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


class KerasTensor(Operators):
    """A shape and a dtype standing for data that is not there yet.

    Parameters
    ----------
    shape : length of each axis, None where it is not known.
    dtype : type of one entry.
    name : shown in summaries.
    """

    __slots__ = ("_keras_mask", "dtype", "history", "name", "static_shape")

    def __init__(self, shape: Shape, dtype: str = "float32", name: str | None = None) -> None:
        self.static_shape: Shape = tuple(shape)
        # Text has no length of its own yet, and so no type of NumPy's.
        self.dtype = dtype if dtype == "string" else name_of(np.dtype(dtype))
        self.name = name or "keras_tensor"
        #: The `graph.Node` that made this tensor, and which of its outputs it is.
        self.history: tuple[Any, int] | None = None

    @property
    def shape(self) -> Shape:
        return self.static_shape

    #: For Keras's sake: there are only dense tensors.
    sparse = ragged = False

    def __eq__(self, other: object) -> Any:
        # What is the same tensor is equal, whatever its values: lists of tensors are searched so.
        return True if other is self else super().__eq__(other)

    __hash__ = object.__hash__

    def _no_data(self) -> TypeError:
        return TypeError(
            f"{self!r} has a shape but no values: it stands for data that comes later. Inside a "
            "functional model use `layerscope.ops` and layers, not NumPy functions or Python "
            "conditions on values."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise self._no_data()

    def __float__(self) -> float:
        raise self._no_data()

    def __bool__(self) -> bool:
        raise self._no_data()

    def __iter__(self) -> Iterator[Any]:
        raise self._no_data()

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def _array(value: Any) -> np.ndarray:
    """Return the plain array in `value`."""
    return value.value if isinstance(value, (Tensor, Variable)) else np.asarray(value)


def is_tensor(value: Any) -> bool:
    """Tell whether `value` can be the input of a layer."""
    return isinstance(value, (np.ndarray, Operators, np.generic))
