"""One vector repeated as a sequence."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field, whole_number
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.tensor import Shape


class RepeatVector(Layer):
    """Repeats a vector along a new axis of steps.

    Shapes: input (batch, features), output (batch, n, features). Source: Keras `RepeatVector`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.RepeatVector(3).compute_output_shape((None, 32))
    (None, 3, 32)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y_{t} = x,\ t = 1, \dots, n"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"n": 3}, (2, 4)),
        Example({"n": 1}, (3, 2)),
    )

    n: int = field(
        converter=whole_number("n"),
        ge=1,
        slider=(1, 20),
        help="How often to repeat the vector.",
        refusal="Argument `n` should be a positive integer. Received: n={value}",
    )

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.input_spec.check(input_shape, 0, self.name)
        return (input_shape[0], self.n, input_shape[1])
