"""Normalization by the statistics of the batch."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers import affine
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape, Tensor, Variable

#: Keras's guard against a mask that leaves nothing.
_TINY = 1e-7
#: The limits that `renorm_clipping` may hold.
_LIMITS = ["rmax", "rmin", "dmax"]


def _root_of(initializer: Any, shape: Sequence[int], dtype: str | None = None) -> Any:
    return ops.sqrt(initializer(shape, dtype=dtype))


@functools.lru_cache(maxsize=64)
def _shares(momentum: float, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return what an average keeps and what it takes; NumPy multiplies sooner by arrays."""
    return np.array(momentum, dtype), np.array(1 - momentum, dtype)


class BatchNormalization(Layer):
    """Brings every channel to mean zero and variance one, then scales and shifts it.

    While training the statistics are those of the batch, and moving averages of them are kept,
    which are used at inference and while the layer is not trainable.

    With `renorm` the moving averages are used while training as well: the batch is brought to mean
    and variance by its own statistics, and then to where the averages would have brought it, as if
    that were a fixed factor and offset.

    Shapes: input and output are the same; gamma, beta, moving_mean and moving_variance
    (channels,), where `axis` says which axis the channels are; so are moving_stddev, renorm_mean
    and renorm_stddev with `renorm`.
    Source: Ioffe & Szegedy 2015; renorm: Ioffe 2017; Keras `BatchNormalization`.

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
        Example({"renorm": True, "renorm_clipping": {"rmax": 3.0, "dmax": 5.0}}, (4, 2)),
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
    renorm: bool = field(
        default=False, help="Whether to train towards what the moving averages would give."
    )
    renorm_clipping: dict[str, float] | None = field(
        default=None,
        help="Limits of the factor, 'rmin' and 'rmax', and of the offset, 'dmax', with `renorm`.",
    )
    renorm_momentum: float = field(
        default=0.99,
        slider=(0, 1),
        help="Share kept at each step of the averages that `renorm` trains towards.",
    )
    synchronized: bool = field(
        default=False,
        help="Whether the statistics are those of all devices: there is one, so it is the same.",
    )

    def __post_init__(self) -> None:
        self.supports_masking = True
        if self.renorm:
            self.renorm_clipping = self.renorm_clipping or {}
            self._check_limits(self.renorm_clipping)

    def _check_limits(self, limits: dict[str, float]) -> None:
        if set(limits) - set(_LIMITS):
            raise ValueError(
                f"Received invalid keys for `renorm_clipping` argument: {limits}. Supported "
                f"values: {_LIMITS}."
            )
        rmax, rmin, dmax = map(limits.get, _LIMITS)
        if rmax is not None and rmin is not None and rmax < rmin:
            raise ValueError(
                "rmax should be greater than rmin in the `renorm_clipping` argument. Received: "
                f"rmax={rmax}, rmin={rmin}."
            )
        if dmax is not None and dmax < 0:
            raise ValueError(
                "dmax should be non-negative in the `renorm_clipping` argument. Received: "
                f"dmax={dmax}."
            )

    def build(self, input_shape: Shape) -> None:
        affine.check_axes([self.axis], input_shape)
        channels = input_shape[self.axis]
        self.gamma, self.beta = affine.add_gamma_and_beta(self, (channels,))
        self.moving_mean = self._add_average("moving_mean", channels, self.moving_mean_initializer)
        self.moving_variance = self._add_average(
            "moving_variance", channels, self.moving_variance_initializer
        )
        if self.renorm:
            root = functools.partial(_root_of, self.moving_variance_initializer)
            self.moving_stddev = self._add_average("moving_stddev", channels, root)
            self.renorm_mean = self._add_average(
                "renorm_mean", channels, self.moving_mean_initializer
            )
            self.renorm_stddev = self._add_average("renorm_stddev", channels, root)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def _add_average(self, name: str, channels: int | None, initializer: Any) -> Variable:
        return self.add_weight(
            name=name, shape=(channels,), initializer=initializer, trainable=False
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ShapeError(
                "The mask provided should be one dimension less than the inputs. "
                f"Received: mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        if not training or not self.trainable:
            return ops.batch_normalization(
                inputs,
                self.moving_mean,
                self.moving_variance,
                self.axis,
                self.beta,
                self.gamma,
                self.epsilon,
            )
        if self.renorm:
            return self._renormalize(inputs, mask)
        outputs, mean, variance = self._normalize(inputs, mask, self.gamma, self.beta)
        self._keep(self.moving_mean, mean, self.momentum)
        self._keep(self.moving_variance, variance, self.momentum)
        return outputs

    def _normalize(self, inputs: Any, mask: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
        """Return what the batch's own statistics make of it, its mean and its variance."""
        if mask is not None:
            mean, variance = self._masked_moments(inputs, mask)
            outputs = ops.batch_normalization(
                inputs, mean, variance, self.axis, beta, gamma, self.epsilon
            )
            return outputs, mean, variance
        gamma = np.ones_like(self.moving_mean.value) if gamma is None else gamma
        beta = np.zeros_like(self.moving_mean.value) if beta is None else beta
        return ops.normalize_batch(inputs, gamma, beta, axis=self.axis, epsilon=self.epsilon)

    def _renormalize(self, inputs: Any, mask: Any) -> Any:
        outputs, mean, variance = self._normalize(inputs, mask, None, None)
        mean = ops.stop_gradient(mean)
        stddev = ops.sqrt(ops.stop_gradient(variance) + self.epsilon)
        factor, offset = self._corrections(mean, stddev)
        if self.gamma is not None:
            factor, offset = factor * self.gamma, offset * self.gamma
        if self.beta is not None:
            offset = offset + self.beta
        self._keep(self.renorm_mean, mean, self.renorm_momentum)
        self._keep(self.renorm_stddev, stddev, self.renorm_momentum)
        self._keep(self.moving_mean, mean, self.momentum)
        self._keep(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(ops.relu(ops.square(self.moving_stddev.value) - self.epsilon))
        lengths = [1] * len(inputs.shape)
        lengths[self.axis] = -1
        return outputs * ops.reshape(factor, lengths) + ops.reshape(offset, lengths)

    def _corrections(self, mean: Any, stddev: Any) -> tuple[Any, Any]:
        """Return factor and offset from the batch's statistics to the averages', within limits."""
        limits = self.renorm_clipping or {}
        usual = np.maximum(self.renorm_stddev.value, math.sqrt(self.epsilon))
        factor = stddev / usual
        offset = (mean - self.renorm_mean.value) / usual
        if limits.get("rmin") is not None:
            factor = ops.maximum(factor, limits["rmin"])
        if limits.get("rmax") is not None:
            factor = ops.minimum(factor, limits["rmax"])
        if limits.get("dmax") is not None:
            offset = ops.clip(offset, -limits["dmax"], limits["dmax"])
        return factor, offset

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

    def _keep(self, average: Variable, value: Any, momentum: float) -> None:
        # Of arrays: no tape has to know how an average came about.
        new = value.value if isinstance(value, Tensor) else value
        kept = average.value
        old_share, new_share = _shares(momentum, kept.dtype)
        kept *= old_share
        kept += new * new_share

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        affine.check_axes([self.axis], input_shape)
        return input_shape
