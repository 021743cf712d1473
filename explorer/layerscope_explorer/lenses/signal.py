"""The signal lens: how values and gradients fare on their way through the whole stack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import FixedTicker, NoOverlap, Range1d
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import (
    NO_LINE,
    Line,
    Outline,
    both_rows,
    both_sentences,
    gapped,
    of_a,
)
from layerscope_explorer.lenses.figure import (
    DERIVATIVE,
    FLAT,
    MARKER,
    MEASURED,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    redraw,
    replace_data,
)
from layerscope_explorer.lenses.lens import LensBody, Words
from layerscope_explorer.snapshot import Histogram, LayerView, Snapshot
from layerscope_explorer.strings import text
from layerscope_explorer.theme import PLOT_COLORS

__all__ = ["SignalLens", "frame", "sentence", "spreads", "table"]

Frame = dict[str, Any]

_RIBBON_HEIGHT, _DEPTH_HEIGHT = 150, 116
#: Widest half of a strip, in places.
_HALF = 0.44
#: Beyond these a spread is drawn at the edge: nothing there could be told apart.
_FLOOR, _CEILING = 1e-12, 1e12
_HEALTH_COLORS = {
    "ok": PLOT_COLORS["success"],
    "warn": PLOT_COLORS["accent"],
    "bad": PLOT_COLORS["danger"],
    "off": PLOT_COLORS["muted"],
}
#: Names stand under the strips up to this many, then numbers.
_NAMED = 26


def shown_layers(snapshot: Snapshot) -> list[LayerView]:
    """Return the data and every layer that computes something, from input to output."""
    return [view for view in (snapshot.input, *snapshot.layers) if view.output is not None]


def spreads(snapshot: Snapshot, backward: bool) -> list[float]:
    """Return the standard deviation at every place of the stack, NaN where there is none."""
    return [_spread(_histogram(view, backward)) for view in shown_layers(snapshot)]


def _histogram(view: LayerView, backward: bool) -> Histogram | None:
    return view.gradient if backward else view.output


def _spread(histogram: Histogram | None) -> float:
    return math.nan if histogram is None else histogram.std


def frame(snapshot: Snapshot, backward: bool = False) -> Frame:
    """Return everything the pictures draw.

    Returns
    -------
    dict
        `ids`, `names`, `health` by place; `whole` and, split in halves, `before` and `after`:
        bars `left`, `right`, `bottom`, `top`; `reach`, what the ribbon shows of the axis; `forth`
        and `back`, the spreads of values and of gradients.
    """
    views = shown_layers(snapshot)
    bars: dict[str, list[NDArray[Any]]] = {"whole": [], "before": [], "after": []}
    reach = 0.0
    for place, view in enumerate(views):
        inputs = view.activation.inputs if view.activation and not backward else None
        shown = _histogram(view, backward)
        for name, one in (("before", inputs), ("after" if inputs else "whole", shown)):
            if one is not None and math.isfinite(one.mean):
                bars[name].append(_strip(one, place, name))
                reach = max(reach, _reach_of(one))
    return {
        "ids": [view.id for view in views],
        "names": [view.name for view in views],
        "health": [view.health for view in views],
        "reach": reach or 1.0,
        "forth": spreads(snapshot, backward=False),
        "back": spreads(snapshot, backward=True),
    } | {name: _columns(found) for name, found in bars.items()}


def _reach_of(histogram: Histogram) -> float:
    """Return how far from zero the bulk of the values goes."""
    bulk = abs(histogram.mean) + 3.0 * histogram.std
    return min(bulk, max(abs(histogram.low), abs(histogram.high)))


def _strip(histogram: Histogram, place: int, half: str) -> NDArray[Any]:
    """Return the bars of one strip as rows left, right, bottom, top."""
    counts, edges = histogram.counts.astype(np.float64), histogram.edges.astype(np.float64)
    tallest = counts.max()
    widths = _HALF * counts / tallest if tallest > 0 else counts
    kept = widths > 0.004
    left = place - (widths if half != "after" else 0.0 * widths)
    right = place + (widths if half != "before" else 0.0 * widths)
    return np.stack([left, right, edges[:-1], edges[1:]])[:, kept]


def _columns(strips: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    rows = np.concatenate(strips, axis=1) if strips else np.zeros((4, 0))
    names = ("left", "right", "bottom", "top")
    return {name: row.astype(np.float32) for name, row in zip(names, rows, strict=True)}


# --- A beside B ---------------------------------------------------------------------------------


def _alike(snapshot: Snapshot, other: Snapshot) -> list[tuple[int, LayerView]]:
    """Return what A has of the layers of B, each with its place in B."""
    known = {view.id: view for view in shown_layers(other)}
    views = shown_layers(snapshot)
    return [(place, known[view.id]) for place, view in enumerate(views) if view.id in known]


def strips_of_a(snapshot: Snapshot, other: Snapshot, backward: bool) -> tuple[Line, float]:
    """Return the outlines of A's strips at the places of B's, and how far they reach."""
    lines, reach = [], 0.0
    for place, view in _alike(snapshot, other):
        inputs = view.activation.inputs if view.activation and not backward else None
        shown = _histogram(view, backward)
        left = shown if inputs is None else inputs
        for side, one in ((-1, left), (1, shown)):
            if one is not None and math.isfinite(one.mean):
                widths = one.counts.astype(np.float64) / (one.counts.max() or 1.0)
                x = place + side * _HALF * np.repeat(widths, 2)
                lines.append((x, np.repeat(one.edges.astype(np.float64), 2)[1:-1]))
                reach = max(reach, _reach_of(one))
    return gapped(lines), reach


def spreads_of_a(snapshot: Snapshot, other: Snapshot, backward: bool) -> Line:
    """Return A's spreads as a line over the places of B's layers."""
    found = [
        (place, _spread(_histogram(view, backward))) for place, view in _alike(snapshot, other)
    ]
    found = [(place, spread) for place, spread in found if spread == spread]
    if not found:
        return NO_LINE
    places, values = zip(*found, strict=True)
    return np.array(places), _clipped(values)


# --- words --------------------------------------------------------------------------------------


def sentence(snapshot: Snapshot, backward: bool = False) -> str:
    """Say how the spread changes on the way."""
    views = shown_layers(snapshot)
    values = spreads(snapshot, backward)
    # A last layer that gives the same to all, as a softmax of nothing, would hide the way there.
    known = [(view, value) for view, value in zip(views, values, strict=True) if value > 0]
    if len(known) < 2:
        return text("lenses.signal_nothing_back" if backward else "lenses.signal_nothing")
    if any(_nonfinite(view, backward) for view in views):
        first = next(view for view in views if _nonfinite(view, backward))
        return text("lenses.signal_nonfinite", name=first.name)
    (first, start), (last, end) = known[0], known[-1]
    if backward:
        (first, start), (last, end) = (last, end), (first, start)
    steps = len(known) - 1
    said = text(
        "lenses.signal_back" if backward else "lenses.signal_forth",
        start=wording.number(start),
        end=wording.number(end),
        first=first.name,
        last=last.name,
    )
    if not 0.1 < end / start < 10:
        rate = (end / start) ** (1 / steps)
        key = "lenses.signal_falls" if rate < 1 else "lenses.signal_grows"
        share = wording.percent(rate) if rate < 1 else f"{wording.number(rate)}×"
        return f"{said} {text(key, rate=share)}"
    return said


def _nonfinite(view: LayerView, backward: bool) -> bool:
    histogram = _histogram(view, backward)
    return histogram is not None and bool(histogram.nonfinite)


def table(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the spreads at every place."""
    rows = []
    for view in shown_layers(snapshot):
        back = _spread(view.gradient)
        value = text(
            "lenses.signal_row",
            forth=wording.number(_spread(view.output)),
            back="–" if back != back else wording.number(back),
        )
        rows.append((view.name, value))
    return rows


