"""The loss of a whole model: one for each output that has one, weighted and summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from layerscope import losses
from layerscope.structure import entry_at, is_nested, leaves, packed_like, same_nesting
from layerscope.tensor import Variable

Path = tuple[Any, ...]

#: Losses by the kind of the targets, for the name that leaves it open.
_CROSSENTROPIES = {
    "binary": "binary_crossentropy",
    "sparse": "sparse_categorical_crossentropy",
    "one-hot": "categorical_crossentropy",
}


class RunningLoss:
    """Mean of a loss over samples: in place of a metric `Mean`, because it costs little.

    Attributes
    ----------
    name : in the logs.
    variables : sum of the losses of all samples, and their number.
    last : the value taken in last, None if there is none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._total, self._count = self.variables = [
            Variable(0.0, trainable=False, name=part, dtype="float64")
            for part in ("total", "count")
        ]
        self.last: float | None = None

    def update_state(self, values: Any, sample_weight: Any = 1) -> None:
        """Take in the mean loss of `sample_weight` samples."""
        self.last = float(getattr(values, "value", values))
        for variable, more in (
            (self._total, self.last * sample_weight),
            (self._count, sample_weight),
        ):
            variable.value.fill(variable.value.item() + more)

    def result(self) -> float:
        """Return the mean so far, 0 before the first loss."""
        count = self._count.value.item()
        return self._total.value.item() / count if count else 0.0

    def reset_state(self) -> None:
        """Forget all losses."""
        for variable in self.variables:
            variable.value.fill(0)


class _Part(NamedTuple):
    """The loss of one output."""

    path: Path
    loss: losses.Loss
    weight: float | None
    name: str


class _Weighted(NamedTuple):
    """A loss as it was given, with its weight."""

    given: Any
    weight: float | None


