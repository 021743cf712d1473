"""Sums and means over samples, of values or of a function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from layerscope import losses
from layerscope.configurable import fields_of
from layerscope.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from layerscope.masks import get_keras_mask
from layerscope.metrics.metric import Array, Metric, as_array, ratio
from layerscope.plain_data import serialize_value
from layerscope.structure import map_structure
from layerscope.tensor import Tensor


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce: Callable[..., Array], dtype: str
) -> tuple[Array, Array | None]:
    """Return one weighted value per sample, and the weight of each.

    Parameters
    ----------
    values : values of any shape, the samples along the first axis.
    sample_weight : factor of each sample, or of each entry of its first axes; None for ones.
    reduce : how the values of a sample are combined, ``(array, axis)``.
    dtype : type of the result.
    """
    mask = get_keras_mask(values)
    values = as_array(values, dtype)
    if sample_weight is None:
        return reduce(values, axis=tuple(range(1, values.ndim))), None
    weight = as_array(apply_mask(as_array(sample_weight, dtype), mask, dtype, "sum"))
    values, weight = squeeze_or_expand_to_same_rank(values, weight)
    if values.ndim > weight.ndim:
        values = reduce(values, axis=tuple(range(weight.ndim, values.ndim)))
    weight = np.broadcast_to(weight, values.shape)
    values = values * weight
    if weight.ndim > 1:
        weight = reduce(weight, axis=tuple(range(1, weight.ndim)))
    return reduce(values, axis=tuple(range(1, values.ndim))), weight


class Sum(Metric):
    """Weighted sum of the values it is given.

    Source: Keras `Sum`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.Sum()([1.0, 3.0], sample_weight=[1.0, 0.5]))
    2.5
    """

    _defaults: ClassVar[dict[str, Any]] = {"name": "sum"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.total = self.add_variable((), dtype=self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, the samples along the first axis."""
        reduced, _ = reduce_to_samplewise_values(values, sample_weight, np.sum, self.dtype)
        self.total.assign_add(reduced.sum())

    def result(self) -> Any:
        return self.total.value[()]


class Mean(Metric):
    """Weighted mean of the values it is given, 0 before the first.

    Source: Keras `Mean`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.Mean()([1.0, 4.0], sample_weight=[2.0, 1.0]))
    2.0
    """

    _defaults: ClassVar[dict[str, Any]] = {"name": "mean"}
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.total = self.add_variable((), dtype=self.dtype, name="total")
        self.count = self.add_variable((), dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, the samples along the first axis."""
        values, weight = reduce_to_samplewise_values(values, sample_weight, np.mean, self.dtype)
        self.total.assign_add(values.sum())
        self.count.assign_add(weight.sum() if weight is not None else values.size)

    def result(self) -> Any:
        return ratio(self.total.value, self.count.value)


class _MeanOf(Mean):
    """Mean of a function of targets and predictions, of which its own arguments are options."""

    function: ClassVar[Callable[..., Any]]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        mask = get_keras_mask(y_pred)
        # A metric is no part of what is differentiated.
        y_true, y_pred = map_structure(_detached, y_true), map_structure(_detached, y_pred)
        values = self.function(y_true, y_pred, **self._options())
        super().update_state(values, apply_mask(sample_weight, mask, self.dtype, "sum"))

    def _options(self) -> dict[str, Any]:
        shared = {one.name for one in fields_of(Mean)}
        own = [one.name for one in fields_of(type(self)) if one.name not in shared]
        return {name: getattr(self, name) for name in own}


def _detached(value: Any) -> Any:
    return value.value if isinstance(value, Tensor) else value


class MeanMetricWrapper(_MeanOf):
    """Mean of any function of targets and predictions.

    Parameters
    ----------
    fn : function ``(y_true, y_pred, **kwargs)`` giving one value per sample, or more.
    name, dtype : as of every metric.
    kwargs : options of the function.

    Source: Keras `MeanMetricWrapper`.

    Examples
    --------
    >>> import layerscope as ls
    >>> metric = ls.metrics.MeanMetricWrapper(lambda y, p: abs(p - y), name="distance")
    >>> import numpy as np
    >>> float(metric(np.array([1.0, 2.0]), np.array([1.0, 5.0])))
    1.5
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        Mean.__init__(self, name=name, dtype=dtype)  # pyright: ignore
        self._fn = fn
        self._fn_kwargs = kwargs

    @property
    def _direction(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        less = isinstance(self._fn, losses.Loss) or self._fn in losses.FUNCTIONS.values()
        return "down" if less else None

    @property
    def function(self) -> Callable[..., Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The function."""
        return self._fn

    def _options(self) -> dict[str, Any]:
        return self._fn_kwargs

    def get_config(self) -> dict[str, Any]:
        shared = {"name": self.name, "dtype": self.dtype}
        return {**shared, "fn": serialize_value(self._fn), **serialize_value(self._fn_kwargs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        from layerscope.metrics.lookup import function_of

        return super().from_config({**config, "fn": function_of(config.get("fn"))})
