"""Axes of each sample in another order."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.tensor import Shape


class Permute(Layer):
    """Reorders the axes of each sample; axes are counted from 1, the batch stays first.

    Shapes: input (batch, d1, ..., dn), output (batch, d_dims[0], ..., d_dims[n - 1]).
    Source: Keras `Permute`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \mathrm{transpose}(x, (0, p_1, \dots, p_n))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"dims": (2, 1)}, (2, 3, 4)),
        Example({"dims": (3, 1, 2)}, (2, 3, 2, 4)),
    )

    dims: tuple[int, ...] = field(help="The new order of the axes, such as (2, 1).")

    def __post_init__(self) -> None:
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims`: it must hold each of the numbers from 1 to "
                "the number of axes once; they must be consecutive and start from 1. "
                f"Received: dims={self.dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.input_spec.check(input_shape, 0, self.name)
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))
