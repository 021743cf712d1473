"""What is made small: a loss, the targets in the form it wants, and a score beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope import losses, metrics
from layerscope.layers import Softmax
from layerscope.tensor import Shape
from layerscope_explorer.data import Data
from layerscope_explorer.document import AUTO, LOSSES
from layerscope_explorer.strings import text

#: Losses that make sense for each task, the usual one first.
_OF_NUMBERS = ("MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh")
_OF_ONE_UNIT = ("BinaryCrossentropy", "BinaryFocalCrossentropy", "Hinge", "SquaredHinge")
#: Those that take class numbers, where others take a one for the class and zeros for the rest.
_SPARSE = ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy")
#: What makes shares of 1 of scores.
_SHARES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Objective:
    """A loss that suits a stack's data and its end.

    Attributes
    ----------
    loss_name : name of the loss.
    from_logits : whether the end gives scores rather than shares of 1; None where the loss does not
        ask.
    score : "accuracy" where there are classes, "error" where there are numbers.
    """

    loss_name: str
    from_logits: bool | None
    score: str
    _classes: int
    _units: int

    def loss(self, reduction: str | None = "sum_over_batch_size") -> Any:
        """Return the loss; without a reduction it is one for every sample."""
        config: dict[str, Any] = {"reduction": reduction}
        if self.from_logits is not None:
            config["from_logits"] = self.from_logits
        return getattr(losses, self.loss_name)(**config)

    def metric(self) -> Any:
        """Return what the score is measured by, named "score"."""
        if not self._classes:
            return metrics.MeanAbsoluteError(name="score")
        if self._units == 1:
            hinge = self.loss_name in ("Hinge", "SquaredHinge")
            return metrics.BinaryAccuracy(
                name="score", threshold=0.0 if self.from_logits or hinge else 0.5
            )
        if self.one_hot:
            return metrics.CategoricalAccuracy(name="score")
        return metrics.SparseCategoricalAccuracy(name="score")

    @property
    def one_hot(self) -> bool:
        """Whether targets are a one for the class and zeros for the rest."""
        return self._classes > 0 and self._units > 1 and self.loss_name not in _SPARSE

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Return the data's targets as the loss wants them."""
        if self.one_hot:
            return np.eye(self._classes, dtype=np.float32)[y]
        return y[:, None].astype(np.float32) if self._classes and self._units == 1 else y


def takes(data: Data, shape: Shape | tuple[int | None, ...]) -> bool:
    """Tell whether a stack whose end has this shape, batch first, can learn the data."""
    units = {data.outputs, 1} if data.classes == 2 else {data.outputs}
    return data.y is not None and len(shape) == 2 and shape[1] in units


def suitable(data: Data) -> list[str]:
    """Return the losses that make sense for the data, ``"auto"`` first."""
    if not data.classes:
        several = ["CosineSimilarity"] if data.outputs > 1 else []
        return [AUTO, *_OF_NUMBERS, *several]
    return list(LOSSES)


def objective_of(data: Data, loss: str, units: int, activation: str) -> Objective:
    """Return what a stack makes small.

    Parameters
    ----------
    data : what is learned.
    loss : name of the loss, or ``"auto"``.
    units : numbers the stack gives for each sample.
    activation : name of what the end applies last: scores become shares by softmax or sigmoid.

    Raises
    ------
    ValueError
        If the loss makes no sense for the data or the end.
    """
    if not data.classes:
        fitting = suitable(data)[1:]
    elif units == 1:
        fitting = [*_OF_ONE_UNIT, *_OF_NUMBERS]
    else:
        fitting = list(LOSSES[1:])
    name = fitting[0] if loss == AUTO else loss
    if name not in fitting:
        raise ValueError(text("training.unsuitable", loss=name, fitting=", ".join(fitting)))
    asks = "from_logits" in getattr(losses, name)().get_config()
    return Objective(
        name,
        activation not in _SHARES if asks else None,
        "accuracy" if data.classes else "error",
        data.classes,
        units,
    )


def activation_name(layer: Any) -> str:
    """Return the name of a layer's activation, "" if it has none."""
    if isinstance(layer, Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", "")
