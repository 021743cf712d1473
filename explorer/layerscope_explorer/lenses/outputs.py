"""The outputs lens: what a layer sends on when the sample digits pass through it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import panel as pn
from numpy.typing import NDArray

from layerscope_explorer.components.heat_map import HeatMap, tiled
from layerscope_explorer.components.stepper import Stepper
from layerscope_explorer.document import INPUT
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import (
    NO_LINE,
    Outline,
    both_rows,
    both_sentences,
    gapped,
    of_a,
)
from layerscope_explorer.lenses.distribution import (
    DistributionPicture,
    distribution_frame,
    statistics,
)
from layerscope_explorer.lenses.figure import (
    MARKER,
    MEASURED,
    SteadyRange,
    empty_source,
    new_figure,
    picture_pane,
    replace_data,
)
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import Histogram, LayerView
from layerscope_explorer.steps import Stack
from layerscope_explorer.strings import text
from layerscope_explorer.theme import PLOT_COLORS

__all__ = [
    "OutputsLens",
    "Shown",
    "arranged",
    "frame",
    "sentence",
    "share_near_zero",
    "study",
    "table",
]

_MANY_ZEROS = 0.15


def frame(layer: LayerView) -> dict[str, NDArray[Any]]:
    """Return what is drawn of a layer's output (see `distribution_frame`)."""
    return distribution_frame(layer.output)


def share_near_zero(histogram: Histogram) -> tuple[float, float]:
    """Return the share of values in the bin that holds zero, and how far that bin reaches.

    `(0.0, 0.0)` when no bin holds zero.
    """
    edges = histogram.edges
    holds = np.flatnonzero((edges[:-1] <= 0.0) & (edges[1:] > 0.0))
    if not holds.size:
        return 0.0, 0.0
    index = int(holds[0])
    left, right = float(edges[index]), float(edges[index + 1])
    return float(histogram.counts[index]) * (right - left), max(-left, right)


def sentence(layer: LayerView) -> str:
    """Say what comes out of the layer, in numbers."""
    output = layer.output
    if output is None:
        return text("lenses.no_output", layer=layer.class_name)
    if not math.isfinite(output.mean):
        return text("lenses.output_nonfinite" if output.count else "lenses.output_empty")
    values = {
        "count": wording.count(output.count),
        "mean": wording.average(output.mean, output.std),
        "std": wording.number(output.std),
        "low": wording.number(output.low),
        "high": wording.number(output.high),
    }
    if output.low == output.high:
        return text("lenses.output_constant", **values)
    parts = [text("lenses.output", **values)]
    zeros, reach = share_near_zero(output)
    if zeros > _MANY_ZEROS:
        share, within = wording.percent(zeros), wording.number(reach)
        parts.append(text("lenses.output_zeros", share=share, reach=within))
    if output.nonfinite:
        share = wording.percent(output.nonfinite / max(1, output.sampled))
        parts.append(text("lenses.some_nonfinite", share=share))
    return " ".join(parts)


def table(layer: LayerView) -> list[tuple[str, str]]:
    """Return the numbers behind the picture."""
    if layer.output is None:
        return []
    rows = statistics(layer.output)
    if layer.output_shape is not None:
        rows.insert(0, (text("lenses.shape"), wording.shape(layer.output_shape)))
    return rows


