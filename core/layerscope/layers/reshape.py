"""The same entries under another shape."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.ops import shapes
from layerscope.tensor import Shape


class Reshape(Layer):
    """Gives the entries of each sample another shape, in C order.

    Shapes: input (batch, ...), output (batch, *target_shape). Source: Keras `Reshape`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Reshape((-1, 2)).compute_output_shape((None, 3, 4))
    (None, 6, 2)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \mathrm{reshape}(x, (b, t_1, \dots, t_n))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"target_shape": (6, 2)}, (2, 3, 4)),
        Example({"target_shape": (-1, 4)}, (2, 8)),
    )

    target_shape: tuple[int, ...] = field(
        ge=-1,
        help="Lengths without the batch; one may be -1 and is inferred.",
        refusal="Each entry of `target_shape` must be a non-negative integer or -1. "
        "Received: target_shape={value}",
    )

    def __post_init__(self) -> None:
        if self.target_shape.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in `target_shape`. "
                f"Received: target_shape={self.target_shape}."
            )

    def call(self, inputs: Any) -> Any:
        target = self.compute_output_shape(tuple(inputs.shape))
        if isinstance(target[0], int):
            return ops.reshape(inputs, target)
        return ops.reshape(inputs, (-1, *self.target_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rest = input_shape[1:]
        if None in rest:
            return (
                input_shape[0],
                *(None if length == -1 else length for length in self.target_shape),
            )
        return (input_shape[0], *shapes.reshape(rest, self.target_shape))
