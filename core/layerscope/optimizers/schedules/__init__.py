"""How the learning rate changes from step to step."""

from __future__ import annotations

from typing import Any

from layerscope.optimizers.schedules.cosine_decay import CosineDecay, CosineDecayRestarts
from layerscope.optimizers.schedules.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from layerscope.optimizers.schedules.learning_rate_schedule import LearningRateSchedule
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Return the config of a schedule."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> LearningRateSchedule:
    """Return the schedule a config describes."""
    return deserialize_as(LearningRateSchedule, config, custom_objects)


__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "LearningRateSchedule", "PiecewiseConstantDecay", "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip
