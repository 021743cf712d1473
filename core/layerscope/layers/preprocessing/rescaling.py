"""Multiplication and addition that bring numbers to another range."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import image_data_format
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.data_layer import _DataLayer
from layerscope.tensor import Shape


def number_or_numbers(value: Any) -> Any:
    """Return a number, or a list of one per channel; Keras writes arrays as dicts."""
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return value["config"]["value"]
    return value.tolist() if isinstance(value, np.ndarray) else value


class Rescaling(_DataLayer):
    """Multiplies by `scale` and adds `offset`, such as bringing pixels to [0, 1].

    Shapes: input and output are the same. Source: Keras `Rescaling`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Rescaling(1 / 127.5, offset=-1)(np.array([[0, 255]], "uint8"))
    array([[-1.,  1.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = s\,x + b"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"scale": 0.5, "offset": -1.0}, (2, 3)),
        Example({"scale": [0.5, 2.0], "offset": [0.0, 1.0]}, (2, 3, 4, 2)),
    )

    scale: Any = field(
        converter=number_or_numbers, help="What to multiply by, a number or one per channel."
    )
    offset: Any = field(
        default=0.0, converter=number_or_numbers, help="What to add, a number or one per channel."
    )

    def __post_init__(self) -> None:
        self.supports_masking = True
        for name in ("scale", "offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or np.asarray(value).dtype.kind not in "iuf":
                raise ValueError(
                    f"Argument `{name}` must be a number or a list of numbers, one per channel. "
                    f"Received: {name}={value!r}"
                )

    def call(self, inputs: Any) -> Any:
        scale, offset = (np.asarray(value, self.dtype) for value in (self.scale, self.offset))
        if scale.ndim and image_data_format() == "channels_first":
            scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
        return ops.cast(inputs, self.dtype) * scale + offset

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
