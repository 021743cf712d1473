"""A layer whose weight is kept at a largest singular value of one."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import initializers, ops
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.layers.wrapper import Wrapper
from layerscope.tensor import Shape, Variable


class SpectralNormalization(Wrapper):
    """Divides the weight of a layer by its largest singular value, at every call while training.

    The value is estimated by power iteration, which goes on from call to call with the vector
    `vector_u`. The weight itself is rewritten; gradients are those of the layer with that weight.
    A weight of zeros stays as it is.

    Shapes: those of the inner layer, which must have a `kernel` or `embeddings`.
    Source: Miyato et al. 2018, algorithm 1; Keras `SpectralNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> inner = ls.layers.Dense(2, kernel_initializer=ls.initializers.Constant(3.0))
    >>> layer = ls.layers.SpectralNormalization(inner, power_iterations=5)
    >>> layer(np.ones((1, 2), "float32"), training=True).round(3)
    array([[1., 1.]], dtype=float32)
    """

    section: ClassVar[str] = "normalization"
    formula: ClassVar[str] = r"W \leftarrow \frac{W}{\sigma(W)},\ \sigma(W) = v^\top W u"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"layer": {"class_name": "Dense", "config": {"units": 3}}}, (2, 5)),
        Example(
            {
                "layer": {"class_name": "Conv1D", "config": {"filters": 2, "kernel_size": 2}},
                "power_iterations": 2,
            },
            (2, 4, 3),
        ),
    )

    power_iterations: int = field(
        default=1,
        ge=1,
        slider=(1, 10),
        help="Steps of the estimate at each call.",
        refusal="`power_iterations` should be greater than zero. Received: "
        "`power_iterations={value!r}`, which must be an integer",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # Its seed is drawn now, as those of the inner layer are.
        self._first_vector = initializers.TruncatedNormal(stddev=0.02)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.kernel = self._inner_weight()
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=self._first_vector,
            dtype=self.kernel.dtype,
            trainable=False,
        )
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})

    def _inner_weight(self) -> Variable:
        name = type(self.layer).__name__
        for attribute in ("kernel", "embeddings"):
            if hasattr(self.layer, attribute):
                weight = getattr(self.layer, attribute)
                if isinstance(weight, Variable):
                    return weight
                raise ValueError(
                    f"The `{attribute}` of {name} is no weight that could be rewritten, as with a "
                    f"`lora_rank`. Received: layer={self.layer}"
                )
        raise ValueError(
            f"{name} object has no attribute 'kernel' nor 'embeddings'. "
            f"Received: layer={self.layer}"
        )

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if training and self.kernel.value.any():
            self._normalize()
        output = self.layer(inputs)
        # A cast makes another tensor, which has no mask, even where there is nothing to do.
        return output if str(output.dtype) == self.dtype else ops.cast(output, self.dtype)

    def _normalize(self) -> None:
        """Take the steps of the estimate and rewrite the weight; no gradient leads through it."""
        kernel = self.kernel.value
        weights, u = ops.reshape(kernel, (-1, kernel.shape[-1])), self.vector_u.value
        v = u
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(weights)), axis=None)
            u = ops.normalize(ops.matmul(v, weights), axis=None)
        largest = ops.matmul(ops.matmul(v, weights), ops.transpose(u))
        self.vector_u.assign(u)
        self.kernel.assign(kernel / largest)
