"""The weights lens: what an initializer promises and what it drew."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.densities import moments_of
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.distribution import (
    DistributionPicture,
    distribution_frame,
    statistics,
)
from layerscope_explorer.lenses.figure import MARKER, MEASURED, THEORY
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import LayerView, WeightView
from layerscope_explorer.strings import text

__all__ = ["WeightsLens", "frame", "sentence", "table", "weight_named"]


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


class WeightsLens(LayerLens):
    """Histogram of a weight under the exact density of its initializer.

    Parameters
    ----------
    session
        Anything with the params `snapshot`, `selected` and `stale`.
    """

    key: ClassVar[str] = "weights"

    def __init__(self, session: Any) -> None:
        self.picture = DistributionPicture(text("lenses.weights_picture"))
        body = LensBody(self.picture.pane, choices_label=text("lenses.choose_weight"))
        self._wanted = ""
        super().__init__(session, body)
        body.caption.param.watch(self._choose, "choice")

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.weights_of", name=layer.name)

    def _choose(self, event: Any) -> None:
        # Remembered across layers: who looks at biases goes on looking at biases.
        if event.new in self.body.caption.content["choices"]:
            self._wanted = event.new
            self.refresh()

    def _show(self, layer: LayerView, found: Any) -> None:
        weight = weight_named(layer, self._wanted)
        if weight is None:
            self._show_nothing(Words(self.title(layer), sentence=sentence(layer), tone="off"))
            return
        name = weight.name
        words = Words(
            subject=self.title(layer),
            detail=detail(weight) if len(layer.weights) > 1 else f"{name} {detail(weight)}",
            sentence=sentence(layer, name),
            tone="bad" if weight.histogram.nonfinite else "plain",
            legend=legend(layer, name),
            choices=[each.name for each in layer.weights],
            choice=name,
            table=lambda: table(layer, name),
        )
        drawn = frame(layer, name)
        self.picture.show(drawn, (layer.id, name))
        empty = not np.size(drawn["mean"])
        self.picture.message.say(text("lenses.nothing_finite") if empty else "")
        self.body.say(words)

    def _show_nothing(self, words: Words) -> None:
        self.picture.show(distribution_frame(None), None)
        self.picture.message.say(text("lenses.no_picture"))
        self.body.say(words)
