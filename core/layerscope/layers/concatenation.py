"""Several inputs joined along one axis."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.masked import follows
from layerscope.layers.merging import _checked_masks, _Merge, lengthened
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.structure import is_shape
from layerscope.tensor import Shape


class Concatenate(_Merge):
    """The inputs joined along one axis, in order.

    An input without a mask counts everywhere if another has one. Masks are joined along the axis
    of the steps; along the axis of the features a step counts if it does in any input.

    Shapes: a list of inputs that differ along `axis` alone, where the output's length is the sum
    of theirs. Source: Keras `Concatenate`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Concatenate().compute_output_shape([(None, 3), (None, 4)])
    (None, 7)
    """

    formula: ClassVar[str] = r"y = [x_1, x_2, \dots]"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, [(2, 3), (2, 4)]),
        Example({"axis": 1}, [(2, 3, 4), (2, 1, 4), (2, 2, 4)]),
        Example({"axis": -2}, [(2, 3, 4)]),
    )

    axis: int = field(default=-1, help="Axis along which to join.")

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)):
            raise self._no_list("inputs", inputs)
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        if is_shape(input_shape):
            raise self._no_list("input_shape", input_shape)
        try:
            return shapes.concatenate(*input_shape, axis=self.axis)
        except ShapeError:
            raise ShapeError(
                "A `Concatenate` layer requires inputs with matching shapes except for the "
                f"concatenation axis. Received: input_shape={input_shape}"
            ) from None

    def _no_list(self, name: str, value: Any) -> ShapeError:
        return ShapeError(
            "A `Concatenate` layer should be called on a list of at least 1 input. "
            f"Received: {name}={value}"
        )

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = _checked_masks(inputs, previous_mask)
        if all(mask is None for mask in masks):
            return None
        rank = len(inputs[0].shape)
        full = [_of_every_entry(mask, x) for x, mask in zip(inputs, masks, strict=True)]
        longest = max(len(mask.shape) for mask in masks if mask is not None)
        joined = ops.concatenate(full, axis=self.axis)
        # What lies behind the mask's own axes counts if any entry does.
        return ops.any(joined, axis=tuple(range(min(longest, rank - 1), rank)))


def _of_every_entry(mask: Any, x: Any) -> Any:
    """Return the mask of `x` in its shape, true everywhere for None."""
    if mask is None:
        return ops.ones_like(x, dtype="bool")
    rank = len(x.shape)
    if len(mask.shape) == rank:
        return mask
    return ops.logical_or(lengthened(mask, rank), ops.zeros_like(x, dtype="bool"))


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return the inputs joined along `axis`, by a `Concatenate` layer."""
    return Concatenate(axis=axis, **kwargs)(inputs)
