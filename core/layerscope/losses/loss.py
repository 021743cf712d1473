"""What all losses share: types, masks, weights, and how the samples are put together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from layerscope import ops
from layerscope.config import floatx, standardize_dtype
from layerscope.configurable import Configurable, field, fields_of
from layerscope.masks import get_keras_mask
from layerscope.ops.operation import Operation
from layerscope.ops.shapes import ShapeError, broadcast
from layerscope.plain_data import serialize_value
from layerscope.registry import snake_case
from layerscope.structure import leaves, map_structure
from layerscope.tensor import Shape, Tensor

Reduction = Literal["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"]


class Mean(NamedTuple):
    """A loss that is one operation on all entries, giving a single number.

    Attributes
    ----------
    operation : a function of predictions and targets.
    y_pred, y_true : what it is applied to.
    options : its other arguments.
    """

    operation: Operation[...]
    y_pred: Any
    y_true: Any
    options: dict[str, Any]

    def value(self) -> Any:
        """Return the loss."""
        return self.operation(self.y_pred, self.y_true, **self.options)

    def value_and_gradient(self) -> tuple[Any, Any]:
        """Return the loss of arrays, and its gradient with respect to the predictions."""
        value, of_predictions = self.value(), self.operation.vjps[0]
        assert of_predictions is not None
        one = np.array(1, value.dtype)
        return value, of_predictions(one, value, self.y_pred, self.y_true, **self.options)


class Loss(Configurable):
    """Base class: define ``call(y_true, y_pred)`` giving one value per sample.

    Targets and predictions may be nested lists, tuples or dicts of tensors, which `call` gets as
    they are, in the type of the loss.

    Source: Keras `Loss`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> class Absolute(ls.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ls.ops.mean(ls.ops.abs(y_true - y_pred), axis=-1)
    >>> float(Absolute(reduction="sum")(np.zeros((2, 3)), np.ones((2, 3))))
    2.0
    """

    kind: ClassVar[str] = "loss"
    keras_module: ClassVar[str] = "keras.losses"

    _last: ClassVar[tuple[str, ...]] = ("name", "reduction", "dtype")

    name: str | None = field(default=None, kw_only=True, help="Name in the logs.")
    reduction: Reduction | None = field(
        default="sum_over_batch_size",
        kw_only=True,
        help="How the samples' losses are combined.",
        refusal="Invalid value for argument `reduction`. Expected one of 'sum_over_batch_size', "
        "'mean', 'mean_with_sample_weight', 'sum', 'none' or None. Received: reduction={value!r}",
    )
    dtype: str = field(
        default=None, kw_only=True, converter=standardize_dtype, help="Type computed in."
    )

    def __post_init__(self) -> None:
        self.name = self.name or snake_case(type(self).__name__)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define `call(y_true, y_pred)`.")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss, combined as `reduction` says.

        Parameters
        ----------
        y_true, y_pred : targets and predictions. A mask of the predictions lets only its steps
            count.
        sample_weight : factor of each sample; must broadcast with the samples' losses.

        Raises
        ------
        ValueError
            If there are no targets, or shapes do not fit together.
        """
        if y_true is None:
            raise ValueError(
                f"Loss '{self.name}' compares predictions with targets. Received: y_true=None. "
                "Hand targets over as `y`, or together with the inputs."
            )
        mask = get_keras_mask(y_pred)
        if mask is None and sample_weight is None:
            mean = self.as_mean(y_true, y_pred)
            if mean is not None:
                return mean.value()
        y_pred, y_true = _as_tensors(y_pred, self.dtype), _as_tensors(y_true, self.dtype)
        values = self.call(y_true, y_pred)
        mask = _both(mask, get_keras_mask(values))
        return reduce_weighted_values(values, sample_weight, mask, self.reduction, self.dtype)

    def as_mean(self, y_true: Any, y_pred: Any) -> Mean | None:
        """Return the one operation that does what converting, `call` and reducing do, if any.

        Parameters
        ----------
        y_true, y_pred : as they are given; no sample has a weight, and none is masked.
        """
        tensors = (np.ndarray, Tensor)
        if (
            type(y_true) in tensors
            and type(y_pred) in tensors
            # What somebody made of a loss of ours may compute something else.
            and type(self).__module__.startswith("layerscope.losses.")
            and self.reduction in ("sum_over_batch_size", "mean")
            and y_pred.dtype == self.dtype
            and 0 not in y_pred.shape != ()
        ):
            return self._mean_of(y_true, y_pred)
        return None

    def _mean_of(self, y_true: Any, y_pred: Any) -> Mean | None:
        """Return the operation for tensors, the predictions of the loss's type and not empty."""
        return None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras's losses do not keep their type; only one that differs is worth more.
        if config.get("dtype") == floatx():
            del config["dtype"]
        return config


class _FunctionLoss(Loss):
    """A loss that a function computes, of which its own arguments are options."""

    function: ClassVar[Callable[..., Any]]
    _last: ClassVar[tuple[str, ...]] = ("reduction", "name", "dtype")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if isinstance(y_true, (list, tuple, dict)):
            pairs = zip(leaves(y_true), leaves(y_pred), strict=True)
            aligned = [squeeze_or_expand_to_same_rank(*pair) for pair in pairs]
            y_true = _filled(y_true, [target for target, _ in aligned])
            y_pred = _filled(y_pred, [predicted for _, predicted in aligned])
        else:
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.function(y_true, y_pred, **self._options())

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _own_fields(type(self))}


