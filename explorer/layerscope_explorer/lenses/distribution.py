"""A histogram drawn as a picture: measured bars, the theory's outline, mean and spread."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from bokeh.core.properties import value
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.comparison import Outline, steps_of
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
from layerscope_explorer.snapshot import Histogram
from layerscope_explorer.strings import text

__all__ = ["DistributionPicture", "distribution_frame", "rebin", "share_between", "statistics"]

Frame = dict[str, NDArray[Any]]
Curve = tuple[NDArray[Any], NDArray[Any]]


def hover_range() -> str:
    """Return how a tooltip names the values of the bar under the pointer."""
    return text("lenses.between", low="@left{custom}", high="@right{custom}")


# A bar this many times higher than the next is cut off, so that the others can be seen.
_TOWERING = 4.0
_CUT_AT = 1.6


def share_between(histogram: Histogram, low: float, high: float) -> float:
    """Return the share of values between two numbers, values inside a bin spread evenly.

    The outermost bins hold everything beyond them, so `-inf` and `inf` work as ends.
    """
    edges = histogram.edges.astype(np.float64)
    reached = _cumulated(histogram)
    ends = np.interp([low, high], edges, reached)
    return float(max(0.0, ends[1] - ends[0]))


def rebin(histogram: Histogram, edges: NDArray[Any]) -> Frame:
    """Return the shares of the values in bins with other edges.

    Returns
    -------
    dict
        `left`, `right` and `share`, one shorter than `edges`; shares sum to what lies between
        the first and the last.
    """
    reached = np.interp(edges, histogram.edges.astype(np.float64), _cumulated(histogram))
    return {"left": edges[:-1], "right": edges[1:], "share": np.diff(reached)}


def _cumulated(histogram: Histogram) -> NDArray[np.float64]:
    masses = histogram.counts.astype(np.float64) * np.diff(histogram.edges.astype(np.float64))
    return np.concatenate(([0.0], np.cumsum(masses)))


def distribution_frame(
    histogram: Histogram | None,
    density: Curve | None = None,
    point_mass: float | None = None,
) -> Frame:
    """Return everything the picture of one distribution draws, as arrays.

    Parameters
    ----------
    histogram
        The measured values; None draws nothing.
    density
        `(x, pdf)` of the theory.
    point_mass
        The theory's single value, where it has one.

    Returns
    -------
    dict
        Bars `left`, `right`, `top`, `share` (their density and share of 1); outline `x`, `pdf`;
        stem `stem`; marker `mean`, `std` (empty when there is nothing finite); `cut` with the
        index of a bar that towers over the others, and `ceiling`, the height to show.
    """
    nothing = np.zeros(0)
    x, pdf = (nothing, nothing) if density is None else density
    stem = nothing if point_mass is None else np.array([point_mass])
    frame: Frame = {"x": np.asarray(x), "pdf": np.asarray(pdf), "stem": stem}
    empty = histogram is None or not math.isfinite(histogram.mean)
    if histogram is None or empty:
        names = ("left", "right", "top", "share", "mean", "std")
        frame |= dict.fromkeys(names, nothing)
    else:
        edges, counts = histogram.edges, histogram.counts
        frame |= {
            "left": edges[:-1],
            "right": edges[1:],
            "top": counts,
            "share": counts * np.diff(edges),
            "mean": np.array([histogram.mean]),
            "std": np.array([histogram.std]),
        }
    cut, ceiling = _ceiling(frame["top"], frame["share"], frame["pdf"])
    return frame | {"cut": cut, "ceiling": np.array([ceiling])}


def _ceiling(
    tops: NDArray[Any], shares: NDArray[Any], pdf: NDArray[Any]
) -> tuple[NDArray[np.intp], float]:
    """Return the bar to cut off, if any, and the height that shows the rest."""
    uncut = np.zeros(0, dtype=np.intp)
    theory = float(np.quantile(pdf, 0.98)) if pdf.size else 0.0
    if not tops.size:
        return uncut, theory or 1.0
    tallest = int(np.argmax(tops))
    others = np.delete(tops, tallest)
    next_height = max(float(others.max()) if others.size else 0.0, theory)
    rest = 1.0 - float(shares[tallest])
    if next_height > 0.0 and rest > 0.005 and tops[tallest] > _TOWERING * next_height:
        return np.array([tallest]), _CUT_AT * next_height
    return uncut, max(float(tops[tallest]), theory) or 1.0


def statistics(histogram: Histogram) -> list[tuple[str, str]]:
    """Return a histogram in words and numbers: its text twin."""
    rows = [(text("lenses.values"), wording.count(histogram.count))]
    if histogram.sampled < histogram.count:
        rows.append((text("lenses.sampled"), wording.count(histogram.sampled)))
    if histogram.nonfinite:
        rows.append((text("lenses.nonfinite"), wording.count(histogram.nonfinite)))
    if not math.isfinite(histogram.mean):
        return rows
    rows += [
        (text("lenses.mean"), wording.number(histogram.mean)),
        (text("lenses.std"), wording.number(histogram.std)),
        (text("lenses.low"), wording.number(histogram.low)),
        (text("lenses.high"), wording.number(histogram.high)),
    ]
    if histogram.low == histogram.high:
        return rows
    stops = np.linspace(histogram.edges[0], histogram.edges[-1], 9, dtype=np.float64)
    for low, high in pairwise(stops.tolist()):
        name = text("lenses.between", low=wording.number(low), high=wording.number(high))
        rows.append((name, wording.percent(share_between(histogram, low, high))))
    return rows


class DistributionPicture:
    """The Bokeh figure of one distribution, made once and given new data.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = new_figure(label, show_y=False)
        self.bars = empty_source("left", "right", "top", "share")
        self.outline = empty_source("x", "pdf")
        self.stem = empty_source("x", "top", "label", "align", "offset")
        self.marker = empty_source("mean", "low", "high", "y")
        self.cut = empty_source("x", "y", "label", "align", "offset")
        self.pane = picture_pane(self.figure)
        self._x = SteadyRange(self.figure.x_range)
        self._y = SteadyRange(self.figure.y_range, least_fill=0.7)
        self.other = Outline(self.figure)
        self.message = Message(self.figure, self._draw())

    def _draw(self) -> Any:
        """Add all glyphs; return the baseline."""
        picture = self.figure
        bars = picture.quad(
            left="left",
            right="right",
            top="top",
            bottom=0.0,
            source=self.bars,
            fill_color=MEASURED,
            fill_alpha=0.6,
            line_color=MEASURED,
            line_alpha=0.0,
            hover_fill_alpha=0.95,
            hover_fill_color=MEASURED,
        )
        picture.line("x", "pdf", source=self.outline, line_color=THEORY, line_width=2.5)
        picture.segment(
            x0="x", x1="x", y0=0.0, y1="top", source=self.stem, line_color=THEORY, line_width=2.5
        )
        picture.scatter("x", "top", source=self.stem, size=11, color=THEORY)
        self._write("x", "top", self.stem, THEORY, "middle")
        dashed: dict[str, Any] = {"line_dash": [5, 4], "line_width": 1.5}
        picture.segment("mean", 0.0, "mean", "y", source=self.marker, line_color=MARKER, **dashed)
        picture.segment(
            "low", "y", "high", "y", source=self.marker, line_color=MARKER, line_width=2
        )
        for end in ("low", "high"):
            picture.scatter(
                end, "y", source=self.marker, marker="dash", angle=math.pi / 2, size=10,
                line_color=MARKER, line_width=2,
            )  # fmt: skip
        baseline = picture.hspan(y=[0.0], line_color=MARKER, line_width=1)
        self._write("x", "y", self.cut, MEASURED, "top")
        tips = [
            (text("lenses.hover_range"), hover_range()),
            (text("lenses.hover_share"), "@share{0.0%}"),
        ]
        picture.add_tools(hover([bars], tips))
        return baseline

    def _write(self, x: str, y: str, source: Any, color: str, baseline: Any) -> None:
        self.figure.text(
            x,
            y,
            "label",
            source=source,
            text_align={"field": "align"},
            x_offset={"field": "offset"},
            text_baseline=baseline,
            text_color=color,
            text_font_size="12px",
            text_font_style="bold",
            text_font=value(FONT),
        )

    def show(self, frame: Frame, subject: object, other: Histogram | None = None) -> None:
        """Draw a frame, and the outline of A; a new `subject` may move the axes freely.

        To be called inside `redraw`.
        """
        ceiling = float(frame["ceiling"][0])
        if other is not None and np.isfinite(other.mean) and np.size(frame["mean"]):
            # A spike of A must not press B to the floor.
            ceiling = max(ceiling, min(float(other.counts.max()), _TOWERING * ceiling))
        self._show_axes(frame, ceiling, subject, other)
        top = self._y.end
        self.other.show(steps_of(other, 2.0 * top))
        left, right, share = frame["left"], frame["right"], frame["share"]
        replace_data(
            self.bars,
            {
                "left": left,
                "right": right,
                "top": np.minimum(frame["top"], 2.0 * top),
                "share": share,
            },
        )
        replace_data(self.outline, {"x": frame["x"], "pdf": np.minimum(frame["pdf"], 2.0 * top)})
        replace_data(self.stem, self._stem_columns(frame, top))
        mean, std = frame["mean"], frame["std"]
        height = np.full(mean.size, 0.95 * top)
        replace_data(
            self.marker,
            {
                "mean": mean,
                "low": mean - std,
                "high": mean + std,
                "y": height,
            },
        )
        replace_data(self.cut, self._cut_label(frame, top))

    def _show_axes(
        self, frame: Frame, ceiling: float, subject: object, other: Histogram | None
    ) -> None:
        ends = [
            float(end)
            for name, pick in (("left", np.min), ("right", np.max), ("x", np.min), ("x", np.max))
            if frame[name].size
            for end in [pick(frame[name])]
        ]
        ends += frame["stem"].tolist()
        if other is not None and np.isfinite(other.mean):
            ends += [float(other.edges[0]), float(other.edges[-1])]
        if ends:
            self._x.show(min(ends), max(ends), subject)
        # The room above the bars is where mean and spread are drawn.
        self._y.show(0.0, 1.16 * ceiling, subject)

    def _stem_columns(self, frame: Frame, top: float) -> dict[str, Any]:
        columns: dict[str, Any] = {"x": [], "top": [], "label": [], "align": [], "offset": []}
        middle = 0.5 * (self._x.start + self._x.end)
        for point in frame["stem"].tolist():
            mean = float(frame["mean"][0]) if frame["mean"].size else point
            # On the side with more room, unless the mean line would cross the words there.
            to_right = point <= middle if mean == point else mean < point
            columns["x"].append(point)
            columns["top"].append(0.86 * top)
            columns["label"].append(text("lenses.all_at", value=wording.number(point)))
            columns["align"].append("left" if to_right else "right")
            columns["offset"].append(11 if to_right else -11)
        return columns

    def _cut_label(self, frame: Frame, top: float) -> dict[str, Any]:
        columns: dict[str, Any] = {"x": [], "y": [], "label": [], "align": [], "offset": []}
        span = self._x.end - self._x.start
        for index in frame["cut"].tolist():
            left, right = float(frame["left"][index]), float(frame["right"][index])
            on_left = left + right < self._x.start + self._x.end
            start, mean = (right if on_left else left), float(frame["mean"][0])
            # Text right of the bar would be crossed by a mean line close by.
            crossed = 0.0 < (mean - start if on_left else start - mean) < 0.4 * span
            columns["x"].append(mean if crossed else start)
            columns["y"].append(0.88 * top)
            place = 0.0 if left <= 0.0 < right else 0.5 * (left + right)
            share = wording.percent(float(frame["share"][index]))
            label = text("lenses.cut_bar", share=share, place=wording.number(place))
            columns["label"].append(label)
            columns["align"].append("left" if on_left else "right")
            columns["offset"].append(6 if on_left else -6)
        return columns
