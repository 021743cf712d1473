"""The entry point of a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope.config import standardize_dtype
from layerscope.graph import Node
from layerscope.layers.layer import Layer
from layerscope.tensor import KerasTensor, Shape


class InputLayer(Layer):
    """Where data enters a model; made by `Input`.

    Parameters
    ----------
    shape : lengths without the batch axis, None where free.
    batch_size : length of the batch axis, usually left free.
    dtype : type of one entry.
    sparse, ragged, optional : must be False; there are only dense inputs that are given.
    batch_shape : lengths with the batch axis, instead of `shape` and `batch_size`.
    input_tensor : symbolic tensor to start from, instead of a new one.
    name : name of the input.

    Raises
    ------
    ValueError
        If the arguments contradict one another, or say no shape.
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = "x"

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" in kwargs:
            warnings.warn(
                "Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2
            )
            shape = kwargs.pop("input_shape")
        whole = _whole_shape(shape, batch_size, batch_shape)
        if input_tensor is not None:
            given = {"shape": shape, "batch_shape": batch_shape, "batch_size": batch_size}
            _check_tensor(input_tensor, {**given, "dtype": dtype, "sparse": sparse})
            whole, dtype = input_tensor.shape, input_tensor.dtype
        if whole is None:
            raise ValueError("You must pass a `shape` argument.")
        for argument, value in (("sparse", sparse), ("ragged", ragged), ("optional", optional)):
            if value:
                raise ValueError(
                    f"`{argument}=True` is not supported: an input is a dense array that is always "
                    f"given. Received: {argument}={value!r}"
                )
        super().__init__(dtype=standardize_dtype(dtype), name=name, **kwargs)
        self.batch_shape: Shape = whole
        self.sparse = self.ragged = self.optional = False
        self.built = True
        if input_tensor is None:
            input_tensor = KerasTensor(whole, self.dtype, self.name)
        node = Node(self, (), {}, input_tensor)
        input_tensor.history = (node, 0)
        self._inbound_nodes.append(node)

    def call(self) -> None:
        """Do nothing: data is passed to the model."""

    def compute_output_shape(self, input_shape: Any = None) -> Shape:
        return self.batch_shape

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "optional": False,
            "name": self.name,
        }


def _whole_shape(
    shape: Sequence[int | None] | None,
    batch_size: int | None,
    batch_shape: Sequence[int | None] | None,
) -> Shape | None:
    """Return the shape with its batch, None if nothing says it."""
    for name, value in (("shape", shape), ("batch_size", batch_size)):
        if value is not None and batch_shape is not None:
            raise ValueError(
                f"You cannot pass both `{name}` and `batch_shape` at the same time. "
                f"Received: {name}={value}, batch_shape={batch_shape}"
            )
    name, given = ("shape", shape) if batch_shape is None else ("batch_shape", batch_shape)
    if given is None:
        return None
    if isinstance(given, int):
        raise ValueError(f"Argument `{name}` must be a tuple such as ({given},), not a number.")
    if any(
        length is not None
        and (not isinstance(length, (int, np.integer)) or isinstance(length, bool) or length < 0)
        for length in given
    ):
        raise ValueError(
            f"Argument `{name}` must hold whole numbers, or None where a length is free. "
            f"Received: {name}={given!r}"
        )
    lengths = tuple(None if length is None else int(length) for length in given)
    return lengths if batch_shape is not None else (batch_size, *lengths)


def _check_tensor(tensor: Any, given: dict[str, Any]) -> None:
    """Refuse arguments that say something else than the tensor an input is made from."""
    if not isinstance(tensor, KerasTensor):
        raise ValueError(
            "Argument `input_tensor` must be a KerasTensor. "
            f"Received: input_tensor={tensor!r} (of type {type(tensor).__name__})"
        )
    known = {
        "shape": tensor.shape[1:],
        "batch_shape": tensor.shape,
        "batch_size": tensor.shape[0],
        "dtype": tensor.dtype,
        "sparse": False,
    }
    for name, value in given.items():
        value = tuple(value) if isinstance(value, (list, tuple)) else value
        if value is not None and value != known[name]:
            raise ValueError(
                f"With `input_tensor` you cannot provide an incompatible `{name}`. Received: "
                f"{name}={value!r}, where the tensor has {known[name]!r}"
            )


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """Return a symbolic tensor to start a model with.

    Parameters
    ----------
    shape : lengths without the batch axis, None where free.
    batch_size : length of the batch axis, usually left free.
    dtype : type of one entry.
    sparse, ragged, optional : must be False; there are only dense inputs that are given.
    batch_shape : lengths with the batch axis, instead of `shape` and `batch_size`.
    name : name of the input.
    tensor : symbolic tensor to start from, instead of a new one.

    Raises
    ------
    ValueError
        If the arguments contradict one another, or say no shape.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.Input((8, 8, 1)).shape
    (None, 8, 8, 1)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
