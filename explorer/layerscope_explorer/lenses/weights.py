"""The weights lens: what an initializer promises and what it drew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import panel as pn
from numpy.typing import NDArray

from layerscope_explorer.components.heat_map import HeatMap, tiled
from layerscope_explorer.components.small_words import SmallWords
from layerscope_explorer.components.stepper import Stepper
from layerscope_explorer.densities import density_of, moments_of
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import Outline, both_rows, both_sentences, of_a
from layerscope_explorer.lenses.distribution import (
    DistributionPicture,
    distribution_frame,
    statistics,
)
from layerscope_explorer.lenses.figure import (
    MARKER,
    MEASURED,
    SIDE_BY_SIDE,
    THEORY,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    replace_data,
)
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import LayerView, WeightView
from layerscope_explorer.spectra import chance_singular_values, singular_values
from layerscope_explorer.steps import Stack, Step, weight_names
from layerscope_explorer.strings import text

Array = NDArray[Any]

__all__ = ["Drawn", "WeightsLens", "frame", "sentence", "study", "table", "weight_named"]


def weight_named(layer: LayerView, name: str = "") -> WeightView | None:
    """Return the layer's weight of this name, or its first; None when it has none."""
    first = layer.weights[0] if layer.weights else None
    return next((weight for weight in layer.weights if weight.name == name), first)


def frame(layer: LayerView, name: str = "") -> dict[str, NDArray[Any]]:
    """Return what is drawn of one weight (see `distribution_frame`), all empty without one."""
    weight = weight_named(layer, name)
    if weight is None:
        return distribution_frame(None)
    return distribution_frame(weight.histogram, weight.density, weight.point_mass)


def sentence(layer: LayerView, name: str = "") -> str:
    """Say what the initializer promises and what was measured."""
    weight = weight_named(layer, name)
    if weight is None:
        return text("lenses.no_weights", layer=layer.class_name)
    measured = weight.histogram
    if not math.isfinite(measured.mean):
        key = "lenses.weight_empty" if not measured.count else "lenses.weight_nonfinite"
        return text(key, name=weight.name, count=wording.count(measured.count))
    first = _promise(weight)
    if measured.nonfinite:
        share = wording.percent(measured.nonfinite / max(1, measured.sampled))
        first = f"{first} {text('lenses.some_nonfinite', share=share)}"
    return first


def detail(weight: WeightView) -> str:
    """Return the weight's shape and the fans its initializer reckons with."""
    if len(weight.shape) < 2:
        return wording.shape(weight.shape)
    return text(
        "lenses.shape_and_fans",
        shape=wording.shape(weight.shape),
        fan_in=wording.count(weight.fan_in),
        fan_out=wording.count(weight.fan_out),
    )


def _promise(weight: WeightView) -> str:
    measured = weight.histogram
    values = {
        "initializer": weight.initializer,
        "count": wording.count(measured.count),
        "measured": wording.number(measured.std),
        "mean": wording.average(measured.mean, measured.std),
        "value": wording.number(weight.point_mass if weight.point_mass is not None else 0.0),
    }
    if weight.point_mass is not None:
        return text("lenses.point_mass" if _is_at_point(weight) else "lenses.left_point", **values)
    if weight.density is None:
        return text("lenses.no_theory", **values)
    _, expected = moments_of(weight.density)
    values["expected"] = wording.number(expected)
    return text("lenses.promise", verdict=text(_verdict(weight, expected)), **values)


def _is_at_point(weight: WeightView) -> bool:
    measured = weight.histogram
    point = float(weight.point_mass or 0.0)
    return measured.low == measured.high and math.isclose(
        measured.low, point, rel_tol=1e-5, abs_tol=1e-30
    )


def _verdict(weight: WeightView, expected: float) -> str:
    """Return which sentence judges the measured spread against chance."""
    n = max(2, weight.histogram.sampled)
    if n < 8:
        return "lenses.too_few"
    # Four standard errors of a normal sample's standard deviation.
    tolerance = max(0.02, 4.0 / math.sqrt(2.0 * n))
    ratio = weight.histogram.std / expected if expected > 0.0 else math.inf
    if abs(ratio - 1.0) <= tolerance:
        return "lenses.within_chance"
    return "lenses.wider" if ratio > 1.0 else "lenses.narrower"


