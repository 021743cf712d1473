"""The entry point of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from layerscope.config import standardize_dtype
from layerscope.configurable import field
from layerscope.graph import Node
from layerscope.layers.layer import Layer
from layerscope.tensor import KerasTensor, Shape


def _batch_shape(value: Any) -> Shape:
    lengths = tuple(value)
    if any(
        length is not None and (not isinstance(length, int) or length < 0) for length in lengths
    ):
        raise ValueError(
            "Argument `batch_shape` must hold whole numbers, or None where a length is free. "
            f"Received: batch_shape={value!r}"
        )
    return lengths


class InputLayer(Layer):
    """Where data enters a model; made by `Input`."""

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = "x"

    batch_shape: Shape = field(converter=_batch_shape, help="Shape of the data, batch first.")

    def __post_init__(self) -> None:
        self.built = True
        tensor = KerasTensor(self.batch_shape, self.dtype, self.name)
        node = Node(self, (), {}, tensor)
        tensor.history = (node, 0)
        self._inbound_nodes.append(node)

    def call(self) -> Any:
        """An input has nothing to compute."""
        raise RuntimeError("An InputLayer is not called; pass data to the model instead.")

    def compute_output_shape(self, input_shape: Any = None) -> Shape:
        return self.batch_shape


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
) -> KerasTensor:
    """Return a symbolic tensor to start a model with.

    Parameters
    ----------
    shape : lengths without the batch axis, None where free.
    batch_size : length of the batch axis, usually left free.
    dtype : type of one entry.
    name : name of the input.
    batch_shape : lengths with the batch axis, instead of `shape` and `batch_size`.

    Raises
    ------
    ValueError
        If neither `shape` nor `batch_shape` is given, or both.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.Input((8, 8, 1)).shape
    (None, 8, 8, 1)
    """
    if shape is not None and batch_shape is not None:
        raise ValueError("Give either `shape` or `batch_shape`, not both.")
    if batch_shape is None:
        if shape is None:
            raise ValueError("You must pass a `shape` argument.")
        if isinstance(shape, int):
            raise ValueError(f"Argument `shape` must be a tuple such as ({shape},), not a number.")
        batch_shape = (batch_size, *shape)
    layer = InputLayer(
        batch_shape=tuple(batch_shape),
        dtype=standardize_dtype(dtype),
        name=name,
    )
    return layer.output
