"""A penalty on what passes through."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import regularizers
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.tensor import Shape


class ActivityRegularization(Layer):
    """Returns its input and adds a penalty on it to the loss, divided by the batch size.

    Shapes: input and output are the same. Source: Keras `ActivityRegularization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.ActivityRegularization(l1=1.0)
    >>> _ = layer(np.ones((4, 3), "float32"))
    >>> float(layer.losses[0])
    3.0
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = (
        r"y = x,\ \mathrm{loss} \mathrel{+}= "
        r"\frac{1}{b}\Big(\lambda_1 \sum |x| + \lambda_2 \sum x^2\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"l1": 0.1, "l2": 0.2}, (4, 3)),
        Example({}, (2, 3, 2)),
    )

    l1: float = field(default=0.0, ge=0, slider=(0, 0.1), help="Weight of the absolute values.")
    l2: float = field(default=0.0, ge=0, slider=(0, 0.1), help="Weight of the squares.")

    def __post_init__(self) -> None:
        if self.activity_regularizer is not None:
            raise TypeError(
                "`ActivityRegularization` makes its penalty from `l1` and `l2`. "
                f"Received: activity_regularizer={self.activity_regularizer}"
            )
        self.activity_regularizer = regularizers.L1L2(l1=self.l1, l2=self.l2)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return config
