"""The pictures of the penalty lens: shares of the loss, norms of columns, two weights' plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import Arrow, ColumnDataSource, FixedTicker, NormalHead
from contourpy import contour_generator

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.comparison import NO_LINE, Outline, gapped
from layerscope_explorer.lenses.figure import (
    FONT,
    MARKER,
    MEASURED,
    THEORY,
    Message,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    replace_data,
)
from layerscope_explorer.penalties import Norms
from layerscope_explorer.planes import Plane
from layerscope_explorer.strings import text
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["ACTIVITY", "CONTOUR", "STEPPED", "NormsPicture", "PlanePicture", "SharesPicture"]

ACTIVITY, CONTOUR, STEPPED = PLOT_COLORS["success"], PLOT_COLORS["danger"], THEORY
_ROW, _FRAME = 24, 42
_LEVELS = 9
_BAR = ("y", "left", "right", "color", "alpha")
_LINES, _MOVE = ("xs", "ys"), ("x0", "y0", "x1", "y1")
#: How visible what the layer does not have, but could, is.
_FAINT, _CLEAR = 0.3, 0.6


class SharesPicture:
    """One bar for the data's loss and one for each layer that adds to it.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = picture = new_figure(label, _ROW + _FRAME)
        picture.ygrid.visible = False
        self.bars = empty_source(*_BAR)
        self.labels = empty_source("x", "y", "label")
        self._places = FixedTicker(ticks=[])
        picture.yaxis[0].ticker = self._places
        picture.hbar(
            "y", left="left", right="right", height=0.62, source=self.bars, fill_color="color",
            fill_alpha="alpha", line_color=None,
        )  # fmt: skip
        picture.text(
            "x", "y", "label", source=self.labels, x_offset=6, text_baseline="middle",
            text_color=MARKER, text_font_size="12px", text_font=value(FONT),
        )  # fmt: skip
        self.other = Outline(picture)
        self.pane = picture_pane(picture)
        self._x = SteadyRange(picture.x_range, least_fill=0.5)
        self._names: list[str] = []

    def show(self, rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]] = ()) -> None:
        """Draw rows of `name`, `parts` (pairs of value and colour), `label`, `selected`.

        `others` are the rows of A, which are drawn around those of the same name.
        """
        sizes = {row["name"]: sum(size for size, _ in row["parts"]) for row in others}
        frames = [
            (sizes[row["name"]], -place) for place, row in enumerate(rows) if row["name"] in sizes
        ]
        self.other.show(gapped(_box(end, place) for end, place in frames))
        bars: dict[str, list[Any]] = {name: [] for name in _BAR}
        ends = []
        for place, row in enumerate(rows):
            left = 0.0
            for size, color in row["parts"]:
                if size > 0.0:
                    part = (-place, left, left + size, color, 0.9 if row["selected"] else 0.55)
                    for column, one in zip(bars.values(), part, strict=True):
                        column.append(one)
                    left += size
            ends.append(left)
        replace_data(self.bars, bars)
        places = [-place for place in range(len(rows))]
        labels = {"x": ends, "y": places, "label": [row["label"] for row in rows]}
        replace_data(self.labels, labels)
        # Room for the numbers to the right of the longest bar.
        longest = max([*ends, *(end for end, _ in frames)], default=1.0)
        self._x.show(0.0, 1.45 * longest or 1.0)
        self._name([row["name"] for row in rows])

    def _name(self, names: list[str]) -> None:
        if names == self._names:
            return
        self._names = names
        axis = self.figure.yaxis[0]
        self._places.ticks = [-place for place in range(len(names))]
        overrides: Any = {-place: name for place, name in enumerate(names)}
        axis.major_label_overrides = overrides
        self.figure.y_range.update(start=0.5 - max(1, len(names)), end=0.5)
        height = _ROW * max(1, len(names)) + _FRAME
        self.figure.height = self.pane.height = height


def _box(end: float, place: float) -> tuple[Any, Any]:
    """Return the outline of a bar from zero to `end`."""
    return np.array([0.0, end, end, 0.0, 0.0]), place + 0.36 * np.array([1, 1, -1, -1, 1])


