"""Standardization by statistics of the data, which it learns in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.data_layer import _DataLayer, batches_of
from layerscope.layers.preprocessing.rescaling import number_or_numbers
from layerscope.ops.shapes import normalize_axes
from layerscope.tensor import Shape


def _check_axis(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    axes = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(axis, bool) or not isinstance(axis, (int, np.integer)) for axis in axes):
        raise TypeError(
            f"Argument `axis` must be an integer, a tuple of integers or None. "
            f"Received: axis={value!r}"
        )
    return tuple(int(axis) for axis in axes)


class _Standardizing(_DataLayer):
    """Base with the statistics in use, which have the names of the arguments.

    The arguments themselves are kept under other names.
    """

    _mean: Any = None
    _variance: Any = None
    _kept: tuple[int, ...] = ()
    _broadcast: tuple[int, ...] = ()

    @property
    def input_mean(self) -> Any:
        """The mean that was an argument, None if it is learned."""
        return self._mean

    @property
    def input_variance(self) -> Any:
        """The variance that was an argument, None if it is learned."""
        return self._variance

    def _given(self, statistic: Any) -> np.ndarray:
        """Return a statistic that was an argument in the shape of the input."""
        array = np.asarray(statistic, self.dtype)
        shape = [1] * len(self._broadcast)
        for offset in range(1, array.ndim + 1):
            shape[self._kept[-offset]] = array.shape[-offset]
        return np.broadcast_to(array.reshape(shape), self._broadcast)

    @property
    def mean(self) -> Any:
        """Mean in use, in the shape of the input; None before the layer is built."""
        return self._statistic(self.input_mean, "adapt_mean")

    @property
    def variance(self) -> Any:
        """Variance in use, in the shape of the input; None before the layer is built."""
        return self._statistic(self.input_variance, "adapt_variance")

    def _statistic(self, given: Any, weight: str) -> Any:
        if not self.built:
            return None
        if given is not None:
            return self._given(given)
        return getattr(self, weight).value.reshape(self._broadcast).astype(self.dtype)


class Normalization(_Standardizing):
    """Shifts and scales features to mean zero and variance one.

    The statistics are arguments, or `adapt` learns them from data; they are kept as weights then.

    Shapes: input and output are the same; mean and variance as the axes `axis` of the input.
    Source: Keras `Normalization`; batches merged as by Chan et al. 1979.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0]]))
    >>> layer(np.array([[1.0, 9.0]]))
    array([[0., 1.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \frac{x - \mu}{\max(\sigma, \epsilon)}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"mean": [0.5, -1.0, 2.0], "variance": [1.0, 0.25, 4.0]}, (2, 3)),
        Example({"axis": None, "mean": 0.5, "variance": 4.0}, (2, 3, 4)),
        Example({"axis": [1, 2], "mean": [1.0, 2.0], "variance": [4.0, 9.0], "invert": True},
                (2, 3, 2)),
    )  # fmt: skip

    axis: tuple[int, ...] = field(
        default=-1, converter=_check_axis, help="Axes that have statistics for each index."
    )
    mean: Any = field(
        default=None, converter=number_or_numbers, help="Mean of the data; None: to be learned."
    )
    variance: Any = field(
        default=None, converter=number_or_numbers, help="Variance of the data; None: learned."
    )
    invert: bool = field(default=False, help="Whether to undo the normalization instead.")

    def __post_init__(self) -> None:
        self.supports_masking = True
        mean, variance = self.input_mean, self.input_variance
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        if mean is None:
            return
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. "
                f"Received: mean shape {np.shape(mean)} and variance shape {np.shape(variance)}"
            )
        if np.ndim(mean) > len(self.axis):
            raise ValueError(
                "The rank of `mean` must be less than or equal to the number of axes "
                f"({len(self.axis)}). Received: mean shape {np.shape(mean)} for axis {self.axis}"
            )

    def build(self, input_shape: Shape) -> None:
        ndim = len(input_shape)
        if any(not -ndim <= axis < ndim for axis in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). Received inputs with "
                f"ndim={ndim}, while axis={self.axis}"
            )
        self._kept = tuple(sorted(normalize_axes(self.axis, ndim)))
        for axis in self._kept:
            if input_shape[axis] is None:
                raise ValueError(
                    "All `axis` values to be kept must have a known shape. Received "
                    f"axis={self.axis}, inputs.shape={input_shape}, with unknown axis at "
                    f"index {axis}"
                )
        self._broadcast = tuple(
            (length or 0) if axis in self._kept else 1 for axis, length in enumerate(input_shape)
        )
        lengths = tuple(input_shape[axis] for axis in self._kept)
        if self.input_mean is None:
            weight = {"shape": lengths, "trainable": False}
            self.adapt_mean = self.add_weight(name="mean", initializer="zeros", **weight)
            self.adapt_variance = self.add_weight(name="variance", initializer="ones", **weight)
            self.count = self.add_weight(
                name="count", shape=(), dtype="int32", initializer="zeros", trainable=False
            )
        else:
            # Statistics that cannot be broadcast are refused here, not at the first call.
            for statistic in (self.input_mean, self.input_variance):
                self._given(statistic)

    def adapt(self, data: Any) -> None:
        """Learn mean and variance from an array, or from an iterable of batches.

        A batch may be a tuple, of which the first entry is the input.

        Raises
        ------
        ValueError
            If there is no batch, or one has another shape than the layer was built for.
        TypeError
            If `data` is neither an array nor an iterable of arrays.
        """
        if self.built and self.input_mean is not None:
            raise ValueError(
                f"Cannot adapt layer '{self.name}', which was given `mean` and `variance`."
            )
        total, mean, variance = 0, np.zeros(()), np.zeros(())
        for batch in self._arrays(data):
            self._prepare(batch.shape)
            reduced = tuple(axis for axis in range(batch.ndim) if axis not in self._kept)
            size = math.prod(batch.shape[axis] for axis in reduced)
            total += size
            share = size / total
            new_mean, new_variance = batch.mean(reduced), batch.var(reduced)
            merged = mean * (1 - share) + new_mean * share
            variance = (variance + (mean - merged) ** 2) * (1 - share) + (
                new_variance + (new_mean - merged) ** 2
            ) * share
            mean = merged
        if not total:
            raise ValueError(
                "adapt() received an empty iterable (no batches). Expected at least one batch, "
                "such as `layer.adapt([x])`."
            )
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def _arrays(self, data: Any) -> Iterator[np.ndarray]:
        for batch in batches_of(data):
            inputs = batch[0] if isinstance(batch, tuple) else batch
            if not hasattr(inputs, "shape"):
                raise TypeError(
                    "adapt() expects an iterable of arrays, which have a `.shape`. Got an element "
                    f"of type {type(inputs).__name__}."
                )
            yield np.asarray(ops.convert_to_numpy(inputs), np.float64)

    def _prepare(self, shape: Shape) -> None:
        """Build for the first batch, and check that the others go with it."""
        if not self.built:
            self.build(shape)
            if self.input_mean is not None:
                raise ValueError(
                    f"Cannot adapt layer '{self.name}', which was given `mean` and `variance`."
                )
        same = len(shape) == len(self._broadcast) and all(
            shape[axis] == self._broadcast[axis] for axis in self._kept
        )
        if not same:
            raise ValueError(
                f"The layer was built with input_shape={self._build_shapes}, but adapt() is being "
                f"called with data with an incompatible shape, data.shape={shape}"
            )

    def finalize_state(self) -> None:
        """Do nothing: the statistics are always read from the weights."""

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, self.dtype)
        mean = self.mean
        spread = np.maximum(np.sqrt(self.variance), np.dtype(self.dtype).type(epsilon()))
        return mean + x * spread if self.invert else (x - mean) / spread

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
