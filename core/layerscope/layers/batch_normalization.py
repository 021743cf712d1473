"""Normalization by the statistics of the batch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers import affine
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape, Variable

#: Keras's guard against a mask that leaves nothing.
_TINY = 1e-7


class BatchNormalization(Layer):
    """Brings every channel to mean zero and variance one, then scales and shifts it.

    While training the statistics are those of the batch, and moving averages of them are kept,
    which are used at inference and while the layer is not trainable.

    Shapes: input and output are the same; gamma, beta, moving_mean and moving_variance
    (channels,), where `axis` says which axis the channels are.
    Source: Ioffe & Szegedy 2015; Keras `BatchNormalization`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.BatchNormalization(epsilon=0.0)
    >>> layer(np.array([[0.0], [2.0]], "float32"), training=True)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    section: ClassVar[str] = "normalization"
    formula: ClassVar[str] = r"y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"momentum": 0.5}, (4, 3)),
        Example({"scale": False, "epsilon": 0.1}, (2, 3, 4, 2)),
        Example({"axis": 1, "center": False}, (3, 2, 4)),
    )

    axis: int = field(
        default=-1, converter=affine.one_axis, help="Axis of the channels, normalized one by one."
    )
    momentum: float = field(
        default=0.99, slider=(0, 1), help="Share of the moving averages kept at each step."
    )
    epsilon: float = affine.EPSILON
    center: bool = affine.CENTER
    scale: bool = affine.SCALE
    beta_initializer: initializers.Initializer = affine.BETA_INITIALIZER
    gamma_initializer: initializers.Initializer = affine.GAMMA_INITIALIZER
    moving_mean_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the moving mean."
    )
    moving_variance_initializer: initializers.Initializer = field(
        default="ones", converter=initializers.get, help="First values of the moving variance."
    )
    beta_regularizer: regularizers.Regularizer | None = affine.BETA_REGULARIZER
    gamma_regularizer: regularizers.Regularizer | None = affine.GAMMA_REGULARIZER
    beta_constraint: constraints.Constraint | None = affine.BETA_CONSTRAINT
    gamma_constraint: constraints.Constraint | None = affine.GAMMA_CONSTRAINT
    renorm: bool = field(default=False, help="Batch renormalization, which is not available.")
    renorm_clipping: dict[str, float] | None = field(
        default=None, help="Limits for batch renormalization, which is not available."
    )
    renorm_momentum: float = field(
        default=0.99, help="Momentum of batch renormalization, which is not available."
    )
    synchronized: bool = field(
        default=False, help="Statistics over several devices, which are not available."
    )

    def __post_init__(self) -> None:
        self.supports_masking = True
        for name in ("renorm", "synchronized"):
            if getattr(self, name):
                raise ValueError(
                    f"Argument `{name}` must be False: Layerscope computes on one device and "
                    f"without batch renormalization. Received: {name}=True"
                )

    def build(self, input_shape: Shape) -> None:
        affine.check_axes([self.axis], input_shape)
        channels = input_shape[self.axis]
        self.gamma, self.beta = affine.add_gamma_and_beta(self, (channels,))
        self.moving_mean = self._add_average("moving_mean", channels)
        self.moving_variance = self._add_average("moving_variance", channels)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def _add_average(self, name: str, channels: int | None) -> Variable:
        return self.add_weight(
            name=name,
            shape=(channels,),
            initializer=getattr(self, f"{name}_initializer"),
            trainable=False,
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ShapeError(
                "The mask provided should be one dimension less than the inputs. "
                f"Received: mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        if not training or not self.trainable:
            return self._normalize(inputs, self.moving_mean, self.moving_variance)
        if mask is None:
            gamma = np.ones_like(self.moving_mean.value) if self.gamma is None else self.gamma
            beta = np.zeros_like(self.moving_mean.value) if self.beta is None else self.beta
            outputs, mean, variance = ops.normalize_batch(
                inputs, gamma, beta, axis=self.axis, epsilon=self.epsilon
            )
        else:
            mean, variance = self._masked_moments(inputs, mask)
            outputs = self._normalize(inputs, mean, variance)
        self._keep(self.moving_mean, mean)
        self._keep(self.moving_variance, variance)
        return outputs

    def _normalize(self, inputs: Any, mean: Any, variance: Any) -> Any:
        return ops.batch_normalization(
            inputs, mean, variance, self.axis, self.beta, self.gamma, self.epsilon
        )

    def _masked_moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Mean and variance over the entries the mask keeps; it lacks the last axis."""
        axis = self.axis % len(inputs.shape)
        others = tuple(index for index in range(len(inputs.shape)) if index != axis)
        counts = ops.broadcast_to(ops.expand_dims(mask != 0, -1), inputs.shape)
        number = ops.sum(ops.cast(counts, self.dtype), axis=others, keepdims=True) + _TINY
        mean = ops.sum(ops.where(counts, inputs, 0.0), axis=others, keepdims=True) / number
        distances = ops.where(counts, ops.square(inputs - mean), 0.0)
        variance = ops.sum(distances, axis=others, keepdims=True) / number
        return ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))

    def _keep(self, average: Variable, value: Any) -> None:
        new = ops.stop_gradient(value)
        average.assign(average * self.momentum + new * (1 - self.momentum))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        affine.check_axes([self.axis], input_shape)
        return input_shape