class NormsPicture:
    """The norm of each column, now and after a step, each with where the constraint puts it.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = picture = new_figure(label)
        self.points = empty_source("x", "before", "after", "color", "said", "then")
        self.limits = empty_source("y")
        picture.hspan("y", source=self.limits, line_color=CONTOUR, line_width=1.5, line_dash=[6, 4])
        picture.segment(
            "x", "before", "x", "after", source=self.points, line_color="color", line_alpha=0.6
        )
        self._before = picture.scatter(
            "x", "before", source=self.points, size=6, line_color="color", fill_color=None
        )
        self._after = picture.scatter(
            "x", "after", source=self.points, size=6, fill_color="color", line_color=None
        )
        tips = [(text("lenses.norm"), "@said"), (text("lenses.after_constraint"), "@then")]
        picture.add_tools(hover([self._before, self._after], tips, mode="mouse"))
        self.pane = picture_pane(picture)
        self.other = Outline(picture)
        self.message = Message(picture)
        self._x, self._y = SteadyRange(picture.x_range), SteadyRange(picture.y_range)

    def show(
        self, norms: Norms | None, subject: object, faint: bool, other: Norms | None = None
    ) -> None:
        """Draw norms, None for nothing; faintly what is not there. Inside `redraw`.

        Those of `other`, of A as it is now, are a line of steps.
        """
        old = np.zeros(0) if other is None or norms is None else other.now
        edges = np.arange(old.size + 1) - 0.5
        self.other.show((np.repeat(edges, 2)[1:-1], np.repeat(old, 2)) if old.size else NO_LINE)
        nothing = np.zeros(0)
        now, stepped = (nothing, nothing) if norms is None else (norms.now, norms.stepped)
        then = (
            nothing
            if norms is None
            else np.concatenate([norms.now_projected, norms.stepped_projected])
        )
        before = np.concatenate([now, stepped])
        count = now.size
        limits = [] if norms is None else list(norms.limits)
        columns = np.arange(count)
        replace_data(
            self.points,
            {
                "x": np.concatenate([columns - 0.15, columns + 0.15]),
                "before": before,
                "after": then,
                "color": [MEASURED] * count + [STEPPED] * count,
                "said": list(map(wording.number, before.tolist())),
                "then": list(map(wording.number, then.tolist())),
            },
        )
        replace_data(self.limits, {"y": limits})
        _fade([self._before, self._after], faint)
        finite = [one for one in [*before, *then, *limits, *old] if np.isfinite(one)]
        if count and finite:
            self._x.show(-0.6, count - 0.4, subject)
            self._y.show(0.0, 1.06 * max(finite) or 1.0, subject)


class PlanePicture:
    """The plane of two weights: lines of equal penalty, the step, and the projection.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = picture = new_figure(label)
        self.contours = empty_source(*_LINES)
        self.moves = empty_source(*_MOVE)
        self.path = empty_source(*_MOVE, "color")
        self.now = empty_source("x", "y")
        self._lines = picture.multi_line(
            "xs", "ys", source=self.contours, line_color=CONTOUR, line_width=1.1, line_alpha=_CLEAR
        )
        self._segments = picture.segment(
            "x0", "y0", "x1", "y1", source=self.moves, line_color=MARKER, line_width=1.2
        )
        self._images = picture.scatter(
            "x1", "y1", source=self.moves, size=4, color=MEASURED, line_color=None
        )
        self._add_arrows(self.path)
        picture.scatter("x", "y", source=self.now, size=9, color=MEASURED, line_color=None)
        self.pane = picture_pane(picture)
        self.message = Message(picture)
        self._x, self._y = SteadyRange(picture.x_range), SteadyRange(picture.y_range)

    def _add_arrows(self, source: ColumnDataSource) -> None:
        head = NormalHead(size=9, fill_color="color", line_color="color")
        look: dict[str, Any] = {"line_color": "color", "line_width": 2.5}
        ends = {"x_start": "x0", "y_start": "y0", "x_end": "x1", "y_end": "y1"}
        self.figure.add_layout(Arrow(source=source, end=head, **ends, **look))

    def show(self, plane: Plane | None, subject: object, faint: bool) -> None:
        """Draw a plane, None for nothing; faintly what is not there. Inside `redraw`."""
        if plane is None:
            for source, columns in (
                (self.contours, _LINES),
                (self.moves, _MOVE),
                (self.path, (*_MOVE, "color")),
                (self.now, ("x", "y")),
            ):
                replace_data(source, {name: [] for name in columns})
            return
        reach = plane.reach
        self._x.show(-reach, reach, subject)
        self._y.show(-reach, reach, subject)
        lines = _contours(plane)
        replace_data(
            self.contours,
            {"xs": [line[:, 0].tolist() for line in lines],
             "ys": [line[:, 1].tolist() for line in lines]},
        )  # fmt: skip
        columns = np.concatenate([plane.starts, plane.ends], axis=1).T
        replace_data(self.moves, dict(zip(_MOVE, columns, strict=True)))
        replace_data(self.path, _path(plane))
        replace_data(self.now, {"x": [float(plane.now[0])], "y": [float(plane.now[1])]})
        _fade([self._lines, self._segments, self._images], faint)


def _contours(plane: Plane) -> list[Any]:
    """Return lines of equal penalty, none for a penalty that is the same everywhere."""
    if plane.penalty is None:
        return []
    heights = plane.penalty[np.isfinite(plane.penalty)]
    if not heights.size or np.ptp(heights) <= 1e-9 * np.abs(heights).max():
        return []
    ticks = np.linspace(-plane.reach, plane.reach, len(plane.penalty))
    levels = np.linspace(heights.min(), heights.max(), _LEVELS + 2)[1:-1]
    found = contour_generator(ticks, ticks, plane.penalty)
    return [line for level in levels for line in found.lines(float(level))]


def _path(plane: Plane) -> dict[str, list[Any]]:
    """Return the step, and where the constraint takes its end."""
    # A shorter arrow would be all head.
    least = 0.03 * plane.reach
    legs = [(plane.now, plane.stepped, STEPPED), (plane.stepped, plane.projected, MEASURED)]
    legs = [leg for leg in legs if np.abs(leg[1] - leg[0]).max() > least]
    return {
        "x0": [float(start[0]) for start, _, _ in legs],
        "y0": [float(start[1]) for start, _, _ in legs],
        "x1": [float(end[0]) for _, end, _ in legs],
        "y1": [float(end[1]) for _, end, _ in legs],
        "color": [color for _, _, color in legs],
    }


def _fade(renderers: Sequence[Any], faint: bool) -> None:
    alpha = _FAINT if faint else _CLEAR
    for renderer in renderers:
        for name in ("line_alpha", "fill_alpha"):
            if getattr(renderer.glyph, name, alpha) != alpha:
                setattr(renderer.glyph, name, alpha)
