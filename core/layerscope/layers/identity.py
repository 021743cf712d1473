"""Nothing, as a layer."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.layers.layer import Example, Layer
from layerscope.structure import map_structure
from layerscope.tensor import KerasTensor


class Identity(Layer):
    """Returns its input, where a layer is needed and nothing is to be done.

    Shapes: input and output are the same. Source: Keras `Identity`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Identity()(np.array([1.0, 2.0], "float32"))
    array([1., 2.], dtype=float32)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = x"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({}, [(2, 3), (2, 1, 4)]),
    )

    def __post_init__(self) -> None:
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        return map_structure(lambda tensor: KerasTensor(tensor.shape, tensor.dtype), inputs)
