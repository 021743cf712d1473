"""The metrics of a whole model, matched to its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope import metrics as metrics_module
from layerscope.models.compiled_loss import kind_of_targets
from layerscope.registry import snake_case
from layerscope.structure import is_nested, leaves

#: Classes of metrics by the kind of the targets, for the names that leave it open.
_OPEN: dict[str, dict[str, str]] = {
    "accuracy": {
        "binary": "BinaryAccuracy",
        "sparse": "SparseCategoricalAccuracy",
        "one-hot": "CategoricalAccuracy",
    },
    "crossentropy": {
        "binary": "BinaryCrossentropy",
        "sparse": "SparseCategoricalCrossentropy",
        "one-hot": "CategoricalCrossentropy",
    },
}
_OPEN["acc"], _OPEN["ce"] = _OPEN["accuracy"], _OPEN["crossentropy"]


def resolve_metric(given: Any, y_true: Any, y_pred: Any) -> metrics_module.Metric:
    """Return the metric meant by what `compile` was given.

    ``"accuracy"`` and ``"crossentropy"`` choose their kind by the shapes of target and output.

    Raises
    ------
    ValueError
        If nothing is meant by it.
    """
    if isinstance(given, str) and given.lower() in _OPEN:
        kind = _OPEN[given.lower()][kind_of_targets(y_true, y_pred)]
        return getattr(metrics_module, kind)(name=given)
    if given is None:
        raise ValueError("Argument `metrics` must name metrics. Received: None")
    found: Any = metrics_module.get(given)
    name = given if isinstance(given, str) else _name_of(found)
    if not isinstance(found, metrics_module.Metric):
        found = metrics_module.MeanMetricWrapper(found)
    found.name = name
    return found


def _name_of(found: Any) -> str:
    name = getattr(found, "name", None) or getattr(found, "__name__", None)
    return name or snake_case(type(found).__name__)


class _OfOutput:
    """The metrics of one output."""

    def __init__(self, given: Any, y_true: Any, y_pred: Any, prefix: str | None) -> None:
        wanted = given if isinstance(given, (list, tuple)) else [given]
        self.metrics = [resolve_metric(one, y_true, y_pred) for one in wanted]
        self.prefix = prefix

    def named(self, name: str) -> str:
        """Return a metric's name with the output's before it."""
        return f"{self.prefix}_{name}" if self.prefix else name


class CompileMetrics:
    """What `compile` was given as `metrics` and `weighted_metrics`.

    Parameters
    ----------
    metrics : metrics that leave sample weights alone: for the only output a list; for several one
        entry per output, or by name, or nested as the outputs are.
    weighted_metrics : metrics that count samples by their weights.
    output_names : names of the model's outputs, which a dict goes by.
    """

    def __init__(
        self,
        metrics: Any = None,
        weighted_metrics: Any = None,
        output_names: Sequence[str] | None = None,
    ) -> None:
        self.name = "compile_metrics"
        for argument, value in (
            ("metrics", metrics),
            ("weighted_metrics", weighted_metrics),
        ):
            if value and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"Argument `{argument}` must be a list, tuple or dict. Received: "
                    f"{argument}={value!r} (of type {type(value).__name__})"
                )
        self.output_names = list(output_names or [])
        self.built = False
        self._given, self._given_weighted = metrics, weighted_metrics
        self._order: list[str] | None = None
        self._plain: list[_OfOutput | None] = []
        self._weighted: list[_OfOutput | None] = []

    @property
    def metrics(self) -> list[metrics_module.Metric]:
        """All metrics, the unweighted ones first; none before the first batch."""
        groups = (*self._plain, *self._weighted)
        return [metric for group in groups if group for metric in group.metrics]

    @property
    def variables(self) -> list[Any]:
        """What the metrics keep."""
        return [variable for metric in self.metrics for variable in metric.variables]

    # --- matching ------------------------------------------------------------------------

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Match metrics and outputs, whose shapes settle what ``"accuracy"`` means.

        Raises
        ------
        ValueError
            If a metric is not known, or metrics and outputs do not fit together.
        """
        names: list[str] | None = self.output_names or None
        flat = is_nested(y_pred) and len(y_pred) == len(leaves(y_pred))
        if flat and isinstance(y_pred, dict) and set(y_pred) != set(self.output_names):
            names = list(y_pred)
        self._order = names if flat and len(y_pred) > 1 else None
        self._plain = self._matched(self._given, y_true, y_pred, names, "metrics")
        self._weighted = self._matched(
            self._given_weighted, y_true, y_pred, names, "weighted_metrics"
        )
        self.built = True

    build_for = build

    def _matched(
        self, given: Any, y_true: Any, y_pred: Any, names: list[str] | None, argument: str
    ) -> list[_OfOutput | None]:
        targets, outputs = self._flat(y_true), self._flat(y_pred)
        if not given:
            return [None] * len(outputs)
        if len(outputs) == 1:
            return [_OfOutput(leaves(given), targets[0], outputs[0], None)]
        prefixes: list[Any] = names or [None] * len(outputs)
        try:
            wanted = _per_output(given, y_pred, names, self._flat)
            return [
                None if one is None else _OfOutput(one, target, output, prefix)
                for one, target, output, prefix in zip(
                    wanted, targets, outputs, prefixes, strict=True
                )
            ]
        except (TypeError, ValueError) as error:
            known = f" named {names}" if names else ""
            raise ValueError(
                f"{error}\nArgument `{argument}` must hold one entry, a metric or a list of them, "
                f"for each of the model's {len(outputs)} outputs{known}: in a list, a dict, or "
                f"nested as the outputs are. Received: {argument}={given}"
            ) from error

    def _flat(self, values: Any) -> list[Any]:
        """Return targets, outputs or weights in one order."""
        if isinstance(values, dict) and self._order is not None:
            return [values[name] for name in self._order]
        return leaves(values)

    # --- measuring -----------------------------------------------------------------------

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch, having matched metrics and outputs at the first."""
        if not self.built:
            self.build(y_true, y_pred)
        targets, outputs = self._flat(y_true), self._flat(y_pred)
        weights = [None] if sample_weight is None else self._flat(sample_weight)
        if len(weights) < len(targets):
            weights = weights[:1] * len(targets)
        for group, target, output in zip(self._plain, targets, outputs, strict=False):
            for metric in group.metrics if group else ():
                metric.update_state(target, output)
        for group, target, output, weight in zip(
            self._weighted, targets, outputs, weights, strict=False
        ):
            for metric in group.metrics if group else ():
                metric.update_state(target, output, weight)

    def reset_state(self) -> None:
        """Let all metrics forget."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Return the values by name; names that occur again are numbered."""
        if not self.built:
            raise ValueError("Metrics have no result before they were updated once.")
        found: dict[str, Any] = {}
        for groups, again in ((self._plain, ""), (self._weighted, "weighted_")):
            for group in filter(None, groups):
                for metric in group.metrics:
                    name = group.named(str(metric.name))
                    if name in found and again:
                        name = group.named(f"{again}{metric.name}")
                    found[_unused(name, found)] = metric.result()
        return found


