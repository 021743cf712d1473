"""What a goal can ask about a page: numbers of its layers and of the whole stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.configurable import REQUIRED, fields_of
from layerscope_explorer.catalogue import layerscope_catalogue
from layerscope_explorer.document import Document, LayerSpec
from layerscope_explorer.penalties import penalties_of
from layerscope_explorer.snapshot import Histogram, LayerView, Snapshot, TrainingState

__all__ = ["FACTS", "PER_LAYER", "Fact", "Facts"]

#: Weights below this part of their largest count as zero: a penalty on sizes only nears it.
_NOTHING = 0.01


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a page: its newest pictures, and its training.

    Attributes
    ----------
    snapshot : pictures of the document as it is now.
    training : where training is.
    """

    snapshot: Snapshot
    training: TrainingState

    @property
    def document(self) -> Document:
        """The stack."""
        return self.snapshot.document

    def layer(self, name: Any) -> LayerView:
        """Return a layer by its name or id; "first" and "last" are layers, too.

        Raises
        ------
        LookupError
            If there is none.
        """
        views = self.snapshot.layers
        if name in ("first", "last"):
            return views[0 if name == "first" else -1]
        for view in views:
            if name in (view.name, view.id):
                return view
        raise LookupError(name)

    def over_layers(self, measure: str) -> list[float]:
        """Return a measure of every layer that is reached."""
        reached = [view for view in self.snapshot.layers if view.output is not None]
        return [float(PER_LAYER[measure](self, view)) for view in reached]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that can be asked: how, and how many arguments it takes, at least and at most."""

    ask: Callable[..., Any]
    arguments: tuple[int, int]


# --- of one layer ---------------------------------------------------------------------------------


def _rms(histogram: Histogram | None) -> float:
    return math.nan if histogram is None else math.hypot(histogram.mean, histogram.std)


def _kernel(facts: Facts, view: LayerView) -> np.ndarray:
    """Return a layer's first weight of at least two axes, else its first."""
    step = facts.snapshot.stack.step(view.id)
    weights = [] if step is None else step.layer.get_weights()
    kernels = [one for one in weights if one.ndim > 1] or weights
    if not kernels:
        raise LookupError(view.name)
    return kernels[0]


def _norm(facts: Facts, view: LayerView) -> float:
    kernel = _kernel(facts, view)
    return float(np.sqrt((kernel.astype(np.float64) ** 2).sum(axis=0)).max())


def _sparsity(facts: Facts, view: LayerView) -> float:
    sizes = np.abs(_kernel(facts, view))
    return float(np.mean(sizes <= _NOTHING * sizes.max(initial=1e-30)))


def _duplicates(facts: Facts, view: LayerView) -> float:
    """Return the share of a kernel's columns that another column equals."""
    kernel = _kernel(facts, view)
    columns = kernel.reshape(-1, kernel.shape[-1]).T
    _, counts = np.unique(columns, axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / len(columns))


def _penalty_of(facts: Facts, view: LayerView) -> float:
    return sum(one.total for one in penalties_of(facts.snapshot.stack) if one.layer_id == view.id)


#: Numbers of one layer: ``dead("dense_1")``, and ``most(dead)`` for the largest of all layers.
PER_LAYER: Mapping[str, Callable[[Facts, LayerView], float]] = {
    "dead": lambda facts, view: view.activation.dead if view.activation else 0.0,
    "saturated": lambda facts, view: view.activation.saturated if view.activation else 0.0,
    "rms": lambda facts, view: _rms(view.output),
    "gradient": lambda facts, view: _rms(view.gradient),
}

_OF_WEIGHTS: Mapping[str, Callable[[Facts, LayerView], float]] = {
    "norm": _norm,
    "sparsity": _sparsity,
    "duplicates": _duplicates,
}


# --- of the stack ---------------------------------------------------------------------------------


def _argument(facts: Facts, layer: Any, name: Any) -> Any:
    """Return a layer's argument; of an initializer, a penalty or the like its name."""
    document = facts.document
    spec: LayerSpec = document.owner(facts.layer(layer).id)
    cls: Any = layerscope_catalogue().layers[spec.class_name]
    declared = {one.name: one for one in fields_of(cls)}[name]
    value = spec.arguments.get(name, declared.default)
    if value is REQUIRED:
        return None
    if isinstance(value, Mapping):
        return value.get("class_name")
    return list(value) if isinstance(value, tuple) else value


def _option(facts: Facts, layer: Any, name: Any, option: Any) -> Any:
    """Return an option of a layer's initializer, penalty or the like: ``"stddev"``, ``"l1"``."""
    spec = facts.document.owner(facts.layer(layer).id)
    return spec.arguments[name]["config"][option]


def _params(facts: Facts, layer: Any = None) -> int:
    return facts.snapshot.total_params if layer is None else facts.layer(layer).params


def _loss(facts: Facts) -> float:
    return math.nan if facts.snapshot.loss is None else facts.snapshot.loss


def _penalty(facts: Facts, layer: Any = None) -> float:
    if layer is not None:
        return _penalty_of(facts, facts.layer(layer))
    return sum(one.total for one in penalties_of(facts.snapshot.stack))


def _works(facts: Facts) -> bool:
    views = facts.snapshot.layers
    return bool(views) and not any(view.problem for view in views)


def _shape(facts: Facts, layer: Any) -> list[int | None]:
    return list((facts.layer(layer).output_shape or ())[1:])


def _count(facts: Facts, class_name: Any) -> int:
    return sum(one.class_name == class_name for one in facts.document.layers)


def _accuracy(facts: Facts) -> float:
    measured = facts.training.val_accuracy
    told = facts.training.score == "accuracy" and measured.size
    return float(measured[-1]) if told else 0.0


#: Everything that can be asked, by name.
FACTS: Mapping[str, Fact] = {
    **{
        name: Fact(lambda facts, layer, ask=ask: ask(facts, facts.layer(layer)), (1, 1))
        for name, ask in {**PER_LAYER, **_OF_WEIGHTS}.items()
    },
    "argument": Fact(_argument, (2, 2)),
    "option": Fact(_option, (3, 3)),
    "shape": Fact(_shape, (1, 1)),
    "params": Fact(_params, (0, 1)),
    "penalty": Fact(_penalty, (0, 1)),
    "loss": Fact(_loss, (0, 0)),
    "layers": Fact(lambda facts: len(facts.document.layers), (0, 0)),
    "count": Fact(_count, (1, 1)),
    "shared": Fact(lambda facts: sum(bool(one.shares) for one in facts.document.layers), (0, 0)),
    "works": Fact(_works, (0, 0)),
    "steps": Fact(lambda facts: facts.training.at, (0, 0)),
    "epochs": Fact(lambda facts: int(facts.training.val_loss.size), (0, 0)),
    "accuracy": Fact(_accuracy, (0, 0)),
    "seed": Fact(lambda facts: facts.document.seed, (0, 0)),
}
