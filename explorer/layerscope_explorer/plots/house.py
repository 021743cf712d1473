"""What all plots share: the backend they are drawn with, their size and colours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn

from layerscope_explorer.offline import bring_scripts, carry_styles
from layerscope_explorer.snapshot import Histogram
from layerscope_explorer.theme import PLOT_COLORS

__all__ = [
    "ACCENT",
    "MEASURED",
    "MUTED",
    "bars",
    "curve",
    "distribution",
    "laid_over",
    "ready",
]

MEASURED, ACCENT = PLOT_COLORS["measured"], PLOT_COLORS["accent"]
MUTED = PLOT_COLORS["muted"]
WIDTH, HEIGHT = 420, 260

# Also for what a person draws with HoloViews beside these plots.
carry_styles()


def ready() -> None:
    """Let HoloViews draw with Bokeh, once per process; nothing is fetched from elsewhere.

    A person who has chosen a backend keeps it.
    """
    bring_scripts(_load)


def _load() -> None:
    # Panel in a notebook loads one, too, but does not let HoloViews show anything by itself.
    by_panel = pn.extension._loaded and not hv.extension._loaded
    if by_panel or not hv.Store.loaded_backends():
        # With nbformat HoloViews can archive notebooks; importing it takes a second.
        with _without("nbformat"):
            hv.extension("bokeh", inline=True, logo=False)


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let a module that is not loaded yet be none that can be imported in this block."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def curve(x: Any, y: Any, axes: tuple[str, str], label: str, color: str, **options: Any) -> Any:
    """Return a line."""
    ready()
    line = hv.Curve((np.asarray(x), np.asarray(y)), axes[0], axes[1], label=label)
    return line.opts(color=color, line_width=2, **_frame(), **options)


def distribution(measured: Histogram, axes: tuple[str, str], label: str) -> Any:
    """Return a histogram whose area is one."""
    ready()
    drawn: Any = hv.Histogram((measured.edges, measured.counts), kdims=axes[0], vdims=axes[1])
    fill = {"fill_color": MEASURED, "fill_alpha": 0.6, "line_color": None}
    return drawn.clone(label=label).opts(**fill, **_frame())


def bars(names: Any, values: Any, axes: tuple[str, str], label: str, **options: Any) -> Any:
    """Return one bar per name, in the order given."""
    ready()
    drawn = hv.Bars((list(names), np.asarray(values, np.float64)), axes[0], axes[1], label=label)
    return drawn.opts(color=MEASURED, line_color=None, xrotation=45, **_frame(), **options)


def _frame() -> dict[str, Any]:
    # Plots side by side keep axes of their own: their numbers rarely compare.
    own = {"axiswise": True}
    return {"width": WIDTH, "height": HEIGHT, "show_grid": True, "tools": ["hover"], **own}


def laid_over(*drawn: Any, **options: Any) -> Any:
    """Return elements in one plot, with the legend above it."""
    return hv.Overlay(drawn).opts(legend_position="top", axiswise=True, **options)
