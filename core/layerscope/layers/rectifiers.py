"""Rectifiers with options, each as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import activations, constraints, initializers, ops, regularizers
from layerscope.configurable import field, sizes
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.keras2 import _Keras2Only
from layerscope.layers.layer import Example, Layer
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


class _Rectifier(Layer):
    """What treats every entry alone: masks pass through and the shape stays."""

    section: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


class ReLU(_Rectifier):
    """Keeps what is above a threshold, up to a largest value.

    Shapes: input and output are the same. Source: Keras `ReLU`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.ReLU(max_value=6.0)(np.array([-1.0, 2.0, 9.0], "float32"))
    array([0., 2., 6.], dtype=float32)
    """

    formula: ClassVar[str] = (
        r"y = \min\Big(m, \begin{cases} x & x > \theta \\"
        r" s (x - \theta) & x \le \theta \end{cases}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({"max_value": 1.0, "negative_slope": 0.1}, (2, 3, 4)),
        Example({"negative_slope": 0.5, "threshold": 0.3}, (4,)),
    )

    max_value: float | None = field(
        default=None,
        ge=0,
        slider=(0, 10),
        help="Largest value of the output; None: no limit.",
        refusal="max_value of a ReLU layer cannot be a negative value. Received: max_value={value}",
    )
    negative_slope: float = field(
        default=0.0,
        ge=0,
        slider=(0, 1),
        help="Slope below the threshold.",
        refusal="negative_slope of a ReLU layer cannot be None or a negative value. "
        "Received: negative_slope={value}",
    )
    threshold: float = field(
        default=0.0,
        ge=0,
        slider=(0, 2),
        help="Value above which the input passes.",
        refusal="threshold of a ReLU layer cannot be None or a negative value. "
        "Received: threshold={value}",
    )

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(_Rectifier):
    """Lets positive values pass and scales negative ones down.

    Shapes: input and output are the same. Source: Maas et al. 2013; Keras `LeakyReLU`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.LeakyReLU(0.5)(np.array([-1.0, 2.0], "float32"))
    array([-0.5,  2. ], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \begin{cases} x & x \ge 0 \\ s x & x < 0 \end{cases}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({"negative_slope": 0.0}, (2, 2, 3)),
    )

    negative_slope: float = field(
        default=0.3,
        ge=0,
        slider=(0, 1),
        help="Slope below zero.",
        refusal="The negative_slope value of a Leaky ReLU layer cannot be None or a negative "
        "value. Received: negative_slope={value}",
    )

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        rest = super()._accept_legacy_arguments(unknown)
        if "alpha" in rest:
            self.negative_slope = rest.pop("alpha")
        return rest

    def call(self, inputs: Any) -> Any:
        return ops.leaky_relu(inputs, negative_slope=self.negative_slope)


class ELU(_Rectifier):
    """Lets positive values pass and bends negative ones towards ``-alpha``.

    Shapes: input and output are the same. Source: Clevert et al. 2015; Keras `ELU`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.ELU()(np.array([-100.0, 2.0], "float32"))
    array([-1.,  2.], dtype=float32)
    """

    formula: ClassVar[str] = (
        r"y = \begin{cases} x & x > 0 \\ \alpha (e^{x} - 1) & x \le 0 \end{cases}"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({"alpha": 0.5}, (2, 2, 3)),
    )

    alpha: float = field(default=1.0, slider=(0, 3), help="How far below zero the output can go.")

    def call(self, inputs: Any) -> Any:
        return ops.elu(inputs, alpha=self.alpha)


class ThresholdedReLU(_Keras2Only, _Rectifier):
    """Lets values above a threshold pass and zeroes the others.

    Keras 3 dropped this layer; configs of it load in Keras 2 only.

    Shapes: input and output are the same. Source: Konda et al. 2014; Keras 2 `ThresholdedReLU`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.ThresholdedReLU(1.0)(np.array([1.0, 2.0], "float32"))
    array([0., 2.], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \begin{cases} x & x > \theta \\ 0 & x \le \theta \end{cases}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 3)),
        Example({"theta": 0.2}, (2, 2, 3)),
    )

    theta: float = field(
        default=1.0, ge=0, slider=(0, 3), help="Value above which the input passes."
    )

    def call(self, inputs: Any) -> Any:
        return ops.threshold(inputs, self.theta, 0.0)


class PReLU(_Rectifier):
    """Lets positive values pass and scales negative ones by learned slopes.

    Shapes: input (batch, d1, ..., dn), alpha (d1, ..., dn) with length 1 for each shared axis,
    output as the input. Source: He et al. 2015; Keras `PReLU`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.PReLU("ones")(np.array([[-1.0, 2.0]], "float32"))
    array([[-1.,  2.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \max(x, 0) + \alpha \min(x, 0)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"alpha_initializer": "ones"}, (2, 3)),
        Example({"shared_axes": (1, 2)}, (2, 3, 2, 4)),
    )

    alpha_initializer: initializers.Initializer = field(
        default="Zeros", converter=initializers.get, help="First values of the slopes."
    )
    alpha_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the slopes."
    )
    alpha_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the slopes after each step."
    )
    shared_axes: tuple[int, ...] | None = field(
        default=None,
        converter=sizes,
        ge=1,
        help="Axes along which all entries have the same slope; 1 is the first after the batch.",
    )

    def build(self, input_shape: Shape) -> None:
        shared = self.shared_axes or ()
        if any(axis >= len(input_shape) for axis in shared):
            raise ShapeError(
                f"Argument `shared_axes` must name axes of the input, whose shape is "
                f"{input_shape}. Received: shared_axes={shared}"
            )
        own = {axis: input_shape[axis] for axis in range(1, len(input_shape)) if axis not in shared}
        self.alpha = self.add_weight(
            name="alpha",
            shape=[own.get(axis, 1) for axis in range(1, len(input_shape))],
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes=own)

    def call(self, inputs: Any) -> Any:
        return ops.prelu(inputs, self.alpha)