def _unused(name: str, found: dict[str, Any]) -> str:
    number, free = 0, name
    while free in found:
        number += 1
        free = f"{name}_{number}"
    return free


def _per_output(given: Any, y_pred: Any, names: list[str] | None, flat: Any) -> list[Any]:
    """Return what was given for each output, None for those without a metric."""
    if isinstance(y_pred, (list, tuple)) and not isinstance(given, dict):
        if len(given) != len(y_pred):
            raise ValueError(f"Found {len(given)} entries for {len(y_pred)} outputs.")
    elif isinstance(given, dict) and names and set(given) <= set(names):
        return [given.get(name) for name in names]
    elif isinstance(y_pred, dict) and not isinstance(given, dict):
        if len(given) == len(flat(y_pred)):
            return list(given)
        raise ValueError(f"Found {len(given)} entries for {len(y_pred)} outputs.")
    return _up_to(y_pred, given)


def _up_to(structure: Any, given: Any) -> list[Any]:
    """Return the entries of `given` at the leaves of `structure`, in order."""
    if not is_nested(structure):
        return [given]
    if isinstance(structure, dict):
        if not isinstance(given, dict) or not set(given) <= set(structure):
            raise ValueError(f"Found {given!r:.80} where the outputs have {list(structure)}.")
        pairs = [(entry, given.get(key)) for key, entry in structure.items()]
    else:
        if not isinstance(given, (list, tuple)) or len(given) != len(structure):
            raise ValueError(f"Found {given!r:.80} where there are {len(structure)} outputs.")
        pairs = list(zip(structure, given, strict=True))
    return [
        found
        for entry, inner in pairs
        for found in ([None] * len(leaves(entry)) if inner is None else _up_to(entry, inner))
    ]