def table(layer: LayerView, name: str = "") -> list[tuple[str, str]]:
    """Return the numbers behind the picture."""
    weight = weight_named(layer, name)
    if weight is None:
        return []
    rows = [
        (text("lenses.initializer"), weight.initializer),
        (text("lenses.shape"), wording.shape(weight.shape)),
        (text("lenses.fans"), f"{wording.count(weight.fan_in)} / {wording.count(weight.fan_out)}"),
        (text("lenses.trainable"), text("lenses.yes" if weight.trainable else "lenses.no")),
    ]
    if weight.density is not None:
        _, expected = moments_of(weight.density)
        rows.append((text("lenses.expected_std"), wording.number(expected)))
    return rows + statistics(weight.histogram)


def legend(layer: LayerView, name: str = "") -> list[dict[str, str]]:
    """Return what each mark of the picture means."""
    weight = weight_named(layer, name)
    if weight is None or not math.isfinite(weight.histogram.mean):
        return []
    measured = weight.histogram
    entries = [legend_entry("fill", MEASURED, text("lenses.measured"))]
    if weight.point_mass is not None:
        value = wording.number(weight.point_mass)
        entries.append(legend_entry("dot", THEORY, weight.initializer, f"= {value}"))
    elif weight.density is not None:
        label = text("lenses.theory", initializer=weight.initializer)
        entries.append(legend_entry("line", THEORY, label))
    return [
        *entries,
        legend_entry(
            "upright", MARKER, text("lenses.mean"), wording.average(measured.mean, measured.std)
        ),
        legend_entry("span", MARKER, text("lenses.std_mark"), wording.number(measured.std)),
    ]


