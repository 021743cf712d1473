"""Softmax as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field, sizes
from layerscope.layers.layer import Example, Layer
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape

#: Takes the place of masked entries; Keras's value for these types.
_MASKED = -1e9


def masked_softmax(inputs: Any, mask: Any, axis: int | tuple[int, ...]) -> Any:
    """Return the softmax of the entries where `mask` is True, and zeros elsewhere."""
    outputs = ops.softmax(ops.where(mask, inputs, _MASKED), axis=axis)
    return ops.where(mask, outputs, 0.0)


class Softmax(Layer):
    """Exponentials of the entries, scaled to sum to one.

    A mask, True where an entry counts, may be given to the call; other entries become zero.

    Shapes: input and output are the same; the mask broadcasts against them.
    Source: Keras `Softmax`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Softmax()(np.zeros((1, 4), "float32"))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    section: ClassVar[str] = "activation"
    formula: ClassVar[str] = r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({"axis": (1, 2)}, (2, 3, 4)),
        Example({"axis": 1}, (2, 3, 2)),
    )

    axis: tuple[int, ...] = field(
        default=-1, converter=sizes, help="Axis or axes over which the entries sum to one."
    )

    def __post_init__(self) -> None:
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.softmax(inputs, axis=self.axis)
        self._check_mask(mask.shape, inputs.shape)
        return masked_softmax(inputs, mask if mask.dtype == "bool" else mask > 0.5, self.axis)

    def _check_mask(self, mask: Shape, inputs: Shape) -> None:
        pairs = zip(reversed(mask), reversed(inputs), strict=False)
        if len(mask) > len(inputs) or any(
            None not in (one, other) and one not in (1, other) for one, other in pairs
        ):
            raise ShapeError(
                "The `mask` must be broadcastable to `inputs` and must not have more dimensions. "
                f"Received: inputs.shape={inputs}, mask.shape={mask}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["axis"] = self.axis[0] if len(self.axis) == 1 else self.axis
        return config