# --- pictures -----------------------------------------------------------------------------------


class RibbonPicture:
    """One strip per layer: the distribution of its values, standing upright.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = new_figure(label, _RIBBON_HEIGHT)
        self.figure.min_border_bottom = 8
        self.figure.xaxis.visible = False
        self.figure.xgrid.visible = False
        self.figure.min_border_left = self.figure.min_border_right = 46
        self.sources = {
            name: empty_source("left", "right", "bottom", "top")
            for name in ("whole", "before", "after")
        }
        self.selected = empty_source("x")
        self._y = SteadyRange(self.figure.y_range, least_fill=0.45)
        self.figure.vbar(
            "x", 0.98, top=1e9, bottom=-1e9, source=self.selected, fill_color=MARKER,
            fill_alpha=0.13, line_color=None,
        )  # fmt: skip
        self.figure.hspan(y=[0.0], line_color=MARKER, line_width=1, line_alpha=0.5)
        for name, color in (("before", MARKER), ("whole", MEASURED), ("after", MEASURED)):
            # The outline keeps a strip visible that has collapsed to a line.
            self.figure.quad(
                left="left", right="right", bottom="bottom", top="top", source=self.sources[name],
                fill_color=color, line_color=color, line_width=1, fill_alpha=0.75,
            )  # fmt: skip
        self.other = Outline(self.figure, line_width=1.3)
        self.pane = picture_pane(self.figure)

    def show(
        self, drawn: Frame, places: Sequence[int], subject: object, other: tuple[Line, float]
    ) -> None:
        """Draw a frame and A's outlines; to be called inside `redraw`."""
        outlines, their_reach = other
        self.other.show(outlines)
        # However large A is, B must not be pressed flat.
        reach = 1.04 * max(drawn["reach"], min(their_reach, 4.0 * drawn["reach"]))
        self._y.show(-reach, reach, subject)
        for name, source in self.sources.items():
            replace_data(source, drawn[name])
        replace_data(self.selected, {"x": list(places)})


