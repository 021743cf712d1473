"""Layers put together, trained, summarised and kept in files."""

from layerscope.models.functional import Functional
from layerscope.models.model import Model, clone_model
from layerscope.models.sequential import Sequential
from layerscope.saving.model_files import load_model, model_from_json, save_model

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]
