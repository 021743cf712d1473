"""What all lens pictures share: their look, steady axes and the one way to redraw them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import panel as pn
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    CustomJSHover,
    HoverTool,
    Label,
    Node,
    PrintfTickFormatter,
    Range,
    Range1d,
    Title,
)
from bokeh.plotting import figure
from panel.io.document import hold
from panel.io.notebook import push_notebook

from layerscope_explorer.theme import PLOT_COLORS

__all__ = [
    "DERIVATIVE",
    "FLAT",
    "FONT",
    "HEIGHT",
    "MARKER",
    "MEASURED",
    "NEARLY_FLAT",
    "SIDE_BY_SIDE",
    "THEORY",
    "Message",
    "SteadyRange",
    "empty_source",
    "hover",
    "new_figure",
    "picture_pane",
    "redraw",
    "replace_data",
    "round_outward",
    "title_of",
]

MEASURED = PLOT_COLORS["measured"]
THEORY = DERIVATIVE = NEARLY_FLAT = PLOT_COLORS["accent"]
MARKER = PLOT_COLORS["muted"]
FLAT = PLOT_COLORS["danger"]

HEIGHT = 240
_SHORT = 16
FONT = "Roboto, system-ui, sans-serif"

#: Styles of a column whose parts stand side by side where there is room.
SIDE_BY_SIDE = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(min(100%, 300px), 1fr))",
    "gap": "4px 20px",
}

# Bokeh takes every touch for itself, so a finger on a picture could not scroll the page.
_LET_TOUCH_SCROLL = "@media (pointer: coarse) { :host { pointer-events: none; } }"


def new_figure(
    label: str, height: int = HEIGHT, *, show_y: bool = True, log_y: bool = False
) -> figure:
    """Return an empty figure in the house look.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    height
        In pixels; the width follows the page.
    show_y
        Whether the vertical axis has numbers.
    log_y
        Whether it is logarithmic.
    """
    picture = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=[],
        toolbar_location=None,
        x_range=Range1d(start=0.0, end=1.0),
        y_range=Range1d(start=0.1 if log_y else 0.0, end=1.0),
        y_axis_type="log" if log_y else "linear",
        min_border_left=8,
        min_border_right=14,
        min_border_top=8,
        min_border_bottom=30,
        outline_line_color=None,
        background_fill_alpha=0.0,
        border_fill_alpha=0.0,
        output_backend="canvas",
        html_attributes={"role": "img", "aria-label": label},
        stylesheets=[_LET_TOUCH_SCROLL],
    )
    picture.grid.grid_line_color = MARKER
    picture.grid.grid_line_alpha = 0.2
    for axis in picture.axis:
        if not (log_y and axis in picture.yaxis):
            axis.ticker = BasicTicker(desired_num_ticks=5)
            # As few digits as tell the numbers apart: 0.002, where Bokeh's own writes 2.000e-3.
            axis.formatter = PrintfTickFormatter(format="%.5g")
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_color = MARKER
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "12px"
    picture.yaxis.visible = show_y
    if not show_y:
        picture.ygrid.visible = False
    return picture


def title_of(name: str) -> Title:
    """Return a heading inside a picture, in the house look."""
    return Title(
        text=name,
        text_color=MARKER,
        text_font=FONT,
        text_font_size="13px",
        text_font_style="bold",
    )


def picture_pane(picture: figure) -> pn.pane.Bokeh:
    """Return the pane that shows a figure, as wide as the page allows."""
    return pn.pane.Bokeh(
        picture, sizing_mode="stretch_width", height=picture.height, margin=0, min_width=0
    )


def empty_source(*columns: str) -> ColumnDataSource:
    """Return a source with these columns and no rows yet."""
    return ColumnDataSource({name: [] for name in columns})


@contextmanager
def redraw(*panes: pn.viewable.Viewable) -> Iterator[None]:
    """Send everything changed inside as one message, to a served page or a notebook.

    Every change of a Bokeh model by a lens happens inside this.
    """
    with hold():
        yield
    push_notebook(*panes)


def replace_data(source: ColumnDataSource, columns: Mapping[str, Any]) -> None:
    """Give a source new columns; only what differs from what it shows is sent.

    Short columns go as plain lists: an array is two messages of its own.
    """
    new = {name: _column(values) for name, values in columns.items()}
    old = cast(dict[str, Any], source.data)
    if old.keys() != new.keys() or any(len(old[name]) != len(new[name]) for name in new):
        source.data = new
        return
    changed = {name: values for name, values in new.items() if not _same(old[name], values)}
    if changed:
        old.update(changed)


def _column(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.size < _SHORT:
        return values.tolist()
    return values


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return old.dtype == new.dtype and old.tobytes() == new.tobytes()
    return type(old) is type(new) and old == new


class SteadyRange:
    """An axis that moves only when it must, and then to round numbers.

    It stays where it is while the values fit and fill most of it, so a picture does not tremble
    while a slider is dragged or a model trains.

    Parameters
    ----------
    axis
        The range to move.
    least_fill
        Below this filled fraction the range closes in.
    """

    def __init__(self, axis: Range, least_fill: float = 0.6) -> None:
        assert isinstance(axis, Range1d)
        self.axis = axis
        self.least_fill = least_fill
        self.start, self.end = 0.0, 1.0
        self._subject: object = None

    def show(self, low: float, high: float, subject: object = None) -> None:
        """Make `[low, high]` visible; a new `subject` starts afresh."""
        if not (math.isfinite(low) and math.isfinite(high)) or low > high:
            return
        fits = self.start <= low and high <= self.end
        same = subject == self._subject
        self._subject = subject
        if same and fits and high - low >= self.least_fill * (self.end - self.start):
            return
        self._set(*round_outward(low, high))

    def fix(self, low: float, high: float) -> None:
        """Show exactly `[low, high]`."""
        self._subject = None
        self._set(low, high)

    def _set(self, start: float, end: float) -> None:
        if (start, end) != (self.start, self.end):
            self.start, self.end = start, end
            self.axis.update(start=start, end=end)


def round_outward(low: float, high: float) -> tuple[float, float]:
    """Return round numbers at or beyond `low` and `high`, about a twentieth of the span apart.

    Examples
    --------
    >>> round_outward(-0.1936, 0.1941)
    (-0.2, 0.2)
    >>> round_outward(3.0, 3.0)
    (2.5, 3.5)
    """
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-30):
        half = max(0.5 * abs(low), 1e-30) if abs(low) < 1.0 and low != 0.0 else 0.5
        low, high = low - half, high + half
    target = (high - low) / 20.0
    power = 10.0 ** math.floor(math.log10(target))
    step = power * next(factor for factor in (5.0, 2.0, 1.0) if factor * power <= target * 1.0001)
    slack = 1e-9
    start = math.floor(low / step + slack) * step
    end = math.ceil(high / step - slack) * step
    return float(f"{start:.12g}"), float(f"{end:.12g}")


class Message:
    """A line of text in the middle of a picture that has nothing to show.

    Parameters
    ----------
    picture
        Its axes and grids make way for the text.
    baseline
        A renderer that makes way too.
    """

    def __init__(self, picture: figure, *baseline: Any) -> None:
        frame = [*picture.axis, *picture.grid, *baseline]
        self._frame = [part for part in frame if part.visible]
        self._label = Label(
            x=Node(target="frame", symbol="center"),
            y=Node(target="frame", symbol="center"),
            text="",
            visible=False,
            text_align="center",
            text_baseline="middle",
            text_color=MARKER,
            text_font=FONT,
            text_font_size="14px",
        )
        picture.add_layout(self._label)

    def say(self, text: str) -> None:
        """Show the text in place of the axes; '' brings the axes back."""
        if text == self._label.text and self._label.visible == bool(text):
            return
        for part in self._frame:
            part.visible = not text
        self._label.update(text=text, visible=bool(text))


def hover(renderers: list[Any], tooltips: list[tuple[str, str]], mode: str = "vline") -> HoverTool:
    """Return a hover tool that names what is under the pointer.

    Columns written as `@name{custom}` are shown to three significant digits.
    """
    named = [word for _, tip in tooltips for word in _CUSTOM_COLUMN.findall(tip)]
    return HoverTool(
        renderers=renderers,
        tooltips=tooltips,
        formatters={name: CustomJSHover(code=_THREE_DIGITS) for name in named},
        mode=mode,  # pyright: ignore[reportArgumentType]
        point_policy="follow_mouse",
        line_policy="nearest",
        attachment="above",
    )


_CUSTOM_COLUMN = re.compile(r"(@\w+)\{custom\}")
_THREE_DIGITS = "return String(Number(Number(value).toPrecision(3))).replace('-', '−')"