class DepthPicture:
    """The spread over depth on a logarithmic axis, of values and of gradients.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    x_range
        Shared with the ribbon above.
    """

    def __init__(self, label: str, x_range: Any) -> None:
        self.figure = new_figure(label, _DEPTH_HEIGHT, log_y=True)
        self.figure.x_range = x_range
        self.figure.min_border_left = self.figure.min_border_right = 46
        self.figure.xgrid.visible = False
        self.figure.xaxis.major_label_policy = NoOverlap(min_distance=6)
        # Kept for good: for a new model in it Bokeh walks through everything a document holds.
        self._places = FixedTicker(ticks=[])
        self._decades = FixedTicker(ticks=[0.1, 1.0, 10.0])
        self.figure.xaxis[0].ticker, self.figure.yaxis[0].ticker = self._places, self._decades
        self.lines = {name: empty_source("x", "y") for name in ("forth", "back", "ghost")}
        self.points = empty_source("x", "y", "name", "color", "spread")
        self.selected = empty_source("x")
        self.figure.vbar(
            "x", 0.98, top=1e30, bottom=1e-30, source=self.selected, fill_color=MARKER,
            fill_alpha=0.13, line_color=None,
        )  # fmt: skip
        self.figure.line(
            "x", "y", source=self.lines["ghost"], line_color=PLOT_COLORS["success"], line_width=3,
            line_alpha=0.75,
        )  # fmt: skip
        self._back = self.figure.line(
            "x", "y", source=self.lines["back"], line_color=DERIVATIVE, line_width=2,
            line_dash=[6, 4],
        )  # fmt: skip
        self._forth = self.figure.line(
            "x", "y", source=self.lines["forth"], line_color=MEASURED, line_width=2
        )
        points = self.figure.scatter(
            "x", "y", source=self.points, size=8, fill_color="color", line_color=None
        )
        tips = [(text("lenses.layer"), "@name"), (text("lenses.std"), "@spread")]
        self.figure.add_tools(hover([points], tips, mode="vline"))
        self.other = Outline(self.figure, line_width=2.5)
        self.pane = picture_pane(self.figure)
        self._range = (0.1, 10.0)

    def show(
        self,
        drawn: Frame,
        places: Sequence[int],
        backward: bool,
        ghost: list[float],
        other: Line,
    ) -> None:
        """Draw a frame and A's line; to be called inside `redraw`."""
        values = {"forth": drawn["forth"], "back": drawn["back"], "ghost": ghost}
        found = [one for line in values.values() for one in map(drawable, line) if one == one]
        self._show_axis([*found, *other[1].tolist()])
        self.other.show(other)
        for name, line in values.items():
            replace_data(self.lines[name], {"x": np.arange(len(line)), "y": _clipped(line)})
        active = drawn["back"] if backward else drawn["forth"]
        replace_data(
            self.points,
            {
                "x": list(range(len(active))),
                "y": [float(one) for one in _clipped(active)],
                "name": drawn["names"],
                "color": [_HEALTH_COLORS[one] for one in drawn["health"]],
                "spread": [wording.number(one) for one in active],
            },
        )
        replace_data(self.selected, {"x": list(places)})
        self._name_places(drawn["names"])

    def _show_axis(self, values: list[float]) -> None:
        if not values:
            return
        low = 10.0 ** math.floor(math.log10(min(values)) - 0.15)
        high = 10.0 ** math.ceil(math.log10(max(values)) + 0.15)
        if (low, high) != self._range:
            self._range = (low, high)
            self.figure.y_range.update(start=low, end=high)
            decades = round(math.log10(high / low))
            step = max(1, math.ceil(decades / 4))
            exponents = range(round(math.log10(low)), round(math.log10(high)) + 1, step)
            self._decades.ticks = [10.0**one for one in exponents]
            self.figure.yaxis[0].major_label_overrides = {
                10.0**one: wording.number(10.0**one) for one in exponents
            }

    def _name_places(self, names: list[str]) -> None:
        axis = self.figure.xaxis[0]
        numbered = len(names) > _NAMED
        labels: dict[float | str, Any] = {
            place: str(place) if numbered else name for place, name in enumerate(names)
        }
        if labels != axis.major_label_overrides:
            self._places.ticks = list(range(len(names)))
            axis.major_label_overrides = labels


