"""Metrics of two classes at given thresholds: counts of right and wrong, precision, recall."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from layerscope.config import epsilon, floatx
from layerscope.configurable import field
from layerscope.losses.loss import squeeze_or_expand_to_same_rank
from layerscope.metrics.metric import Array, Metric, as_array, ratio
from layerscope.tensor import Shape, Variable

#: Below every prediction: those that are not among the largest become this.
LOWEST = -1e10


class Counts(NamedTuple):
    """Weights of right and wrong decisions at each threshold, (thresholds,) or with labels."""

    true_positives: Array
    false_positives: Array
    true_negatives: Array
    false_negatives: Array


def count_decisions(
    y_true: Any,
    y_pred: Any,
    thresholds: Array,
    *,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    multi_label: bool = False,
    label_weights: Any = None,
) -> Counts:
    """Count right and wrong decisions: a prediction above a threshold means one.

    Parameters
    ----------
    y_true, y_pred : targets, of which what is not zero means one, and predictions.
    thresholds : in any order, (thresholds,).
    top_k : only so many largest predictions along the last axis can mean one.
    class_id : entry of the last axis to look at alone.
    sample_weight : factor of each sample or prediction.
    multi_label : whether each entry of the last axis is counted by itself.
    label_weights : factor of each entry of the last axis.

    Raises
    ------
    ValueError
        If there is no axis for `class_id`, or the shapes do not fit.
    """
    dtype = floatx()
    y_pred, y_true = squeeze_or_expand_to_same_rank(
        as_array(y_pred, dtype), as_array(y_true, dtype)
    )
    if y_pred.shape != y_true.shape:
        raise ValueError(f"Shapes {y_pred.shape} and {y_true.shape} are incompatible")
    weight = np.ones((), dtype)
    if sample_weight is not None:
        weight = as_array(sample_weight, dtype)[..., None]
        weight = weight[..., 0] if weight.ndim == y_true.ndim + 1 else weight
    if top_k is not None:
        y_pred = _only_largest(y_pred, top_k)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, "
                f"num_classes), found shape: {y_pred.shape}"
            )
        y_true, y_pred = y_true[..., [class_id]], y_pred[..., [class_id]]
    if label_weights is not None:
        weight = weight * as_array(label_weights, dtype)
    weight = np.broadcast_to(weight, y_pred.shape)
    columns = (-1, y_pred.shape[-1]) if multi_label else (-1, 1)
    found = _count(
        (y_true != 0).reshape(columns), y_pred.reshape(columns), weight.reshape(columns), thresholds
    )
    return found if multi_label else Counts(*(counts[:, 0] for counts in found))


def _only_largest(x: Array, k: int) -> Array:
    """Replace all but the `k` largest entries along the last axis by the lowest value."""
    largest = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    kept = np.full_like(x, LOWEST)
    np.put_along_axis(kept, largest, np.take_along_axis(x, largest, -1), -1)
    return kept


def _count(y_true: Array, y_pred: Array, weight: Array, thresholds: Array) -> Counts:
    """Count for columns of labels; all arrays (n, labels), the results (thresholds, labels)."""
    order = np.argsort(thresholds, kind="stable")
    passed = _number_passed(y_pred, thresholds[order])
    positives = _above(passed, weight * y_true, len(thresholds))
    negatives = _above(passed, weight * ~y_true, len(thresholds))
    back = np.argsort(order, kind="stable") + 1
    # In front is what is above no threshold at all: everything.
    true, false = positives[back], negatives[back]
    return Counts(true, false, negatives[0] - false, positives[0] - true)


def _number_passed(y_pred: Array, thresholds: Array) -> Array:
    """Return how many of the sorted thresholds each prediction is above."""
    if not evenly_spaced(thresholds):
        limits = thresholds.astype(y_pred.dtype)
        passed = np.searchsorted(limits, y_pred.reshape(-1)).reshape(y_pred.shape)
        return np.where(np.isnan(y_pred), 0, passed)
    # Like Keras, which does not compare here: rounding decides what is exactly on a threshold.
    steps = y_pred.dtype.type(len(thresholds) - 1)
    passed = np.ceil(np.clip(np.nan_to_num(y_pred), 0, 1) * steps).astype(np.int64)
    return np.maximum(passed, 1) if thresholds[0] < 0 else passed


def evenly_spaced(thresholds: Array) -> bool:
    """Tell whether thresholds go from 0 to 1 in equal steps, up to `epsilon`."""
    number = len(thresholds)
    return number >= 3 and np.allclose(thresholds, np.linspace(0, 1, number), atol=2 * epsilon())


def _above(passed: Array, weight: Array, number: int) -> Array:
    """Sum the weights of what is above 0, 1, ... thresholds, (number + 1, labels)."""
    labels = passed.shape[1]
    places = passed * labels + np.arange(labels)
    sums = np.bincount(places.ravel(), weight.ravel(), (number + 1) * labels)
    return sums.reshape(number + 1, labels)[::-1].cumsum(axis=0)[::-1]


# --- metrics ------------------------------------------------------------------------------------


def as_thresholds(value: Any) -> Any:
    """Refuse thresholds outside of [0, 1].

    Raises
    ------
    ValueError
        If one is.
    """
    if value is None:
        return None
    several = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
    invalid = [one for one in several if one is None or not 0 <= one <= 1]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return several if isinstance(value, (list, tuple, np.ndarray)) else value


class _ConfusionMetric(Metric):
    """Keeps some of the four counts, in variables of their names."""

    #: Which of the counts are kept.
    kept: ClassVar[tuple[str, ...]] = Counts._fields
    _last: ClassVar[tuple[str, ...]] = ("name", "dtype")

    def _add_counts(self, shape: Shape) -> None:
        for name in self.kept:
            setattr(self, name, self.add_variable(shape, name=name))

    def _take_in(self, found: Counts) -> None:
        for name in self.kept:
            variable: Variable = getattr(self, name)
            variable.assign_add(getattr(found, name))

    def _value(self, name: str) -> Array:
        return getattr(self, name).value


class _OverThresholds(_ConfusionMetric):
    """Tries thresholds of its own."""

    #: What was given as `thresholds`, where that is an argument.
    _thresholds: ClassVar[Any] = None

    @property
    def thresholds(self) -> list[float]:
        """All thresholds that are tried, both ends included."""
        return self._tried()

    def _tried(self) -> list[float]:
        raise NotImplementedError


def _share(value: Any, name: str) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"Argument `{name}` must be in the range [0, 1]. Received: {name}={value}")
    return float(value)


class _AtThresholds(_OverThresholds):
    """Takes a threshold or several, and gives a value for each."""

    thresholds: Any = field(
        default=None,
        converter=as_thresholds,
        help="Above it a prediction means one; one number or several in [0, 1].",
    )

    @property
    def init_thresholds(self) -> Any:
        """What was given as thresholds."""
        return self._thresholds

    def _tried(self) -> list[float]:
        given = self._lowest() if self._thresholds is None else self._thresholds
        return list(given) if isinstance(given, list) else [given]

    def _lowest(self) -> float:
        return 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._add_counts((len(self.thresholds),))

    def _only(self, values: Array) -> Any:
        return values[0] if len(values) == 1 else values


class _DecisionCount(_AtThresholds):
    """Counts decisions of one kind."""

    def _add_counts(self, shape: Shape) -> None:
        self.accumulator = self.add_variable(shape, name="accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        found = count_decisions(
            y_true, y_pred, np.array(self.thresholds), sample_weight=sample_weight
        )
        self.accumulator.assign_add(getattr(found, self.kept[0]))

    def result(self) -> Any:
        return self._only(self.accumulator.value.copy())


class TruePositives(_DecisionCount):
    """Number of ones that are predicted as such. Source: Keras `TruePositives`."""

    kept: ClassVar[tuple[str, ...]] = ("true_positives",)


class TrueNegatives(_DecisionCount):
    """Number of zeros that are predicted as such. Source: Keras `TrueNegatives`."""

    kept: ClassVar[tuple[str, ...]] = ("true_negatives",)


class FalsePositives(_DecisionCount):
    """Number of zeros that are predicted as ones. Source: Keras `FalsePositives`."""

    kept: ClassVar[tuple[str, ...]] = ("false_positives",)


class FalseNegatives(_DecisionCount):
    """Number of ones that are predicted as zeros. Source: Keras `FalseNegatives`."""

    kept: ClassVar[tuple[str, ...]] = ("false_negatives",)


class _ShareOfTruePositives(_AtThresholds):
    """True positives by themselves and one kind of mistakes."""

    _direction = "up"

    top_k: int | None = field(
        default=None, ge=1, help="Only so many largest predictions can mean one."
    )
    class_id: int | None = field(default=None, help="Class to look at alone.")

    def _lowest(self) -> float:
        return 0.5 if self.top_k is None else LOWEST

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        found = count_decisions(
            y_true,
            y_pred,
            np.array(self.thresholds),
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )
        self._take_in(found)

    def result(self) -> Any:
        right, wrong = (self._value(name) for name in self.kept)
        return self._only(ratio(right, right + wrong))


class Precision(_ShareOfTruePositives):
    """Share of what is predicted as one that is one. Source: Keras `Precision`.

    Examples
    --------
    >>> import layerscope as ls
    >>> round(float(ls.metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1])), 4)
    0.6667
    """

    kept: ClassVar[tuple[str, ...]] = ("true_positives", "false_positives")


class Recall(_ShareOfTruePositives):
    """Share of the ones that is predicted as such. Source: Keras `Recall`."""

    kept: ClassVar[tuple[str, ...]] = ("true_positives", "false_negatives")


# --- the best threshold -------------------------------------------------------------------------


def even_thresholds(number: int) -> list[float]:
    """Return thresholds between 0 and 1 in equal steps, without the two ends."""
    return [(index + 1) / (number - 1) for index in range(number - 2)]


class _BestAt(_OverThresholds):
    """The best value of one share over the thresholds at which another is large enough."""

    _direction = "up"
    _last: ClassVar[tuple[str, ...]] = ("num_thresholds", "class_id", "name", "dtype")
    #: The share that has to be large enough, and that of which the best is wanted: each the names
    #: of two counts, of which the first is divided by their sum.
    constrained: ClassVar[tuple[str, str]]
    wanted: ClassVar[tuple[str, str]]
    #: Argument that says what is large enough.
    least: ClassVar[str]

    num_thresholds: int = field(
        default=200,
        kw_only=True,
        ge=1,
        help="Number of thresholds to try.",
        refusal="Argument `num_thresholds` must be an integer > 0. Received: "
        "num_thresholds={value}",
    )
    class_id: int | None = field(default=None, kw_only=True, help="Class to look at alone.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._add_counts((self.num_thresholds,))

    def _tried(self) -> list[float]:
        number = self.num_thresholds
        return [0.5] if number == 1 else [0.0, *even_thresholds(number), 1.0]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        found = count_decisions(
            y_true,
            y_pred,
            np.array(self.thresholds),
            class_id=self.class_id,
            sample_weight=sample_weight,
        )
        self._take_in(found)

    def _shares(self, names: tuple[str, str]) -> Array:
        counts, others = (self._value(name) for name in names)
        return ratio(counts, counts + others)

    def result(self) -> Any:
        enough = self._shares(self.constrained) >= np.float32(getattr(self, self.least))
        return np.where(enough, self._shares(self.wanted), 0).max()


_SENSITIVITY = ("true_positives", "false_negatives")
_SPECIFICITY = ("true_negatives", "false_positives")
_PRECISION = ("true_positives", "false_positives")


class SensitivityAtSpecificity(_BestAt):
    """Best sensitivity at thresholds where the specificity is large enough.

    Source: Keras `SensitivityAtSpecificity`.
    """

    constrained: ClassVar[tuple[str, str]] = _SPECIFICITY
    wanted: ClassVar[tuple[str, str]] = _SENSITIVITY
    least: ClassVar[str] = "specificity"

    specificity: float = field(
        converter=lambda value: _share(value, "specificity"), help="Least specificity."
    )


class SpecificityAtSensitivity(_BestAt):
    """Best specificity at thresholds where the sensitivity is large enough.

    Source: Keras `SpecificityAtSensitivity`.
    """

    constrained: ClassVar[tuple[str, str]] = _SENSITIVITY
    wanted: ClassVar[tuple[str, str]] = _SPECIFICITY
    least: ClassVar[str] = "sensitivity"

    sensitivity: float = field(
        converter=lambda value: _share(value, "sensitivity"), help="Least sensitivity."
    )


class PrecisionAtRecall(_BestAt):
    """Best precision at thresholds where the recall is large enough.

    Source: Keras `PrecisionAtRecall`.
    """

    constrained: ClassVar[tuple[str, str]] = _SENSITIVITY
    wanted: ClassVar[tuple[str, str]] = _PRECISION
    least: ClassVar[str] = "recall"

    recall: float = field(converter=lambda value: _share(value, "recall"), help="Least recall.")


class RecallAtPrecision(_BestAt):
    """Best recall at thresholds where the precision is large enough.

    Source: Keras `RecallAtPrecision`.
    """

    constrained: ClassVar[tuple[str, str]] = _PRECISION
    wanted: ClassVar[tuple[str, str]] = _SENSITIVITY
    least: ClassVar[str] = "precision"

    precision: float = field(
        converter=lambda value: _share(value, "precision"), help="Least precision."
    )
