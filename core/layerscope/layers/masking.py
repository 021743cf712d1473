"""Steps of a sequence that do not count."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.masks import set_keras_mask
from layerscope.tensor import Shape


def _number_or_array(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return np.array(value["config"]["value"], value["config"]["dtype"])
    return np.array(value) if isinstance(value, (list, tuple)) else value


class Masking(Layer):
    """Masks the steps of which every entry equals one value, and sets them to zero.

    The layers that follow leave masked steps out, as far as they support masks.

    Shapes: input and output (batch, ..., features) are the same, the mask (batch, ...).
    Source: Keras `Masking`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.Masking(mask_value=5.0)
    >>> x = np.array([[[5.0, 5.0], [5.0, 1.0]]], "float32")
    >>> layer(x)
    array([[[0., 0.],
            [5., 1.]]], dtype=float32)
    >>> layer.compute_mask(x)
    array([[False,  True]])
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y_t = m_t x_t,\ m_t = [\exists i: x_{t,i} \ne v]"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3, 4)),
        Example({"mask_value": 1.5}, (2, 3)),
        Example({"mask_value": -1}, (2, 2, 3, 1)),
    )

    mask_value: float | np.ndarray = field(
        default=0.0,
        converter=_number_or_array,
        slider=(-1, 1),
        help="Value that all entries of a masked step have.",
    )

    def call(self, inputs: Any) -> Any:
        counts = self.compute_mask(inputs)
        outputs = ops.where(ops.expand_dims(counts, -1), inputs, 0)
        set_keras_mask(outputs, counts)
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