def drawable(spread: float) -> float:
    """Return a spread within the axis; one beyond it stands at its edge."""
    if spread != spread:
        return math.nan
    return min(max(spread, _FLOOR), _CEILING)


def _clipped(line: Sequence[float]) -> NDArray[Any]:
    return np.array([drawable(one) for one in line], np.float64)


class SignalLens(pn.viewable.Viewer):
    """Distribution and spread at every layer of the stack, forward or backward.

    Parameters
    ----------
    session
        Anything with the params `snapshot`, `selected`, `stale`, and `select`.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.ribbon = RibbonPicture(text("lenses.ribbon_picture"))
        self.depth = DepthPicture(text("lenses.depth_picture"), self.ribbon.figure.x_range)
        self.body = LensBody(
            self.ribbon.pane, self.depth.pane, choices_label=text("lenses.direction")
        )
        self.backward = False
        self._drawn: Frame = {"ids": []}
        for picture in (self.ribbon.figure, self.depth.figure):
            picture.on_event(Tap, self._tapped)
        self.body.caption.param.watch(self._turn, "choice")
        session.param.watch(self._follow, ["snapshot", "selected", "ghost", "stale", "compared"])
        self.refresh()

    def refresh(self) -> None:
        """Draw the stack as it is now."""
        snapshot = self.session.snapshot
        if snapshot is None:
            return
        self._drawn = frame(snapshot, self.backward)
        with redraw(*self.body.pictures):
            places = self._places()
            count = len(self._drawn["ids"])
            x_range = self.ribbon.figure.x_range
            if isinstance(x_range, Range1d) and (x_range.start, x_range.end) != (-0.6, count - 0.4):
                x_range.update(start=-0.6, end=count - 0.4)
            compared: Snapshot | None = self.session.compared
            strips, line = (NO_LINE, 0.0), NO_LINE
            if compared is not None:
                strips = strips_of_a(snapshot, compared, self.backward)
                line = spreads_of_a(snapshot, compared, self.backward)
            self.ribbon.show(self._drawn, places, self.backward, strips)
            self.depth.show(self._drawn, places, self.backward, self._ghost(), line)
            self.body.say(self._words(snapshot, compared))
            self.body.dim(bool(self.session.stale))

    def _words(self, snapshot: Snapshot, compared: Snapshot | None) -> Words:
        said = sentence(snapshot, self.backward)
        if compared is not None:
            said = both_sentences(said, sentence(compared, self.backward))
        choices = [text("lenses.forward"), text("lenses.backward")]
        return Words(
            subject=text("lenses.signal"),
            sentence=said,
            legend=self._legend(),
            choices=choices,
            choice=choices[int(self.backward)],
            table=lambda: both_rows(table, snapshot, compared),
        )

    def _legend(self) -> list[dict[str, str]]:
        shown = "lenses.gradients" if self.backward else "lenses.outputs_here"
        entries = [legend_entry("fill", MEASURED, text(shown))]
        if not self.backward:
            entries.append(legend_entry("fill", MARKER, text("lenses.before_activation")))
        return [
            *entries,
            legend_entry("line", MEASURED, text("lenses.spread_forth")),
            legend_entry("dash", DERIVATIVE, text("lenses.spread_back")),
            legend_entry("dot", FLAT, text("lenses.unhealthy_here")),
            *self._ghost_legend(),
            *([] if self.session.compared is None else [of_a()]),
        ]

    def _ghost_legend(self) -> list[dict[str, str]]:
        if self.session.ghost is None:
            return []
        return [legend_entry("line", PLOT_COLORS["success"], text("lenses.ghost"))]

    def _ghost(self) -> list[float]:
        """Return the spreads of the choice that is only looked at; none while nothing is."""
        ghost = self.session.ghost
        return [] if ghost is None else spreads(ghost, self.backward)

    def _places(self) -> list[int]:
        ids = self._drawn["ids"]
        return [ids.index(self.session.selected)] if self.session.selected in ids else []

    def _turn(self, event: Any) -> None:
        self.backward = event.new == text("lenses.backward")
        self.refresh()

    def _tapped(self, event: Any) -> None:
        place = round(event.x) if event.x is not None else -1
        if 0 <= place < len(self._drawn["ids"]):
            self.session.select(self._drawn["ids"][place])

    def _follow(self, *events: Any) -> None:
        names = {event.name for event in events}
        if names & {"snapshot", "ghost", "compared"}:
            self.refresh()
            return
        with redraw(*self.body.pictures):
            for picture in (self.ribbon, self.depth):
                replace_data(picture.selected, {"x": self._places()})
            self.body.dim(bool(self.session.stale))

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the layout."""
        return self.body.layout
