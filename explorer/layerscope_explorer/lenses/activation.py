"""The activation lens: the curve, its slope, and where this layer's own data meets it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from bokeh.core.properties import value
from bokeh.models import Range1d
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import (
    NO_LINE,
    Outline,
    both_rows,
    both_sentences,
    of_a,
    steps_of,
)
from layerscope_explorer.lenses.distribution import hover_range, rebin, share_between, statistics
from layerscope_explorer.lenses.figure import (
    DERIVATIVE,
    FLAT,
    FONT,
    MARKER,
    MEASURED,
    NEARLY_FLAT,
    Message,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    replace_data,
)
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import ActivationView, Histogram, LayerView
from layerscope_explorer.strings import text

__all__ = ["ActivationLens", "Zone", "frame", "sentence", "table", "zones"]

Frame = dict[str, NDArray[Any]]

_BINS = 80
_FINEST = 150
# How much of the picture's height the data's own histogram takes.
_DATA_HEIGHT = 0.42
# A slope below this part of the steepest one lets next to no gradient through.
_NEARLY_FLAT = 0.05
_ZONE_COLORS = {"dead": FLAT, "saturated": NEARLY_FLAT}
_ONE_OF_MANY = ("softmax", "log_softmax")
_WORTH_A_WARNING = 0.2
_SLIVER = 0.01
_COLUMNS = ("x", "y", "derivative", "left", "right", "share")


@dataclass(frozen=True)
class Zone:
    """A stretch of inputs where the curve is flat, so no gradient comes back.

    Attributes
    ----------
    kind
        "dead": output and slope are both zero; "saturated": the slope is under a twentieth of
        the steepest.
    low, high
        Ends of the stretch; the outermost reach to infinity.
    share
        Of the layer's inputs that fall here; NaN without data.
    """

    kind: Literal["dead", "saturated"]
    low: float
    high: float
    share: float


def zones(view: ActivationView) -> list[Zone]:
    """Return the flat stretches at the left and right end of the curve, left first."""
    x, slope = view.x, np.abs(view.derivative)
    if view.name in _ONE_OF_MANY:
        # One coordinate's response: where it is flat, other coordinates still move.
        return []
    if x.size < 3 or not np.isfinite(slope).all() or slope.max() <= 0.0:
        return []
    flat = slope < _NEARLY_FLAT * slope.max()
    steep = np.flatnonzero(~flat)
    found: list[Zone] = []
    first, last = int(steep[0]), int(steep[-1])
    for part, low, high in (
        (slice(0, first), -math.inf, _between(x, first - 1)),
        (slice(last + 1, x.size), _between(x, last), math.inf),
    ):
        if not slope[part].size:
            continue
        dead = not slope[part].any() and not view.y[part].any()
        share = math.nan
        if view.inputs is not None and _has_data(view):
            share = share_between(view.inputs, low, high)
        found.append(Zone("dead" if dead else "saturated", low, high, share))
    return found


def _between(x: NDArray[Any], index: int) -> float:
    """Return where a stretch ends that ends between two sampled points: at a kink in 0, 0."""
    if not 0 <= index < x.size - 1:
        return math.nan
    low, high = float(x[index]), float(x[index + 1])
    return 0.0 if low <= 0.0 <= high else 0.5 * (low + high)


def frame(layer: LayerView) -> Frame:
    """Return everything the picture draws, as arrays; all empty without an activation.

    Returns
    -------
    dict
        Curve `x`, `y`, `derivative`; the data's pre-activations in the same view as `left`,
        `right`, `share`; `outside`, the share of them beyond the view.
    """
    view = layer.activation
    nothing = np.zeros(0, dtype=np.float32)
    if view is None or not view.x.size:
        return dict.fromkeys(_COLUMNS, nothing) | {"outside": np.zeros(1)}
    drawn: Frame = {"x": view.x, "y": view.y, "derivative": view.derivative}
    if view.inputs is None or not _has_data(view):
        return drawn | dict.fromkeys(_COLUMNS[3:], nothing) | {"outside": np.zeros(1)}
    drawn |= _in_view(view.inputs, float(view.x[0]), float(view.x[-1]))
    return drawn | {"outside": np.array([max(0.0, 1.0 - drawn["share"].sum())])}


def _has_data(view: ActivationView) -> bool:
    return view.inputs is not None and math.isfinite(view.inputs.mean)


def _in_view(inputs: Histogram, low: float, high: float) -> Frame:
    """Return the data's own bins, cut to the view; wider ones where they could not be seen."""
    own = inputs.edges.astype(np.float64)
    if own[1] - own[0] < (high - low) / _FINEST:
        return rebin(inputs, np.linspace(low, high, _BINS + 1))
    inner = own[(own > low) & (own < high)]
    return rebin(inputs, np.concatenate(([low], inner, [high])))


