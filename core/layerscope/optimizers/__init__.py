"""How gradients change the weights."""

from __future__ import annotations

from typing import Any

from layerscope.optimizers import schedules
from layerscope.optimizers.adadelta import Adadelta
from layerscope.optimizers.adafactor import Adafactor
from layerscope.optimizers.adagrad import Adagrad
from layerscope.optimizers.adam import Adam, AdamW
from layerscope.optimizers.adamax import Adamax
from layerscope.optimizers.ftrl import Ftrl
from layerscope.optimizers.lamb import Lamb
from layerscope.optimizers.lion import Lion
from layerscope.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from layerscope.optimizers.muon import Muon
from layerscope.optimizers.nadam import Nadam
from layerscope.optimizers.optimizer import Optimizer
from layerscope.optimizers.rmsprop import RMSprop
from layerscope.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from layerscope.optimizers.sgd import SGD
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify


def get(identifier: Any) -> Any:
    """Return the optimizer meant by a name, class, config or instance."""
    found = identify(Optimizer, identifier)
    if found is None or isinstance(found, Optimizer):
        return found
    raise ValueError(f"Could not interpret optimizer identifier: {identifier!r}")


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return the config of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """Return the optimizer a config describes."""
    return deserialize_as(Optimizer, config, custom_objects)


__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion",
    "MultiOptimizer", "Muon", "Nadam", "Optimizer", "OptimizerMap", "RMSprop", "ScheduleFreeAdamW",
    "deserialize", "get", "schedules", "serialize",
]  # fmt: skip