# --- the weight itself --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """One weight as it is drawn beside its distribution.

    Attributes
    ----------
    name
        The weight's.
    values
        The picture, float32 (rows, columns), NaN between filters.
    kind
        "matrix" (a row per input, a column per unit), "filters" (one small picture each) or
        "vector".
    count, total
        Filters, or entries of the matrix in one cell of the picture.
    channel, channels
        Which input channel of the filters is drawn, of how many.
    singular, expected
        Singular values, largest first, and those that chance gives; empty where there are none.
    gradient
        Standard deviation of the loss's derivative with respect to the weight; NaN without one.
    """

    name: str
    values: Array
    kind: str
    count: int
    total: int
    channel: int
    channels: int
    singular: Array
    expected: Array
    gradient: float


_NONE = np.zeros(0)
_MOST_CELLS = 128
_MOST_FILTERS = 64


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> Drawn | None:
    """Return one weight of a layer as pictures; None for a layer without weights.

    Options: `weight`, its name (the first where there is none of that name); `channel`.
    """
    step = stack.step(layer_id)
    if step is None or not step.layer.weights:
        return None
    weights = step.layer.weights
    names = weight_names(step.layer)
    at = names.index(options["weight"]) if options["weight"] in names else 0
    weight = weights[at]
    value = np.asarray(weight.value, np.float32)
    channels = value.shape[-2] if value.ndim > 2 else 1
    channel = min(max(int(options["channel"]), 0), channels - 1)
    kind, values, count, total = _pictured(value, channel)
    singular = singular_values(value)
    return Drawn(
        name=names[at],
        values=values,
        kind=kind,
        count=count,
        total=total,
        channel=channel,
        channels=channels if kind == "filters" else 1,
        singular=_NONE if singular is None else singular,
        expected=_NONE if singular is None else _expected_spectrum(weight, value),
        gradient=_gradient_spread(stack, layer_id, step, weight),
    )


def _pictured(value: Array, channel: int) -> tuple[str, Array, int, int]:
    if value.ndim <= 1:
        return "vector", value.reshape(1, -1), value.size, value.size
    if value.ndim == 2:
        blocks = max(-(-value.shape[0] // _MOST_CELLS), -(-value.shape[1] // _MOST_CELLS))
        return "matrix", _strongest(value, blocks), blocks * blocks, value.size
    filters = np.moveaxis(value[..., channel, :], -1, 0)
    # Of filters with more axes than a picture, the slices stand one below another.
    pictures = filters.reshape(len(filters), -1, filters.shape[-1])
    tiles = tiled(pictures, _MOST_FILTERS)
    return "filters", tiles.values, tiles.count, tiles.total


def _strongest(matrix: Array, block: int) -> Array:
    """Return a matrix in blocks, of each the entry that is farthest from zero."""
    if block == 1:
        return matrix
    rows, columns = (-(-length // block) for length in matrix.shape)
    padded = np.zeros((rows * block, columns * block), matrix.dtype)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    cells = padded.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows, columns, -1)
    at = np.abs(np.nan_to_num(cells)).argmax(axis=-1)
    return np.take_along_axis(cells, at[..., None], axis=-1)[..., 0]


def _expected_spectrum(weight: Any, value: Array) -> Array:
    matrix = (math.prod(value.shape[:-1]), value.shape[-1])
    gain = getattr(weight.initializer, "gain", None)
    if type(weight.initializer).__name__ == "Orthogonal":
        return np.full(min(matrix), float(1.0 if gain is None else gain))
    density = density_of(weight.initializer, value.shape)
    if density is None:
        return _NONE
    mean, std = moments_of(density)
    return _NONE if abs(mean) > 0.01 * std else chance_singular_values(matrix, std)


def _gradient_spread(stack: Stack, layer_id: str, step: Step, weight: Any) -> float:
    found = stack.gradients.get(layer_id)
    trainable = step.layer.trainable_weights
    if found is None or len(found.weights) != len(trainable):
        return math.nan
    for one, gradient in zip(trainable, found.weights, strict=True):
        if one is weight and gradient is not None:
            # Of the mean loss, as a step of training takes it.
            return float(np.std(gradient)) / max(len(stack.data.sample), 1)
    return math.nan


def picture_sentence(drawn: Drawn) -> str:
    """Say what the colours show."""
    values = {"count": wording.count(drawn.count), "total": wording.count(drawn.total)}
    key = drawn.kind
    if drawn.kind == "filters":
        key = "filters" if drawn.count == drawn.total else "some_filters"
    elif drawn.kind == "matrix" and drawn.count > 1:
        key = "blocks"
    return text(f"lenses.drawn_{key}", **values)


def expectations(layer: LayerView, name: str) -> list[tuple[str, str]]:
    """Return what the initializer promises and what was measured, with the error of chance."""
    weight = weight_named(layer, name)
    if weight is None or weight.density is None or weight.histogram.count < 2:
        return []
    mean, std = moments_of(weight.density)
    x, pdf = (np.asarray(part, np.float64) for part in weight.density)
    fourth = float(np.trapezoid(pdf * (x - mean) ** 4, x) / np.trapezoid(pdf, x))
    count = weight.histogram.count
    pairs = [
        ("lenses.mean", mean, weight.histogram.mean, std / math.sqrt(count)),
        (
            "lenses.variance",
            std**2,
            weight.histogram.std**2,
            math.sqrt(max(fourth - std**4, 0.0) / count),
        ),
    ]
    return [
        (
            text(label),
            text(
                "lenses.expected_and_measured",
                expected=wording.number(expected),
                error=wording.number(error),
                measured=wording.number(measured),
            ),
        )
        for label, expected, measured, error in pairs
    ]


class SpectrumPicture:
    """Singular values, largest first, with those of chance.

    Parameters
    ----------
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.figure = new_figure(label, 190)
        self.measured = empty_source("x", "y")
        self.expected = empty_source("x", "y")
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)
        self._axis = self.figure.yaxis[0]
        self.figure.line("x", "y", source=self.expected, line_color=THEORY, line_width=2.5)
        points = self.figure.scatter(
            "x", "y", source=self.measured, size=6, fill_color=MEASURED, line_color=None,
            fill_alpha=0.75,
        )  # fmt: skip
        tips = [(text("lenses.rank"), "@x"), (text("lenses.singular_value"), "@y{custom}")]
        self.figure.add_tools(hover([points], tips, mode="mouse"))
        self.other = Outline(self.figure)
        self.pane = picture_pane(self.figure)

    def show(self, drawn: Drawn, subject: object, other: Drawn | None = None) -> None:
        """Draw a weight's, and those of A as a line; to be called inside `redraw`."""
        values = _NONE if other is None else other.singular
        self.other.show((np.arange(1, values.size + 1), values))
        count = drawn.singular.size
        if count:
            top = max(
                float(one.max(initial=0.0)) for one in (drawn.singular, drawn.expected, values)
            )
            self._x.show(0.0, count + 1.0, subject)
            self._y.show(0.0, 1.05 * top or 1.0, subject)
            if self._axis.fixed_location != self._x.end:
                # Inside the picture, top right, where nothing is drawn. Beside it the numbers would
                # make Bokeh lay out the figure anew whenever they get wider, longer than it draws.
                self._axis.fixed_location = self._x.end
        for source, values in ((self.measured, drawn.singular), (self.expected, drawn.expected)):
            replace_data(source, {"x": np.arange(1, values.size + 1), "y": values})