def legend(layer: LayerView) -> list[dict[str, str]]:
    """Return what each mark of the picture means."""
    output = layer.output
    if output is None or not math.isfinite(output.mean):
        return []
    return [
        legend_entry("fill", MEASURED, text("lenses.output_values")),
        legend_entry(
            "upright", MARKER, text("lenses.mean"), wording.average(output.mean, output.std)
        ),
        legend_entry("span", MARKER, text("lenses.std_mark"), wording.number(output.std)),
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample's output, as it is drawn.

    Attributes
    ----------
    kind
        "maps": feature maps side by side; "steps": one row per feature over the steps; "units":
        one value per unit; "slices": the first channel of a volume, slice by slice.
    values
        The picture, float32 (rows, columns), NaN where there is nothing.
    traces
        Values of the first features over the steps, (features, steps); empty unless "steps".
    count, total
        Feature maps, features or slices that are shown, and how many there are.
    sample, samples
        Which sample it is, of how many.
    limit
        Largest absolute value of the whole sample.
    given
        The layer's input for the sample where that is an image, for comparison.
    label
        Class of the sample, where there is one.
    """

    kind: str
    values: NDArray[Any]
    traces: NDArray[Any]
    count: int
    total: int
    sample: int
    samples: int
    limit: float
    given: NDArray[Any] | None
    label: int | None


_NO_TRACES = np.zeros((0, 0), np.float32)
_MOST_TRACES = 6


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> Shown:
    """Return what a layer gives for one sample.

    Options: `sample`, counted from 0.

    Raises
    ------
    ValueError
        If the layer was not reached.
    """
    output = stack.output(layer_id)
    if output is None or not output.size:
        raise ValueError(text("lenses.no_output", layer=layer_id))
    sample = min(max(int(options["sample"]), 0), len(output) - 1)
    value = np.asarray(output[sample], np.float32)
    channels_first = _is_channels_first(stack, layer_id)
    kind, values, traces, count, total = arranged(value, channels_first)
    finite = np.abs(value[np.isfinite(value)])
    data = stack.data
    picture = data.sample[sample % len(data.sample)]
    return Shown(
        kind=kind,
        values=values,
        traces=traces,
        count=count,
        total=total,
        sample=sample,
        samples=len(output),
        limit=float(finite.max(initial=0.0)),
        given=picture[..., 0] if picture.ndim == 3 else None,
        label=None if data.labels is None else int(data.labels[sample]),
    )


def _is_channels_first(stack: Stack, layer_id: str) -> bool:
    step = stack.step(layer_id)
    return getattr(step and step.layer, "data_format", None) == "channels_first"


def arranged(
    value: NDArray[Any], channels_first: bool
) -> tuple[str, NDArray[Any], NDArray[Any], int, int]:
    """Return kind, picture and traces of one sample's output, and how much of it is shown."""
    rank = value.ndim
    if rank <= 1:
        units = value.reshape(-1)
        width = min(units.size, 64)
        rows = -(-units.size // width)
        padded = np.full(rows * width, np.nan, np.float32)
        padded[: units.size] = units
        return "units", padded.reshape(rows, width), _NO_TRACES, units.size, units.size
    channels_last = np.moveaxis(value, 0, -1) if channels_first else value
    if rank == 2:
        steps = channels_last.T
        shown = steps[:256, :512]
        return "steps", shown, steps[:_MOST_TRACES], len(shown), len(steps)
    if rank == 3:
        tiles = tiled(np.moveaxis(channels_last, -1, 0))
        return "maps", tiles.values, _NO_TRACES, tiles.count, tiles.total
    # Of what has more axes the first channel, its first axes one after another.
    slices = channels_last[..., 0].reshape(-1, *channels_last.shape[-3:-1])
    tiles = tiled(slices)
    return "slices", tiles.values, _NO_TRACES, tiles.count, tiles.total


def sample_sentence(shown: Shown) -> str:
    """Say what is drawn of the chosen sample."""
    values = {"shown": wording.count(shown.count), "total": wording.count(shown.total)}
    part = text(f"lenses.shown_{shown.kind}", **values)
    if shown.count < shown.total:
        part = text(f"lenses.shown_some_{shown.kind}", **values)
    about = "" if shown.label is None else f" {text('lenses.sample_class', label=shown.label)}"
    return f"{part} {text('lenses.strongest', value=wording.number(shown.limit))}{about}"


class TracePicture:
    """Features of a sequence as lines over its steps."""

    def __init__(self, label: str) -> None:
        self.figure = new_figure(label, 150)
        self.lines = empty_source("x", "y", "color")
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)
        self.figure.multi_line("x", "y", line_color="color", line_width=2, source=self.lines)
        self.other = Outline(self.figure, line_width=1.2, line_dash=[2, 2])
        self.pane = picture_pane(self.figure)

    def show(self, traces: NDArray[Any], subject: object, other: NDArray[Any]) -> None:
        """Draw traces (features, steps), and those of A; to be called inside `redraw`."""
        self.pane.visible = bool(traces.size)
        lines = [(np.arange(len(line)), line) for line in other] if traces.size else []
        self.other.show(gapped(lines) if lines else NO_LINE)
        finite = traces[np.isfinite(traces)]
        if finite.size:
            self._x.fix(0, max(traces.shape[1] - 1, 1))
            self._y.show(float(finite.min()), float(finite.max()), subject)
        steps = list(range(traces.shape[1]))
        replace_data(
            self.lines,
            {
                "x": [steps for _ in traces],
                "y": [line.tolist() for line in np.nan_to_num(traces)],
                "color": list(_TRACE_COLORS[: len(traces)]),
            },
        )


_TRACE_COLORS = tuple(
    PLOT_COLORS[name] for name in ("measured", "accent", "success", "danger", "muted", "theory")
)


class OutputsLens(LayerLens):
    """What the selected layer gives: one sample as a picture, and the distribution over all.

    Parameters
    ----------
    session
        As `LayerLens` wants it.
    """

    key: ClassVar[str] = "outputs"
    study = staticmethod(study)
    options: ClassVar[Mapping[str, Any]] = {"sample": 0}

    def __init__(self, session: Any) -> None:
        self.heat = HeatMap(label=text("lenses.sample_picture"), sizing_mode="stretch_width")
        self.given = HeatMap(
            label=text("lenses.given_picture"),
            tallest=96,
            width=96,
            min_width=96,
            margin=(0, 12, 0, 0),
        )
        self.traces = TracePicture(text("lenses.trace_picture"))
        self.picture = DistributionPicture(text("lenses.outputs_picture"))
        self.stepper = Stepper(self._choose, text("lenses.sample"), margin=(6, 0, 8, 0))
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        pictures = pn.Row(self.given, self.heat, **wide)
        super().__init__(
            session,
            LensBody(
                pn.Column(self.stepper, pictures, self.traces.pane, **wide),
                self.picture.pane,
            ),
        )

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.outputs_of", name=layer.name)

    def _choose(self, sample: int) -> None:
        self.session.set_option(self.key, sample=sample)

    def _show(self, layer: LayerView, found: Shown) -> None:
        drawn = frame(layer)
        self.heat.draw(found.values, found.limit)
        if found.given is None or layer.id == INPUT:
            self.given.clear()
        else:
            self.given.draw(found.given)
        old: Shown | None = self.found_other
        self.traces.show(found.traces, layer.id, _NO_TRACES if old is None else old.traces)
        self.stepper.param.update(value=found.sample, count=found.samples)
        other = self.other
        self.picture.show(drawn, layer.id, None if other is None else other.output)
        said, entries = sentence(layer), legend(layer)
        if other is not None:
            said = both_sentences(said, sentence(other))
            entries.append(of_a())
        empty = not np.size(drawn["mean"])
        self.picture.message.say(text("lenses.nothing_finite") if empty else "")
        broken = layer.output is not None and layer.output.nonfinite > 0
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=wording.shape(layer.output_shape or ()),
                sentence=f"{sample_sentence(found)} {said}",
                tone="bad" if broken else "plain",
                legend=entries,
                table=lambda: both_rows(table, layer, other),
            )
        )

    def _show_nothing(self, words: Words) -> None:
        self.heat.clear()
        self.given.clear()
        self.traces.show(_NO_TRACES, None, _NO_TRACES)
        self.picture.show(distribution_frame(None), None)
        self.picture.message.say(text("lenses.no_picture"))
        self.body.say(words)
