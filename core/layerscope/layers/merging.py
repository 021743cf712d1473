"""What the layers that make one value of several share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from layerscope import ops
from layerscope.layers.layer import Layer
from layerscope.layers.masked import follows
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.structure import is_shape
from layerscope.tensor import Shape


def widened(value: Any, count: int) -> Any:
    """Return `value` with `count` axes of length one after the batch axis."""
    return ops.expand_dims(value, tuple(range(1, count + 1))) if count else value


def lengthened(mask: Any, rank: int) -> Any:
    """Return `mask` with axes of length one at its end, until it has `rank` of them."""
    missing = tuple(range(len(mask.shape), rank))
    return ops.expand_dims(mask, missing) if missing else mask


def common_batch(input_shapes: Sequence[Shape]) -> int | None:
    """Return the number of samples all inputs have, None if no input knows it.

    Raises
    ------
    ShapeError
        If two have different ones.
    """
    batches = {shape[0] for shape in input_shapes} - {None}
    if len(batches) > 1:
        raise ShapeError(
            "Cannot merge tensors with different batch sizes. "
            f"Received tensors with shapes {list(input_shapes)}"
        )
    return batches.pop() if batches else None


class _Merge(Layer):
    """Base of layers that take a list of inputs and combine them entry by entry.

    Inputs with fewer axes get new ones after the batch axis, then all are broadcast. The output's
    mask is true where that of any input is; without a mask on every input there is none.
    """

    section: ClassVar[str] = "merge"

    def build(self, input_shape: list[Shape]) -> None:
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        return self._merge(self._of_one_rank(inputs))

    def _merge(self, inputs: Sequence[Any]) -> Any:
        """Combine inputs that have equally many axes."""
        raise NotImplementedError

    def _of_one_rank(self, inputs: Any) -> Sequence[Any]:
        if not isinstance(inputs, (list, tuple)):
            raise self._no_list("inputs", inputs)
        ranks = {len(x.shape) for x in inputs}
        if len(ranks) == 1:
            return inputs
        return [widened(x, max(ranks) - len(x.shape)) for x in inputs]

    def _counting(self, inputs: Any, masks: Any) -> list[Any]:
        """Return masks that broadcast against what `_of_one_rank` returns, None for none."""
        rank = max(len(x.shape) for x in inputs)
        return [
            None if mask is None else lengthened(widened(mask, rank - len(x.shape)), rank)
            for x, mask in zip(inputs, masks or [None] * len(inputs), strict=True)
        ]

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        if is_shape(input_shape):
            raise self._no_list("input_shape", input_shape)
        batch = common_batch(input_shape)
        merged: Shape = ()
        for shape in input_shape:
            try:
                merged = shapes.broadcast(merged, shape[1:])
            except ShapeError:
                raise ShapeError(
                    "Inputs have incompatible shapes. "
                    f"Received shapes {merged} and {tuple(shape[1:])}"
                ) from None
        return (batch, *merged)

    def _no_list(self, name: str, value: Any) -> ShapeError:
        return ShapeError(
            "A merge layer should be called on a list of inputs. "
            f"Received: {name}={value} (not a list of shapes)"
        )

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = _checked_masks(inputs, previous_mask)
        if any(mask is None for mask in masks):
            return None
        rank = max(len(x.shape) for x in inputs)
        masks = [widened(mask, rank - len(x.shape)) for x, mask in zip(inputs, masks, strict=True)]
        longest = max(len(mask.shape) for mask in masks)
        counts, *others = (lengthened(mask, longest) for mask in masks)
        for other in others:
            counts = ops.logical_or(counts, other)
        return counts


def _checked_masks(inputs: Any, masks: Any) -> list[Any]:
    """Return one mask, or None, for each of the inputs."""
    if masks is None:
        return [None]
    for name, value in (("mask", masks), ("inputs", inputs)):
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"`{name}` should be a list. Received: {name}={value}")
    if len(masks) != len(inputs):
        raise ValueError(
            "The lists `inputs` and `mask` should have the same length. Received: "
            f"{len(inputs)} inputs and {len(masks)} masks"
        )
    return list(masks)
