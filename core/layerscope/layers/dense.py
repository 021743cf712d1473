"""Fully connected layer."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import activations, constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.layers.low_rank import _LowRankAdapted
from layerscope.tensor import Shape


class Dense(_LowRankAdapted):
    """Affine map of the last axis: ``activation(x @ kernel + bias)``.

    With a `lora_rank` the kernel is frozen and a product of two small weights is added to it.

    Shapes: input (batch, ..., in), kernel (in, units), bias (units,), output (batch, ..., units).
    Source: Keras `Dense`; low-rank adaptation: Hu et al. 2021.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Dense(3, kernel_initializer="ones")(np.ones((1, 2), "float32"))
    array([[2., 2., 2.]], dtype=float32)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \sigma(x W + b)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"units": 3, "activation": "tanh"}, (4, 5)),
        Example({"units": 2, "use_bias": False}, (2, 3, 5)),
        Example({"units": 3, "lora_rank": 2, "lora_alpha": 4.0}, (2, 4)),
    )
    _positional: ClassVar[dict[str, str]] = {
        "activity_regularizer": "bias_regularizer",
        "lora_rank": "bias_constraint",
        "lora_alpha": "lora_rank",
    }

    units: int = field(
        ge=1,
        slider=(1, 256),
        help="Length of the output's last axis.",
        refusal="Expected argument `units` to be a positive integer. Received: units={value!r}",
    )
    activation: activations.Activation = field(
        default=None, converter=activations.get, help="Applied after the bias."
    )
    use_bias: bool = field(default=True, help="Whether to add a learned offset per unit.")
    kernel_initializer: initializers.Initializer = field(
        default="glorot_uniform", converter=initializers.get, help="First values of the kernel."
    )
    bias_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the bias."
    )
    kernel_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the kernel."
    )
    bias_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the bias."
    )
    kernel_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the kernel after each step."
    )
    bias_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the bias after each step."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._adapt_when_asked()
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    @property
    def kernel(self) -> Any:
        """The kernel, with what low-rank adaptation adds to it."""
        return self._effective()

    def call(self, inputs: Any) -> Any:
        kernel, bias, activation = self._effective(), self.bias, self.activation
        fused = activations.fused_name(activation)
        if bias is None:
            x = ops.matmul(inputs, kernel)
        elif fused is not None:
            return ops.dense(inputs, kernel, bias, activation=fused)
        else:
            x = ops.dense(inputs, kernel, bias)
        # Some take the activation away from a finished layer.
        return x if activation is None else activation(x)

    def _product(self) -> tuple[Any, Any, str | None] | None:
        """Return kernel, bias and activation if `ops.dense` of them is all a call does."""
        activation = self.activation
        fused = activations.fused_name(activation)
        if (
            type(self) is not Dense
            or not self.built
            or self.bias is None
            or self.input_spec != InputSpec(min_ndim=2, axes={-1: len(self._kernel.value)})
            or self._kernel.dtype != self.dtype
            or self.lora_enabled
            or self.activity_regularizer is not None
            or (fused is None and activation not in (None, activations.linear))
        ):
            return None
        return self._kernel, self.bias, fused

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)