@functools.cache
def _own_fields(cls: type[_FunctionLoss]) -> list[str]:
    """Return the names of the arguments that not every loss has."""
    shared = {one.name for one in fields_of(Loss)}
    return [one.name for one in fields_of(cls) if one.name not in shared]


class LossFunctionWrapper(_FunctionLoss):
    """A loss made of any function of targets and predictions.

    Parameters
    ----------
    fn : function ``(y_true, y_pred, **kwargs)`` giving one value per sample.
    reduction, name, dtype : as of every loss.
    kwargs : options of the function.

    Source: Keras `LossFunctionWrapper`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        Loss.__init__(self, name=name, reduction=reduction, dtype=dtype)  # pyright: ignore
        self.fn = fn
        self._fn_kwargs = kwargs

    @property
    def function(self) -> Callable[..., Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The function."""
        return self.fn

    def _options(self) -> dict[str, Any]:
        return self._fn_kwargs

    def get_config(self) -> dict[str, Any]:
        shared = {"name": self.name, "reduction": self.reduction}
        if self.dtype != floatx():
            shared["dtype"] = self.dtype
        return {**shared, "fn": serialize_value(self.fn), **serialize_value(self._fn_kwargs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        from layerscope.losses.lookup import get

        return super().from_config({**config, "fn": get(config.get("fn"))})


def are_alike(y_true: Any, y_pred: Any) -> bool:
    """Tell whether targets and predictions have one shape and type."""
    return y_true.shape == y_pred.shape and y_true.dtype == y_pred.dtype


# --- shapes and types ---------------------------------------------------------------------------


def _as_tensors(structure: Any, dtype: str) -> Any:
    """Return tensors of one type; lists of numbers are one tensor."""
    if isinstance(structure, (np.ndarray, Tensor)):
        return ops.convert_to_tensor(structure, dtype)
    if not isinstance(structure, dict) and all(map(np.isscalar, leaves(structure))):
        return ops.convert_to_tensor(structure, dtype)
    return map_structure(lambda value: ops.convert_to_tensor(value, dtype), structure)


def _filled(structure: Any, values: list[Any]) -> Any:
    waiting = iter(values)
    return map_structure(lambda _: next(waiting), structure)


def as_pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets and predictions as tensors of the predictions' type."""
    tensors = (np.ndarray, Tensor)
    if isinstance(y_true, tensors) and isinstance(y_pred, tensors) and y_true.dtype == y_pred.dtype:
        return y_true, y_pred
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.convert_to_tensor(y_true, standardize_dtype(y_pred.dtype)), y_pred


def as_broadcast_pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets and predictions as tensors of one type.

    Raises
    ------
    ValueError
        If the shapes cannot be broadcast together, as Keras would have them.
    """
    y_true, y_pred = as_pair(y_true, y_pred)
    try:
        broadcast(y_true.shape, y_pred.shape)
    except ShapeError:
        # Says it in the words of losses.
        check_same_shape(y_true, y_pred)
    return y_true, y_pred


def as_aligned_pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets and predictions as tensors of one type and shape.

    Raises
    ------
    ValueError
        If the shapes differ: Keras broadcasts, and so hides the mistake.
    """
    y_true, y_pred = squeeze_or_expand_to_same_rank(*as_pair(y_true, y_pred))
    check_same_shape(y_true, y_pred)
    return y_true, y_pred


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Drop or add a trailing axis of length 1 where the ranks differ by one.

    Parameters
    ----------
    x1, x2 : tensors.
    expand_rank_1 : whether a vector gets the axis, rather than the other losing it.
    """
    first, second = len(x1.shape), len(x2.shape)
    if first == second + 1 and x1.shape[-1] == 1:
        if second == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if second == first + 1 and x2.shape[-1] == 1:
        if first == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, ops.squeeze(x2, -1)
    return x1, x2


def check_same_shape(y_true: Any, y_pred: Any) -> None:
    """Refuse targets and predictions of different shapes.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape. Received: "
            f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )


# --- masks, weights, reductions -----------------------------------------------------------------


def _both(mask: Any, other: Any) -> Any:
    """Return the mask of what two masks let count, None if there is neither."""
    if mask is None or other is None:
        return other if mask is None else mask
    return ops.logical_and(mask, other)


def apply_mask(sample_weight: Any, mask: Any, dtype: str, reduction: str | None) -> Any:
    """Return weights that let only the steps of a mask count; in means also in the number.

    Parameters
    ----------
    sample_weight : weights, None for ones.
    mask : which steps count, None for all.
    dtype : type of the result.
    reduction : how the weighted values are combined.
    """
    if mask is None:
        return sample_weight
    weight = np.asarray(ops.convert_to_numpy(mask), bool).astype(dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        weight *= weight.size / max(int(np.count_nonzero(weight)), 1)
    if sample_weight is None:
        return weight
    weight, factors = squeeze_or_expand_to_same_rank(
        weight, ops.convert_to_tensor(sample_weight, dtype)
    )
    _check_fit(factors.shape, weight.shape)
    return factors * weight


def reduce_values(values: Any, sample_weight: Any, reduction: str | None) -> Any:
    """Combine losses that are weighted already.

    Parameters
    ----------
    values : weighted loss of each sample.
    sample_weight : the weights, None for ones.
    reduction : ``"sum"``, ``"sum_over_batch_size"`` or ``"mean"`` (divide by the number of
        values), ``"mean_with_sample_weight"`` (divide by the sum of the weights), ``"none"``.
    """
    if reduction in (None, "none") or tuple(values.shape) in ((), (0,)):
        return values
    if reduction in ("mean", "sum_over_batch_size") and 0 not in values.shape:
        return ops.mean(values)
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        divisor = float(np.sum(ops.convert_to_numpy(sample_weight)))
    else:
        divisor = float(np.prod(values.shape))
    # Without any weight the loss is zero, but still depends on the predictions.
    return total / divisor if divisor else ops.where(False, total, 0.0)


def reduce_weighted_values(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    dtype: str | None = None,
) -> Any:
    """Combine the losses of single samples.

    Parameters
    ----------
    values : loss of each sample.
    sample_weight : factor of each, None for ones; must broadcast with `values`.
    mask : which values count, None for all.
    reduction : see `reduce_values`.
    dtype : type of the result, None for that of `values`.

    Raises
    ------
    ValueError
        If the weights do not fit the values.
    """
    values = ops.convert_to_tensor(values, dtype)
    weight = None
    if sample_weight is not None or mask is not None:
        dtype = standardize_dtype(values.dtype)
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, dtype)
        weight = apply_mask(sample_weight, mask, dtype, reduction)
    if weight is not None:
        values, weight = squeeze_or_expand_to_same_rank(values, weight)
        _check_fit(weight.shape, values.shape)
        values = values * weight
    return reduce_values(values, weight, reduction)


def _check_fit(weight: Shape, values: Shape) -> None:
    pairs = zip(reversed(weight), reversed(values), strict=False)
    if any(1 not in pair and None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            "Argument `sample_weight` must broadcast with the losses of the samples, of shape "
            f"{tuple(values)}. Received: sample_weight.shape={tuple(weight)}"
        )
