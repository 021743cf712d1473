"""The explorer in a notebook."""

from layerscope_explorer.notebook.explorer import Explorer
from layerscope_explorer.notebook.training_view import TrainingView

__all__ = ["Explorer", "TrainingView"]
