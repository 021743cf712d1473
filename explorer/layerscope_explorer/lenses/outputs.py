"""The outputs lens: what a layer sends on when the sample digits pass through it."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.distribution import (
    DistributionPicture,
    distribution_frame,
    statistics,
)
from layerscope_explorer.lenses.figure import MARKER, MEASURED
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.snapshot import Histogram, LayerView
from layerscope_explorer.strings import text

__all__ = ["OutputsLens", "frame", "sentence", "share_near_zero", "table"]

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


class OutputsLens(LayerLens):
    """Histogram of the selected layer's output on the sample digits.

    Parameters
    ----------
    session
        Anything with the params `snapshot`, `selected` and `stale`.
    """

    key: ClassVar[str] = "outputs"

    def __init__(self, session: Any) -> None:
        self.picture = DistributionPicture(text("lenses.outputs_picture"))
        super().__init__(session, LensBody(self.picture.pane))

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.outputs_of", name=layer.name)

    def _show(self, layer: LayerView, found: Any) -> None:
        drawn = frame(layer)
        self.picture.show(drawn, layer.id)
        empty = not np.size(drawn["mean"])
        self.picture.message.say(text("lenses.nothing_finite") if empty else "")
        broken = layer.output is not None and layer.output.nonfinite > 0
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=wording.shape(layer.output_shape or ()),
                sentence=sentence(layer),
                tone="bad" if broken else "plain",
                legend=legend(layer),
                table=lambda: table(layer),
            )
        )

    def _show_nothing(self, words: Words) -> None:
        self.picture.show(distribution_frame(None), None)
        self.picture.message.say(text("lenses.no_picture"))
        self.body.say(words)
