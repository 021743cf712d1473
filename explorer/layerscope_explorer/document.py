"""The stack a person edits, as plain immutable data.

A document holds no widgets and no arrays. `edits` has the functions from document to document,
`history` what undo needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from layerscope.registry import snake_case
from layerscope_explorer.strings import text

VERSION = 3
OPTIMIZERS = (
    "Adam", "SGD", "RMSprop", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Adafactor",
    "Ftrl", "Lamb", "Lion", "Muon", "ScheduleFreeAdamW",
)  # fmt: skip
#: Stands for the loss that suits the data and the end of the stack.
AUTO = "auto"
#: Losses by the names of their classes; `objective` says which suit which data.
LOSSES = (
    AUTO, "SparseCategoricalCrossentropy", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "BinaryCrossentropy",
    "BinaryFocalCrossentropy", "KLDivergence", "Poisson", "CategoricalHinge", "Hinge",
    "SquaredHinge", "Dice", "Tversky", "CosineSimilarity", "MeanSquaredError", "MeanAbsoluteError",
    "Huber", "LogCosh",
)  # fmt: skip
#: Id and class name of the card that stands for the data.
INPUT = "input"

Phase = Literal["training", "inference"]
PHASES: tuple[Phase, ...] = ("training", "inference")


def frozen(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments that cannot be changed."""
    return MappingProxyType(dict(arguments))


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer of the stack.

    A layer takes what the card above it gives. A layer of several inputs takes that first, then
    what its `sources` give, which is how residuals and branches are made.

    Attributes
    ----------
    id : stays the same while the layer is moved and edited.
    class_name : name in the catalogue.
    arguments : constructor arguments that differ from their defaults, as JSON values.
    sources : ids of further layers (or ``"input"``) whose outputs it takes.
    bypassed : whether values pass it by unchanged.
    shares : id of an earlier layer that this one is the same as, weights and all; "" for none.
    roll : how often its weights were drawn anew.
    """

    id: str
    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: frozen({}))
    sources: tuple[str, ...] = ()
    bypassed: bool = False
    shares: str = ""
    roll: int = 0

    @property
    def key(self) -> str:
        """Text that is equal for layers that would be built equally."""
        return json.dumps(
            [self.class_name, dict(self.arguments), self.shares, self.roll], sort_keys=True
        )


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How the stack is trained.

    Attributes
    ----------
    loss : name of what is made small; ``"auto"`` for what suits the data.
    optimizer : name of the optimizer.
    learning_rate : size of a step.
    batch_size : samples per step.
    epochs : passes over the data.
    """

    optimizer: str = "Adam"
    learning_rate: float = 0.001
    batch_size: int = 32
    epochs: int = 15
    loss: str = AUTO

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(text("session.bad_loss", value=self.loss))
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(text("session.bad_optimizer", value=self.optimizer))
        if isinstance(self.learning_rate, bool) or not 0 < self.learning_rate <= 10:
            raise ValueError(text("session.bad_learning_rate", value=self.learning_rate))
        if not _is_whole(self.batch_size) or not 1 <= self.batch_size <= 1797:
            raise ValueError(text("session.bad_batch_size", value=self.batch_size))
        if not _is_whole(self.epochs) or not 1 <= self.epochs <= 500:
            raise ValueError(text("session.bad_epochs", value=self.epochs))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Document:
    """Everything a person builds: the data, the layers, the seed and the way of training.

    Attributes
    ----------
    layers : from input to output.
    input : the data the stack is shown, as a card of its own (`data.InputData` has its arguments).
    seed : fixes every random number.
    phase : whether pictures show a step of training, with noise and batch statistics, or
        inference.
    training : how the stack is trained.
    next_id : number of the next layer's id.
    code : Python of a person's own that the layers use (see `own_code`).
    """

    layers: tuple[LayerSpec, ...] = ()
    input: LayerSpec = LayerSpec(INPUT, "Input")
    seed: int = 0
    phase: Phase = "training"
    training: TrainingSpec = TrainingSpec()
    next_id: int = 1
    code: str = ""

    def layer(self, layer_id: str) -> LayerSpec:
        """Return the layer with this id; the input's card for ``"input"``.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self.input if layer_id == INPUT else self.layers[self.index(layer_id)]

    def index(self, layer_id: str) -> int:
        """Return the position of the layer with this id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for index, layer in enumerate(self.layers):
            if layer.id == layer_id:
                return index
        raise KeyError(layer_id)

    def owner(self, layer_id: str) -> LayerSpec:
        """Return the layer whose arguments and weights this one has: itself unless it shares."""
        layer = self.layer(layer_id)
        return self.layer(layer.shares) if layer.shares else layer

    def names(self) -> dict[str, str]:
        """Return the name each layer has in a model, by id: ``dense``, ``dense_1``, ..."""
        names: dict[str, str] = {INPUT: INPUT}
        counts: dict[str, int] = {}
        for layer in self.layers:
            if layer.shares:
                names[layer.id] = names.get(layer.shares, layer.class_name)
                continue
            base = snake_case(layer.class_name)
            number = counts.get(base, 0)
            counts[base] = number + 1
            names[layer.id] = f"{base}_{number}" if number else base
        return names