def sentence(layer: LayerView) -> str:
    """Say what the curve does to this layer's own data."""
    view = layer.activation
    if view is None:
        inside = layer.section == "recurrent"
        key = "lenses.inner_activation" if inside else "lenses.no_activation"
        return text(key, layer=layer.class_name)
    parts = [_about(view)]
    flat = [zone for zone in zones(view) if not math.isnan(zone.share)]
    if flat:
        parts.append(_flat_sentence(flat))
    if view.dead > 0.0:
        parts.append(text("lenses.dead_units", share=wording.percent(view.dead)))
    elif view.saturated > 0.0:
        parts.append(text("lenses.saturated_units", share=wording.percent(view.saturated)))
    if view.inputs is not None and view.x.size and _is_sliver(view):
        parts.append(text("lenses.sliver"))
    outside = float(frame(layer)["outside"][0])
    if outside > 0.005:
        parts.append(text("lenses.outside", share=wording.percent(outside)))
    return " ".join(parts)


def _about(view: ActivationView) -> str:
    if view.name in _ONE_OF_MANY:
        return text("lenses.softmax", name=view.name)
    if view.name == "linear":
        return text("lenses.linear")
    if view.inputs is None or not _has_data(view):
        return text("lenses.activation_alone", name=view.name)
    return text(
        "lenses.activation",
        name=view.name,
        mean=wording.average(view.inputs.mean, view.inputs.std),
        std=wording.number(view.inputs.std),
    )


def _is_sliver(view: ActivationView) -> bool:
    """Whether the data varies so little that it meets the curve as a straight line."""
    span = float(view.x[-1] - view.x[0])
    return view.inputs is not None and view.inputs.std < _SLIVER * span and view.name != "linear"


def _flat_sentence(flat: list[Zone]) -> str:
    """Say how much of the data falls where the curve is flat; both ends in one go if alike."""
    values: dict[str, str] = {}
    for zone in flat:
        side = "below" if math.isinf(zone.low) else "above"
        end = zone.high if math.isinf(zone.low) else zone.low
        values |= {side: wording.percent(zone.share), f"{side}_end": wording.number(end)}
    kinds = {zone.kind for zone in flat}
    effect = text("lenses.is_dead" if kinds == {"dead"} else "lenses.is_flat")
    where = "below_and_above" if len(flat) == 2 else "below" if "below" in values else "above"
    return text(f"lenses.falls_{where}", effect=effect, **values)


def table(layer: LayerView) -> list[tuple[str, str]]:
    """Return the numbers behind the picture."""
    view = layer.activation
    if view is None:
        return []
    rows = [
        (text("lenses.function"), view.name),
        (text("lenses.dead_share"), wording.percent(view.dead)),
        (text("lenses.saturated_share"), wording.percent(view.saturated)),
    ]
    if view.x.size:
        points = np.linspace(0, view.x.size - 1, 7).round().astype(int)
        for x, y, slope in zip(
            view.x[points], view.y[points], view.derivative[points], strict=True
        ):
            name = text("lenses.at", x=wording.number(float(x)))
            y_text, slope_text = wording.number(float(y)), wording.number(float(slope))
            rows.append((name, text("lenses.value_and_slope", y=y_text, slope=slope_text)))
    if view.inputs is None:
        return rows
    about = text("lenses.of_inputs")
    return rows + [(f"{about} {name}", value) for name, value in statistics(view.inputs)]


def legend(layer: LayerView) -> list[dict[str, str]]:
    """Return what each mark of the picture means."""
    view = layer.activation
    if view is None:
        return []
    entries = [
        legend_entry("line", MEASURED, view.name),
        legend_entry("dash", DERIVATIVE, text("lenses.derivative")),
    ]
    if _has_data(view):
        entries.append(legend_entry("fill", MARKER, text("lenses.inputs")))
    by_kind: dict[str, float] = {}
    for zone in zones(view):
        by_kind[zone.kind] = by_kind.get(zone.kind, 0.0) + zone.share
    for kind, share in by_kind.items():
        color = _ZONE_COLORS[kind]
        written = "" if math.isnan(share) else wording.percent(share)
        entries.append(legend_entry("fill", color, text(f"lenses.{kind}_zone"), written))
    return entries


