"""Area under a curve of two rates over all thresholds."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope.activations import sigmoid
from layerscope.config import epsilon
from layerscope.configurable import field
from layerscope.metrics.confusion import (
    _OverThresholds,
    as_thresholds,
    count_decisions,
    even_thresholds,
)
from layerscope.metrics.metric import Array, as_array, ratio
from layerscope.tensor import Shape


def _curve(value: Any) -> Any:
    return value.upper() if value in ("roc", "pr", "prgain") else value


def _method(value: Any) -> Any:
    return value.lower() if value in ("Interpolation", "Minoring", "Majoring") else value


def _limits(value: Any) -> list[float] | None:
    return None if value is None else sorted(map(float, as_thresholds(list(value))))


def _weights(value: Any) -> list[float] | None:
    return None if value is None else as_array(value).tolist()


class AUC(_OverThresholds):
    """Area under a curve that is drawn by moving the threshold from 1 to 0.

    ``"ROC"`` is recall over the share of zeros taken for ones, ``"PR"`` precision over recall,
    ``"PRGAIN"`` both as gains over guessing.

    Shapes: targets and predictions any; with `multi_label` (batch, labels), each of which has a
    curve of its own. Source: Davis & Goadrich 2006 (how ``"PR"`` is interpolated), Flach & Kull
    2015 (gains); Keras `AUC`.

    Raises
    ------
    ValueError
        If `num_labels` is given without `multi_label`, or predictions of several labels have not
        two axes.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
    0.75
    """

    _last: ClassVar[tuple[str, ...]] = (
        "name", "dtype", "thresholds", "multi_label", "num_labels", "label_weights", "from_logits",
    )  # fmt: skip
    _direction = "up"

    num_thresholds: int | None = field(
        default=200,
        ge=2,
        slider=(2, 500),
        help="Number of thresholds, in equal steps.",
        refusal="Argument `num_thresholds` must be an integer > 1. Received: "
        "num_thresholds={value}",
    )
    curve: Literal["ROC", "PR", "PRGAIN"] = field(
        default="ROC",
        converter=_curve,
        help="What the area is under.",
        refusal='Invalid AUC curve value: "{value}". Expected values are ["PR", "ROC", "PRGAIN"]',
    )
    summation_method: Literal["interpolation", "minoring", "majoring"] = field(
        default="interpolation",
        converter=_method,
        help="Whether the curve between two thresholds is a line, the lower or the upper of both.",
        refusal='Invalid AUC summation method value: "{value}". Expected values are '
        '["interpolation", "majoring", "minoring"]',
    )
    thresholds: Any = field(
        default=None, converter=_limits, help="Thresholds in [0, 1] in place of equal steps."
    )
    multi_label: bool = field(default=False, help="Whether each label has its own curve.")
    num_labels: int | None = field(
        default=None, ge=1, help="Number of labels, if known before the first batch."
    )
    label_weights: Any = field(
        default=None, converter=_weights, help="Weight of each label's area, or of its entries."
    )
    from_logits: bool = field(default=False, help="Whether predictions are before the sigmoid.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_labels and not self.multi_label:
            raise ValueError(
                "`num_labels` is needed only when `multi_label` is True. Received: "
                f"num_labels={self.num_labels}"
            )
        if self._thresholds is not None:
            self.num_thresholds = len(self._thresholds) + 2
        elif self.num_thresholds is None:
            raise ValueError(
                "Argument `num_thresholds` must be an integer > 1 where there are no `thresholds`. "
                "Received: num_thresholds=None"
            )
        self._built = False
        if self.num_labels or not self.multi_label:
            self._build((None, self.num_labels))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._thresholds is None:
            del config["thresholds"]
        return config

    def _tried(self) -> list[float]:
        inner = self._thresholds
        if inner is None:
            inner = even_thresholds(self.num_thresholds or 0)
        # Beyond both ends, so that everything is above the first and nothing above the last.
        return [0.0 - epsilon(), *inner, 1.0 + epsilon()]

    def _build(self, shape: Shape) -> None:
        if self.multi_label and len(shape) != 2:
            raise ValueError(
                "`y_pred` must have rank 2 when `multi_label=True`. Found rank "
                f"{len(shape)}. Full shape received for `y_pred`: {shape}"
            )
        labels = (shape[1],) if self.multi_label else ()
        self._add_counts((self.num_thresholds, *labels))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = as_array(y_pred)
        if not self._built:
            self._build(y_pred.shape)
        found = count_decisions(
            y_true,
            as_array(sigmoid(y_pred)) if self.from_logits else y_pred,
            np.array(self.thresholds),
            sample_weight=sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )
        self._take_in(found)

    def result(self) -> Any:
        if not self._built:
            raise ValueError("AUC has no result before `update_state` was called.")
        if (self.curve, self.summation_method) == ("PR", "interpolation"):
            return self._combined(self._interpolated_precision().sum(axis=0))
        x, y = self._curve()
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2
        else:
            pick = np.minimum if self.summation_method == "minoring" else np.maximum
            heights = pick(y[:-1], y[1:])
        return self._combined(((x[:-1] - x[1:]) * heights).sum(axis=0))

    def interpolate_pr_auc(self) -> Any:
        """Return the area under precision over recall, counts taken as lines between thresholds."""
        return self._combined(self._interpolated_precision().sum(axis=0))

    def _combined(self, areas: Array) -> Any:
        """Average the areas of several labels."""
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        weights = np.asarray(self.label_weights, areas.dtype)
        return ratio((areas * weights).sum(), weights.sum())

    def _curve(self) -> tuple[Array, Array]:
        """Return both coordinates of the curve at each threshold."""
        right, missed = self._value("true_positives"), self._value("false_negatives")
        wrong, left = self._value("false_positives"), self._value("true_negatives")
        recall = ratio(right, right + missed)
        if self.curve == "ROC":
            return ratio(wrong, wrong + left), recall
        if self.curve == "PR":
            return recall, ratio(right, right + wrong)
        odds = ratio(right + missed, left + wrong)
        found = right != 0
        recall_gain = np.where(found, 1 - odds * ratio(missed, right), 0)
        precision_gain = np.where(found, 1 - odds * ratio(wrong, right), 1)
        return np.maximum(recall_gain, 0), precision_gain

    def _interpolated_precision(self) -> Array:
        """Return the areas between thresholds under precision over recall.

        Between two thresholds the counts change along a line, precision along a hyperbola: with
        right = slope * all + rest, the integral of right / all over `all` has a logarithm.
        """
        right = self._value("true_positives")
        chosen = right + self._value("false_positives")
        gained, before, after = right[:-1] - right[1:], chosen[1:], chosen[:-1]
        slope = ratio(gained, np.maximum(after - before, 0))
        rest = right[1:] - slope * before
        growth = np.where((after > 0) & (before > 0), ratio(after, before), 1)
        positives = right[1:] + self._value("false_negatives")[1:]
        return ratio(slope * (gained + rest * np.log(growth)), positives)
