"""Each lens as one call, for who never opens the explorer: HoloViews objects to combine.

``plot_activation("relu") + plot_activation("gelu")`` stand side by side; ``*`` lays one over the
other; ``holoviews.save`` writes a file.
"""

from layerscope_explorer.plots.parts import (
    plot_activation,
    plot_constraint,
    plot_initializer,
    plot_regularizer,
)
from layerscope_explorer.plots.stacks import (
    plot_outputs,
    plot_penalty,
    plot_shapes,
    plot_signal,
    plot_weights,
)

__all__ = [
    "plot_activation",
    "plot_constraint",
    "plot_initializer",
    "plot_outputs",
    "plot_penalty",
    "plot_regularizer",
    "plot_shapes",
    "plot_signal",
    "plot_weights",
]
