"""Layerscope's explorer: a page, and for a notebook its lenses as single plots.

The ``plot_`` functions are the lenses, each as one call; loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    found = getattr(import_module(f"{__name__}.plots"), name)
    # From now on it is found without this function.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