class CompileLoss:
    """What `compile` was given as `loss` and `loss_weights`, matched to a model's outputs.

    Parameters
    ----------
    loss : a loss for all outputs, or a list, dict or nested structure of them; None where an
        output has none.
    loss_weights : factors in the structure of `loss`, or as many in a list.
    output_names : names of the model's outputs, which a dict goes by.

    Attributes
    ----------
    metrics : the running value of each output's loss, if there are several.
    """

    def __init__(
        self, loss: Any, loss_weights: Any = None, output_names: Sequence[str] | None = None
    ) -> None:
        if loss_weights and not isinstance(loss_weights, (list, tuple, dict, float, int)):
            raise ValueError(
                "Argument `loss_weights` must be a number for one output, or a list, tuple or dict "
                f"for several. Received: loss_weights={loss_weights!r} (of type "
                f"{type(loss_weights).__name__})"
            )
        self.output_names = list(output_names or [])
        self.built = False
        self.metrics: list[RunningLoss] = []
        self._given = loss
        self._given_weights = loss_weights
        self._parts: list[_Part] = []
        self._built_for_a_list = False

    @property
    def variables(self) -> list[Any]:
        """What the running values keep."""
        return [variable for metric in self.metrics for variable in metric.variables]

    # --- matching ------------------------------------------------------------------------

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Match losses and outputs.

        Raises
        ------
        KeyError
            If a loss is for an output that there is not.
        ValueError
            If a loss is not known, or losses, weights and outputs differ in number.
        """
        loss, weights = self._by_position(y_pred)
        loss = _with_weights(loss, weights)
        flat = leaves(y_pred)
        names = self.output_names if len(self.output_names) == len(flat) else [None] * len(flat)
        if isinstance(loss, _Weighted):
            loss = packed_like(y_pred, [loss] * len(flat))
        self._parts = []
        self._built_for_a_list = isinstance(y_pred, (list, tuple))
        self._match(loss, y_true, y_pred, packed_like(y_pred, names), ())
        several = len(self._parts) > 1
        self.metrics = [RunningLoss(f"{part.name}_loss") for part in self._parts if several]
        self.built = True

    def build_for(self, y_true: Any, y_pred: Any) -> None:
        """Match losses and outputs, having put the targets into the outputs' structure."""
        self.build(self._targets_like(y_true, y_pred), y_pred)

    def _by_position(self, y_pred: Any) -> tuple[Any, Any]:
        """Return losses and weights, in the outputs' order if they were given by name."""
        loss, weights = self._given, self._given_weights
        if not isinstance(loss, dict) or isinstance(y_pred, dict) or not self.output_names:
            return loss, weights
        if set(loss) != set(self.output_names):
            raise ValueError(
                f"Argument `loss` must have the keys {self.output_names}, the names of the "
                f"outputs. Received the keys {list(loss)}."
            )
        if isinstance(weights, dict):
            weights = [weights[name] for name in self.output_names]
        return [loss[name] for name in self.output_names], weights

    def _match(self, loss: Any, y_true: Any, y_pred: Any, names: Any, path: Path) -> None:
        """Note the losses at and below `path`."""
        if loss is None:
            return
        if isinstance(loss, _Weighted):
            self._add(loss, y_true, y_pred, names, path)
            return
        if isinstance(loss, (list, tuple)):
            single = all(one is None or isinstance(one, _Weighted) for one in loss)
            if single and len(loss) == len(leaves(y_pred)):
                loss = packed_like(y_pred, loss)
            elif not isinstance(y_pred, (list, tuple)):
                # Several losses for one output.
                for one in loss:
                    self._match(one, y_true, y_pred, names, path)
                return
        if loss is None or isinstance(loss, _Weighted):
            self._match(loss, y_true, y_pred, names, path)
            return
        if isinstance(loss, dict) != isinstance(y_pred, dict) or not is_nested(y_pred):
            raise KeyError(
                f"Argument `loss` has entries at {path or 'its top'} that can't be found in the "
                f"model's output `y_pred`: {_outline(y_pred)}."
            )
        for key, inner in loss.items() if isinstance(loss, dict) else enumerate(loss):
            if inner is None:
                continue
            if not (_has(y_pred, key) and _has(y_true, key)):
                raise KeyError(
                    f"Argument `loss` has an entry at {(*path, key)} that can't be found in the "
                    f"model's output `y_pred`, {_outline(y_pred)}, or not in the targets `y_true`, "
                    f"{_outline(y_true)}."
                )
            self._match(inner, y_true[key], y_pred[key], names[key], (*path, key))

    def _add(self, loss: _Weighted, y_true: Any, y_pred: Any, names: Any, path: Path) -> None:
        resolved = resolve_loss(loss.given, y_true, y_pred)
        parts = list(path)
        if not is_nested(names):
            name = names if names is not None else resolved.name
            if not parts:
                parts = [name]
            elif isinstance(parts[-1], int):
                parts[-1] = name
        label = "/".join(map(str, parts)) or "_".join(map(str, leaves(names)))
        self._parts.append(_Part(path, resolved, loss.weight, label))

    # --- computing -----------------------------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the weighted sum of the outputs' losses, None if no output has one."""
        if self._built_for_a_list and isinstance(y_pred, dict):
            y_pred = [y_pred[name] for name in self.output_names]
        y_true = self._targets_like(y_true, y_pred)
        if not self.built:
            self.build(y_true, y_pred)
        if is_nested(sample_weight) and is_nested(y_pred):
            sample_weight = _aligned(sample_weight, y_pred, self.output_names)
        total = None
        for position, (path, loss, weight, _) in enumerate(self._parts):
            output = entry_at(y_pred, path)
            weights = entry_at(sample_weight, path) if is_nested(sample_weight) else sample_weight
            value = loss(entry_at(y_true, path), output, weights)
            if self.metrics:
                self.metrics[position].update_state(value, leaves(output)[0].shape[0] or 1)
            if weight is not None:
                value = value * weight
            total = value if total is None else total + value
        return total

    def value_and_gradient(self, y_true: Any, y_pred: np.ndarray) -> tuple[Any, Any] | None:
        """Return the loss of one output and its gradient, None if that takes a tape."""
        if not self.built or len(self._parts) != 1 or type(y_true) is not np.ndarray:
            return None
        ((path, loss, weight, _),) = self._parts
        if path or weight is not None or self._built_for_a_list:
            return None
        mean = loss.as_mean(y_true, y_pred)
        return None if mean is None else mean.value_and_gradient()

    def _targets_like(self, y_true: Any, y_pred: Any) -> Any:
        """Return targets in the structure of the outputs."""
        if not is_nested(y_pred) and not is_nested(y_true):
            return y_true
        found = _aligned(y_true, y_pred, self.output_names)
        if found is not None:
            return found
        # Targets for those outputs alone that have a loss.
        waiting = iter(flat := leaves(y_true))
        wanted = leaves(self._given)
        if len(flat) == sum(one is not None for one in wanted):
            loss = self._given
            if isinstance(loss, dict) and not isinstance(y_pred, dict):
                loss = [loss.get(name) for name in self.output_names]
            targets = [None if one is None else next(waiting) for one in leaves(loss)]
            if len(targets) == len(leaves(y_pred)):
                return packed_like(y_pred, targets)
        raise ValueError(
            "y_true and y_pred have different structures.\n"
            f"y_true: {_outline(y_true)}\ny_pred: {_outline(y_pred)}"
        )