class WeightsLens(LayerLens):
    """A weight's histogram under the exact density of its initializer, and the weight itself.

    Parameters
    ----------
    session
        As `LayerLens` wants it.
    """

    key: ClassVar[str] = "weights"
    study = staticmethod(study)
    options: ClassVar[Mapping[str, Any]] = {"weight": "", "channel": 0}

    def __init__(self, session: Any) -> None:
        self.picture = DistributionPicture(text("lenses.weights_picture"))
        self.heat = HeatMap(
            label=text("lenses.weight_heat"), tallest=190, sizing_mode="stretch_width"
        )
        self.spectrum = SpectrumPicture(text("lenses.spectrum_picture"))
        self.stepper = Stepper(self._choose_channel, text("lenses.channel"), margin=(8, 0, 0, 0))
        self.said = SmallWords(text_of="")
        self._wanted = ""
        side: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0, "min_width": 0}
        self.spectrum_side = pn.Column(
            SmallWords(text_of=text("lenses.singular_values")), self.spectrum.pane, **side
        )
        both = pn.Column(
            pn.Column(self.said, self.heat, self.stepper, **side),
            self.spectrum_side,
            styles=SIDE_BY_SIDE,
            **side,
        )
        body = LensBody(self.picture.pane, both, choices_label=text("lenses.choose_weight"))
        super().__init__(session, body)
        body.caption.param.watch(self._choose, "choice")

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.weights_of", name=layer.name)

    def _choose(self, event: Any) -> None:
        # Remembered across layers: who looks at biases goes on looking at biases.
        if event.new in self.body.caption.content["choices"]:
            self._wanted = event.new
            self.session.set_option(self.key, weight=event.new)

    def _choose_channel(self, channel: int) -> None:
        self.session.set_option(self.key, channel=channel)

    def _show(self, layer: LayerView, found: Drawn | None) -> None:
        weight = weight_named(layer, self._wanted)
        if weight is None or found is None:
            self._show_nothing(Words(self.title(layer), sentence=sentence(layer), tone="off"))
            return
        name = weight.name
        other, drawn_other = self.other, self.found_other
        if drawn_other is not None and drawn_other.name != name:
            drawn_other = None
        old = None if other is None else next((w for w in other.weights if w.name == name), None)
        said = sentence(layer, name)
        of_a_too = None
        if other is not None and old is not None:
            said = both_sentences(said, sentence(other, name))
            of_a_too = (other, name, drawn_other)
        words = Words(
            subject=self.title(layer),
            detail=detail(weight) if len(layer.weights) > 1 else f"{name} {detail(weight)}",
            sentence=said,
            tone="bad" if weight.histogram.nonfinite else "plain",
            legend=[*legend(layer, name), *_legend_of_a(old)],
            choices=[each.name for each in layer.weights],
            choice=name,
            table=lambda: both_rows(lambda one: rows(*one), (layer, name, found), of_a_too),
        )
        drawn = frame(layer, name)
        self.picture.show(drawn, (layer.id, name), None if old is None else old.histogram)
        empty = not np.size(drawn["mean"])
        self.picture.message.say(text("lenses.nothing_finite") if empty else "")
        self.heat.draw(found.values)
        self.said.text_of = picture_sentence(found)
        self.stepper.param.update(value=found.channel, count=found.channels)
        self.spectrum_side.visible = bool(found.singular.size)
        self.spectrum.show(found, (layer.id, name), drawn_other)
        self.body.say(words)

    def _show_nothing(self, words: Words) -> None:
        self.picture.show(distribution_frame(None), None)
        self.picture.message.say(text("lenses.no_picture"))
        self.heat.clear()
        self.said.text_of = ""
        self.stepper.count = 1
        self.spectrum_side.visible = False
        self.body.say(words)


def rows(layer: LayerView, name: str, drawn: Drawn | None) -> list[tuple[str, str]]:
    """Return all numbers behind the pictures."""
    more = [] if drawn is None else _more(drawn)
    return [*table(layer, name), *expectations(layer, name), *more]


def _legend_of_a(weight: WeightView | None) -> list[dict[str, str]]:
    if weight is None:
        return []
    label = text("compare.outline_of", what=weight.initializer)
    return [of_a(label, wording.number(weight.histogram.std))]


def _more(drawn: Drawn) -> list[tuple[str, str]]:
    """Return the numbers of the singular values and the gradient."""
    rows = []
    if drawn.singular.size:
        ends = (wording.number(float(drawn.singular[at])) for at in (0, -1))
        rows.append((text("lenses.singular_values"), " … ".join(ends)))
    if drawn.gradient == drawn.gradient:
        rows.append((text("lenses.gradient_std"), wording.number(drawn.gradient)))
    return rows
