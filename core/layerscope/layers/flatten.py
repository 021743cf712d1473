"""All axes but the batch joined into one."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.layers.layout import data_format_field
from layerscope.ops import shapes
from layerscope.tensor import Shape


class Flatten(Layer):
    """Joins all axes but the batch, in C order.

    Shapes: input (batch, d1, ..., dn), output (batch, d1 * ... * dn). With ``"channels_first"`` the
    channels are moved last before. Source: Keras `Flatten`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Flatten().compute_output_shape((None, 3, 3, 16))
    (None, 144)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \mathrm{reshape}(x, (b, -1))"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 4)),
        Example({"data_format": "channels_first"}, (2, 3, 2, 2)),
        Example({}, (3,)),
    )

    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        if self.data_format == "channels_first" and len(inputs.shape) > 1:
            inputs = ops.moveaxis(inputs, 1, -1)
        # The target is known but for the batch, so that an empty batch works too.
        return ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], shapes.size(input_shape[1:]))