def _aligned(values: Any, y_pred: Any, output_names: Sequence[str]) -> Any:
    """Return `values` in the structure of the outputs, None if they do not fit."""
    if same_nesting(values, y_pred):
        return values
    if not is_nested(values):
        return packed_like(y_pred, [values]) if len(leaves(y_pred)) == 1 else None
    if isinstance(values, dict) and set(values) == set(output_names):
        values = [values[name] for name in output_names]
    flat = leaves(values)
    return packed_like(y_pred, flat) if len(flat) == len(leaves(y_pred)) else None


def _with_weights(loss: Any, weights: Any) -> Any:
    """Put each loss and its weight together."""
    flat = leaves(loss)
    factors: list[Any] = [None] * len(flat)
    if weights is not None:
        factors = leaves(weights)
        if same_nesting(loss, weights) and isinstance(loss, dict):
            factors = [weights[key] for key in loss]
            factors = leaves(factors)
        if len(factors) != len(flat):
            raise ValueError(
                f"Argument `loss_weights` must match the number of losses, got {len(flat)} losses "
                f"and {len(factors)} weights."
            )
    pairs = zip(flat, factors, strict=True)
    return packed_like(loss, [None if one is None else _Weighted(one, by) for one, by in pairs])


def kind_of_targets(y_true: Any, y_pred: Any) -> str:
    """Tell by their shapes whether targets are ``"binary"``, ``"sparse"`` or ``"one-hot"``."""
    targets, outputs = tuple(y_true.shape), tuple(y_pred.shape)
    if outputs[-1:] == (1,):
        return "binary"
    sparse = len(targets) < len(outputs) or (targets[-1:] == (1,) and outputs[-1] > 1)
    return "sparse" if sparse else "one-hot"


def resolve_loss(given: Any, y_true: Any, y_pred: Any) -> Any:
    """Return the loss meant by what `compile` was given for one output."""
    if isinstance(given, str) and given.lower() in ("crossentropy", "ce"):
        return losses.as_loss(_CROSSENTROPIES[kind_of_targets(y_true, y_pred)])
    return losses.as_loss(given)


def _has(structure: Any, key: Any) -> bool:
    if isinstance(structure, dict):
        return key in structure
    return isinstance(structure, (list, tuple)) and isinstance(key, int) and key < len(structure)


def _outline(structure: Any) -> Any:
    """Return the structure with stars in place of arrays."""
    if isinstance(structure, dict):
        return {key: _outline(entry) for key, entry in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_outline(entry) for entry in structure]
    return "*"
