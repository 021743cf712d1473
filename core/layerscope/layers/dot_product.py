"""Products of two inputs, sample by sample."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.masked import follows
from layerscope.layers.merging import _Merge, common_batch
from layerscope.ops import shapes
from layerscope.ops.shapes import ShapeError
from layerscope.structure import is_shape
from layerscope.tensor import Shape


def _check_axes(axes: Any) -> Any:
    if isinstance(axes, int):
        return axes
    if not isinstance(axes, (list, tuple)):
        raise TypeError(
            "Invalid type for argument `axes`: it should be a list or an int. "
            f"Received: axes={axes}"
        )
    if len(axes) != 2:
        raise ValueError(
            "Invalid format for argument `axes`: it should contain two elements. "
            f"Received: axes={axes}"
        )
    if not all(isinstance(axis, int) for axis in axes):
        raise ValueError(
            "Invalid format for argument `axes`: list elements should be integers. "
            f"Received: axes={axes}"
        )
    return tuple(axes)


class Dot(_Merge):
    """Sums of products of two inputs over one axis of each, sample by sample.

    Shapes: inputs (batch, ...) and (batch, ...) with equal lengths along `axes`; output the
    first's other axes, then the second's without the batch, or (batch, 1) if none are left.
    Source: Keras `Dot`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Dot(axes=(1, 2)).compute_output_shape([(None, 3, 4), (None, 5, 3)])
    (None, 4, 5)
    """

    formula: ClassVar[str] = r"y_{\dots} = \sum_k x_{1, \dots k} \, x_{2, k \dots}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"axes": 1}, [(2, 3), (2, 3)]),
        Example({"axes": (1, 2)}, [(2, 3, 4), (2, 5, 3)]),
        Example({"axes": -1, "normalize": True}, [(2, 3, 4), (2, 4)]),
        Example({"axes": (3, -3)}, [(2, 2, 3, 4), (2, 4, 1, 2)]),
    )

    axes: int | tuple[int, int] = field(
        converter=_check_axes, help="Axis to sum over: one for both inputs, or one of each."
    )
    normalize: bool = field(
        default=False,
        help="Whether to divide by the lengths of the vectors first, which gives cosines.",
    )

    def call(self, inputs: Any) -> Any:
        given = [tuple(x.shape) for x in inputs] if isinstance(inputs, (list, tuple)) else []
        axes, out = self._axes(given), self.compute_output_shape(given)
        if self.normalize:
            inputs = [
                ops.normalize(x, axis, epsilon=epsilon())
                for x, axis in zip(inputs, axes, strict=True)
            ]
        batch, length = given[0][0], given[0][axes[0]]
        rows, columns = (
            math.prod(shape[1:axis] + shape[axis + 1 :])
            for shape, axis in zip(given, axes, strict=True)
        )
        first = ops.reshape(ops.moveaxis(inputs[0], axes[0], -1), (batch, rows, length))
        second = ops.reshape(ops.moveaxis(inputs[1], axes[1], 1), (batch, length, columns))
        return ops.reshape(ops.matmul(first, second), out)

    def _axes(self, input_shape: Any) -> tuple[int, int]:
        """Return the axis of each input that is summed over, counted from the start."""
        if is_shape(input_shape) or len(input_shape) != 2:
            raise ShapeError(
                "A `Dot` layer should be called on a list of 2 inputs. "
                f"Received: input_shape={input_shape}"
            )
        chosen = (self.axes,) * 2 if isinstance(self.axes, int) else self.axes
        first, second = (
            shapes.normalize_axis(axis, len(shape))
            for axis, shape in zip(chosen, input_shape, strict=True)
        )
        if 0 in (first, second):
            raise ShapeError(
                "Argument `axes` must not name axis 0, that of the batch. "
                f"Received: axes={self.axes} for input_shape={input_shape}"
            )
        return first, second

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        axis, other_axis = self._axes(input_shape)
        shape, other = input_shape
        if None not in (shape[axis], other[other_axis]) and shape[axis] != other[other_axis]:
            raise ShapeError(
                f"Incompatible input shapes: axis values {shape[axis]} (at axis {axis}) != "
                f"{other[other_axis]} (at axis {other_axis}). "
                f"Full input shapes: {shape}, {other}"
            )
        batch = common_batch(input_shape)
        rest = (
            *shape[1:axis], *shape[axis + 1 :], *other[1:other_axis], *other[other_axis + 1 :],
        )  # fmt: skip
        return (batch, *(rest or (1,)))

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


def dot(inputs: Any, axes: int | tuple[int, int] = -1, **kwargs: Any) -> Any:
    """Return sums of products of two inputs over `axes`, by a `Dot` layer."""
    return Dot(axes=axes, **kwargs)(inputs)
