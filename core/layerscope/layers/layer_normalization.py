"""Normalization within each sample: by mean and variance, or by the root mean square."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers import affine
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.tensor import Shape


class _SampleNormalization(Layer):
    """What is normalized over one or several axes of each sample."""

    section: ClassVar[str] = "normalization"

    axis: int | tuple[int, ...] = field(
        default=-1,
        converter=affine.one_or_more_axes(
            "Expected an int or a list/tuple of ints for the argument 'axis'"
        ),
        help="Axis or axes to normalize over.",
    )

    @property
    def _axes(self) -> tuple[int, ...]:
        return (self.axis,) if isinstance(self.axis, int) else tuple(sorted(self.axis))

    def _lengths(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Return the lengths of the axes, which the input must have from now on."""
        axes = self._axes
        affine.check_axes(axes, input_shape)
        # From now on a config holds several axes even if there is one, as in Keras.
        self.axis = axes
        lengths = {axis: input_shape[axis] for axis in axes}
        self.input_spec = InputSpec(axes=lengths)
        return tuple(lengths.values())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        affine.check_axes(self._axes, input_shape)
        return input_shape


class LayerNormalization(_SampleNormalization):
    """Brings each sample to mean zero and variance one, then scales and shifts every entry.

    Shapes: input and output are the same; gamma and beta have the lengths of the axes normalized
    over. Source: Ba et al. 2016; Keras `LayerNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0]], "float32"))
    array([[-1.,  1.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 5)),
        Example({"axis": (1, 2), "center": False, "epsilon": 0.1}, (2, 3, 4)),
        Example({"axis": (-2, -1), "scale": False}, (2, 2, 3, 2)),
    )

    epsilon: float = affine.EPSILON
    center: bool = affine.CENTER
    scale: bool = affine.SCALE
    beta_initializer: initializers.Initializer = affine.BETA_INITIALIZER
    gamma_initializer: initializers.Initializer = affine.GAMMA_INITIALIZER
    beta_regularizer: regularizers.Regularizer | None = affine.BETA_REGULARIZER
    gamma_regularizer: regularizers.Regularizer | None = affine.GAMMA_REGULARIZER
    beta_constraint: constraints.Constraint | None = affine.BETA_CONSTRAINT
    gamma_constraint: constraints.Constraint | None = affine.GAMMA_CONSTRAINT
    rms_scaling: bool = field(
        default=False,
        kw_only=True,
        help="Only divide by the standard deviation; deprecated in Keras for `RMSNormalization`, "
        "which divides by the root mean square.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.gamma, self.beta = affine.add_gamma_and_beta(
            self, self._lengths(input_shape), self.rms_scaling
        )

    def call(self, inputs: Any) -> Any:
        return ops.layer_normalization(
            inputs, self.gamma, self.beta, self.axis, self.epsilon, self.rms_scaling
        )


class RMSNormalization(_SampleNormalization):
    """Divides each sample by its root mean square, then scales every entry.

    Shapes: input and output are the same; scale has the lengths of the axes normalized over.
    Source: Zhang & Sennrich 2019; Keras `RMSNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.RMSNormalization(epsilon=0.0)(np.array([[1.0, 7.0]], "float32"))
    array([[0.2, 1.4]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \gamma \, \frac{x}{\sqrt{\overline{x^2} + \epsilon}}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 5)),
        Example({"axis": (1, 2), "epsilon": 0.1}, (2, 3, 4)),
    )

    epsilon: float = field(
        default=1e-6, ge=0, slider=(1e-6, 1), help="Added to the mean square before the root."
    )

    def build(self, input_shape: Shape) -> None:
        self.scale = self.add_weight(
            name="scale", shape=self._lengths(input_shape), initializer="ones"
        )

    def call(self, inputs: Any) -> Any:
        return ops.rms_normalization(inputs, self.scale, self.axis, self.epsilon)


class UnitNormalization(_SampleNormalization):
    """Scales each sample to Euclidean length one.

    Shapes: input and output are the same. Source: Keras `UnitNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.UnitNormalization()(np.array([[3.0, 4.0]], "float32"))
    array([[0.6, 0.8]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \frac{x}{\lVert x \rVert_2}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, (2, 5)),
        Example({"axis": (1, 2)}, (2, 3, 4)),
    )

    axis: int | tuple[int, ...] = field(
        default=-1,
        converter=affine.one_or_more_axes(
            "Invalid value for `axis` argument: expected an int or a list/tuple of ints"
        ),
        help="Axis or axes to normalize over.",
    )

    def __post_init__(self) -> None:
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)
