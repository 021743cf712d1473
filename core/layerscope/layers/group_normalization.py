"""Normalization within groups of channels."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers import affine
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


def _groups(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or (value < 1 and value != -1):
        raise ValueError(
            "Invalid value for argument `groups`. Expected a positive integer, or -1 for one group "
            f"per channel. Received: groups={value!r}"
        )
    return value


class GroupNormalization(Layer):
    """Brings each group of channels of a sample to mean zero and variance one.

    Neighbouring channels form a group; mean and variance are taken over the group and all
    positions. Then every channel is scaled and shifted.

    Shapes: input and output are the same; gamma and beta (channels,), where `axis` says which
    axis the channels are. Source: Wu & He 2018; Keras `GroupNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]], "float32")
    >>> ls.layers.GroupNormalization(2, epsilon=0.0)(x)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    section: ClassVar[str] = "normalization"
    formula: ClassVar[str] = (
        r"y_c = \gamma_c \, \frac{x_c - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + \beta_c"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"groups": 2}, (2, 4)),
        Example({"groups": 3, "center": False}, (2, 2, 2, 6)),
        Example({"groups": -1, "axis": -1, "scale": False}, (2, 4, 3)),
    )

    groups: int = field(
        default=32,
        converter=_groups,
        slider=(1, 64),
        help="Number of groups; -1: one group per channel.",
    )
    axis: int = field(default=-1, converter=affine.one_axis, help="Axis of the channels.")
    epsilon: float = affine.EPSILON
    center: bool = affine.CENTER
    scale: bool = affine.SCALE
    beta_initializer: initializers.Initializer = affine.BETA_INITIALIZER
    gamma_initializer: initializers.Initializer = affine.GAMMA_INITIALIZER
    beta_regularizer: regularizers.Regularizer | None = affine.BETA_REGULARIZER
    gamma_regularizer: regularizers.Regularizer | None = affine.GAMMA_REGULARIZER
    beta_constraint: constraints.Constraint | None = affine.BETA_CONSTRAINT
    gamma_constraint: constraints.Constraint | None = affine.GAMMA_CONSTRAINT

    def __post_init__(self) -> None:
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        affine.check_axes([self.axis], input_shape)
        channels = input_shape[self.axis]
        if channels is None:
            raise ShapeError(
                f"Axis {self.axis} of the input tensor should have a defined dimension but the "
                f"layer received an input with shape {input_shape}."
            )
        self.groups = channels if self.groups == -1 else self.groups
        if channels % self.groups:
            raise ShapeError(
                "The number of groups cannot be more than the number of channels, which must be a "
                "multiple of the number of channels in a group. Received: "
                f"groups={self.groups} and {channels} channels (input shape {input_shape})."
            )
        self.gamma, self.beta = affine.add_gamma_and_beta(self, (channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Any) -> Any:
        axis = self.axis % len(inputs.shape)
        lengths = [-1 if length is None else length for length in inputs.shape]
        split = [*lengths[:axis], self.groups, lengths[axis] // self.groups, *lengths[axis + 1 :]]
        others = [index for index in range(1, len(split)) if index != axis]
        grouped = ops.standardize(ops.reshape(inputs, split), axis=others, epsilon=self.epsilon)
        outputs = ops.reshape(grouped, lengths)
        for weight, operation in ((self.gamma, ops.multiply), (self.beta, ops.add)):
            if weight is not None:
                shape = [-1 if index == axis else 1 for index in range(len(lengths))]
                outputs = operation(outputs, ops.reshape(weight, shape))
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        affine.check_axes([self.axis], input_shape)
        return input_shape
