"""Two-dimensional maximum pooling."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.config import DataFormat, standardize_data_format
from layerscope.configurable import field, sizes
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.ops import shapes
from layerscope.tensor import Shape


class MaxPooling2D(Layer):
    """Keeps the largest value of each window of an image.

    Shapes: input (batch, height, width, channels), output (batch, rows, columns, channels);
    channels second with ``"channels_first"``. Padding never wins. Source: Keras `MaxPooling2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.MaxPooling2D().compute_output_shape((None, 6, 6, 16))
    (None, 3, 3, 16)
    """

    section: ClassVar[str] = "pooling"
    aliases: ClassVar[tuple[str, ...]] = ("MaxPool2D",)
    formula: ClassVar[str] = r"y_{ijc} = \max_{u,v} x_{is+u,\,js+v,\,c}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 4, 6, 3)),
        Example({"pool_size": (3, 2), "strides": 2, "padding": "same"}, (2, 5, 4, 2)),
        Example({"pool_size": 2, "strides": 1, "data_format": "channels_first"}, (2, 3, 4, 4)),
    )

    pool_size: tuple[int, int] = field(
        default=(2, 2), converter=sizes, ge=1, slider=(1, 6), help="Height and width."
    )
    strides: tuple[int, int] | None = field(
        default=None,
        converter=sizes,
        ge=1,
        slider=(1, 6),
        help="Step between windows; None: the pool size.",
    )
    padding: Literal["valid", "same"] = field(
        default="valid", help="Whole windows only, or also those that reach over the edge."
    )
    data_format: DataFormat | None = field(
        default=None,
        converter=standardize_data_format,
        help="Where the channels are; None: the ambient setting.",
    )

    def __post_init__(self) -> None:
        self.strides = self.pool_size if self.strides is None else self.strides
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        return ops.max_pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.input_spec.check(input_shape, 0, self.name)
        first = self.data_format == "channels_first"
        spatial = input_shape[2:] if first else input_shape[1:-1]
        out = shapes.windows(spatial, self.pool_size, self.strides or self.pool_size, self.padding)
        return (*input_shape[:2], *out) if first else (input_shape[0], *out, input_shape[-1])
