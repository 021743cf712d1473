"""Layerscope's explorer: a page, and the same in a notebook.

``Explorer(model)`` as the last line of a cell is the whole explorer; the ``plot_`` functions are
its lenses, each as one call. Everything is loaded when first asked for, but in a notebook, where
the cell that imports is the one to wait for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from layerscope_explorer.shell import shell_here

if TYPE_CHECKING:
    from layerscope_explorer.notebook import Explorer, TrainingView
    from layerscope_explorer.plots import (
        plot_activation,
        plot_constraint,
        plot_initializer,
        plot_outputs,
        plot_penalty,
        plot_regularizer,
        plot_shapes,
        plot_signal,
        plot_weights,
    )

__all__ = [
    "Explorer",
    "TrainingView",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = "plots" if name.startswith("plot_") else "notebook"
    found = getattr(import_module(f"{__name__}.{place}"), name)
    # From now on it is found without this function.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if shell_here() is not None:
    import_module(f"{__name__}.plots")
