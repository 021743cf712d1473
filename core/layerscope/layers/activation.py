"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import activations
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.tensor import Shape


class Activation(Layer):
    """Applies one activation to every entry: ``activation(x)``.

    Shapes: input and output are the same. Source: Keras `Activation`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Activation("relu")(np.array([-1.0, 2.0], "float32"))
    array([0., 2.], dtype=float32)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \sigma(x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"activation": "tanh"}, (2, 3)),
        Example({"activation": "softmax"}, (2, 3, 4)),
        Example({"activation": "relu"}, (4,)),
    )

    activation: activations.Activation = field(
        converter=activations.get, help="What is applied to every entry."
    )

    def __post_init__(self) -> None:
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
