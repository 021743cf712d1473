"""Layers put together, trained and summarised."""

from layerscope.models.functional import Functional
from layerscope.models.model import Model
from layerscope.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential"]
