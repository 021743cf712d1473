"""The lenses: each answers one question about the selected layer, or about training."""

from __future__ import annotations

from layerscope_explorer.lenses.activation import ActivationLens
from layerscope_explorer.lenses.outputs import OutputsLens
from layerscope_explorer.lenses.training import TrainingLens
from layerscope_explorer.lenses.weights import WeightsLens

__all__ = ["ActivationLens", "OutputsLens", "TrainingLens", "WeightsLens"]