class ActivationPicture:
    """The Bokeh figure of a curve over its data, made once and given new data.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = new_figure(label)
        # Shares of the picture's height, for the data's histogram and the zones.
        self.figure.extra_y_ranges = {"height": Range1d(start=0.0, end=1.0)}
        self.curve = empty_source("x", "y", "derivative")
        self.bars = empty_source("left", "right", "top", "share")
        self.zones = empty_source("left", "right", "color", "x", "label")
        self.pane = picture_pane(self.figure)
        self._y = SteadyRange(self.figure.y_range, least_fill=0.7)
        self._x = SteadyRange(self.figure.x_range)
        self.other = Outline(self.figure)
        self.other_inputs = Outline(self.figure, y_range_name="height", line_width=1.5)
        self.message = Message(self.figure, self._draw())

    def _draw(self) -> Any:
        """Add all glyphs; return the baseline."""
        picture = self.figure
        zone = {"source": self.zones, "y_range_name": "height"}
        picture.quad(
            left="left", right="right", bottom=0.0, top=1.0,
            fill_color="color", fill_alpha=0.13, line_color=None, **zone,
        )  # fmt: skip
        bars = picture.quad(
            left="left", right="right", bottom=0.0, top="top", source=self.bars,
            y_range_name="height", fill_color=MARKER, fill_alpha=0.5, line_color=None,
            hover_fill_color=MARKER, hover_fill_alpha=0.85, hover_line_color=None,
        )  # fmt: skip
        baseline = picture.hspan(y=[0.0], line_color=MARKER, line_width=1, line_alpha=0.7)
        picture.line(
            "x", "derivative", source=self.curve, line_color=DERIVATIVE, line_width=2,
            line_dash=[7, 4],
        )  # fmt: skip
        picture.line("x", "y", source=self.curve, line_color=MEASURED, line_width=3)
        picture.text(
            "x", 0.985, "label", text_color="color", text_align="center", text_baseline="top",
            text_font_size="12px", text_font_style="bold",
            text_font=value(FONT), **zone,
        )  # fmt: skip
        tips = [
            (text("lenses.hover_range"), hover_range()),
            (text("lenses.hover_share_inputs"), "@share{0.0%}"),
        ]
        picture.add_tools(hover([bars], tips))
        return baseline

    def show(
        self,
        drawn: Frame,
        stretches: list[Zone],
        subject: object,
        other: ActivationView | None = None,
    ) -> None:
        """Draw a frame, its flat stretches and A's outline; a new `subject` may move the axes.

        To be called inside `redraw`.
        """
        self._show_other(other)
        x, y, slope = drawn["x"], drawn["y"], drawn["derivative"]
        if x.size:
            self._x.show(float(x[0]), float(x[-1]), subject)
            both = np.concatenate((y, slope))
            both = both[np.isfinite(both)]
            if both.size:
                low, high = float(both.min()), float(both.max())
                room = 0.05 * (high - low)
                # More above, where the shares of the flat stretches are written.
                self._y.show(low - room, high + 3.0 * room, subject)
        replace_data(self.curve, {"x": x, "y": y, "derivative": slope})
        share = drawn["share"]
        # By density, as bins cut by the edge of the view are narrower.
        density = share / (drawn["right"] - drawn["left"])
        highest = float(density.max()) if share.size else 0.0
        top = density * (_DATA_HEIGHT / highest) if highest > 0.0 else density
        replace_data(
            self.bars,
            {
                "left": drawn["left"],
                "right": drawn["right"],
                "top": top,
                "share": share,
            },
        )
        replace_data(self.zones, self._zone_columns(stretches))

    def _show_other(self, other: ActivationView | None) -> None:
        if other is None:
            self.other.show(NO_LINE)
            self.other_inputs.show(NO_LINE)
            return
        self.other.show((other.x, other.y))
        x, density = steps_of(other.inputs)
        highest = float(density.max(initial=0.0))
        self.other_inputs.show((x, density * (_DATA_HEIGHT / highest) if highest else density))

    def _zone_columns(self, stretches: list[Zone]) -> dict[str, list[Any]]:
        start, end = self._x.start, self._x.end
        columns: dict[str, list[Any]] = {
            name: [] for name in ("left", "right", "color", "x", "label")
        }
        for zone in stretches:
            left, right = max(start, zone.low), min(end, zone.high)
            # A label only where it fits on a phone.
            roomy = right - left > 0.15 * (end - start) and not math.isnan(zone.share)
            columns["left"].append(left)
            columns["right"].append(right)
            columns["color"].append(_ZONE_COLORS[zone.kind])
            columns["x"].append(0.5 * (left + right))
            columns["label"].append(wording.percent(zone.share) if roomy else "")
        return columns


class ActivationLens(LayerLens):
    """Curve and derivative of the selected layer's activation over its own inputs.

    Parameters
    ----------
    session
        Anything with the params `snapshot`, `selected` and `stale`.
    """

    key: ClassVar[str] = "activation"

    def __init__(self, session: Any) -> None:
        self.picture = ActivationPicture(text("lenses.activation_picture"))
        super().__init__(session, LensBody(self.picture.pane))

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.activation_of", name=layer.name)

    def _show(self, layer: LayerView, found: Any) -> None:
        view = layer.activation
        if view is None:
            self._show_nothing(Words(self.title(layer), sentence=sentence(layer), tone="off"))
            return
        other = self.other if self.other is not None and self.other.activation else None
        old = None if other is None else other.activation
        self.picture.show(frame(layer), zones(view), (layer.id, view.name), old)
        said, entries = sentence(layer), legend(layer)
        if other is not None and old is not None:
            said = both_sentences(said, sentence(other))
            entries.append(of_a(text("compare.outline_of", what=old.name)))
        self.picture.message.say("")
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=view.name,
                sentence=said,
                tone="warn" if max(view.dead, view.saturated) > _WORTH_A_WARNING else "plain",
                legend=entries,
                table=lambda: both_rows(table, layer, other),
            )
        )

    def _show_nothing(self, words: Words) -> None:
        empty: Frame = dict.fromkeys(_COLUMNS, np.zeros(0, dtype=np.float32))
        self.picture.show(empty, [], None)
        self.picture.message.say(text("lenses.no_picture"))
        self.body.say(words)
