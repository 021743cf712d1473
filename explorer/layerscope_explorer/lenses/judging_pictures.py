"""Pictures of how a stack does: a map, what is mixed up, prediction and truth, ridges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import FixedTicker

from layerscope_explorer.lenses.figure import (
    FONT,
    MARKER,
    MEASURED,
    THEORY,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    replace_data,
    title_of,
)
from layerscope_explorer.lenses.judging import DecisionMap, Ridges
from layerscope_explorer.strings import text
from layerscope_explorer.theme import CLASS_COLORS

_HEIGHT = 260
#: Classes differ by shape as well as by colour.
_MARKERS = ("circle", "triangle", "square", "inverted_triangle", "diamond", "hex", "star", "cross")
_POSITIVE, _NEGATIVE = "#3f7fe0", "#c2731a"


def _channels(color: str) -> np.ndarray:
    return np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)], np.float64)


_CLASS_CHANNELS = np.array([_channels(color) for color in CLASS_COLORS])


def _rgba(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return pixels (rows, columns) as Bokeh wants them, of colours (rows, columns, 3)."""
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3] = colors
    pixels[..., 3] = 255 * alpha
    return pixels.view(np.uint32)[..., 0]


def _heights(values: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return colours and strengths of numbers, blue above zero and amber below."""
    sides = np.where(values[..., None] >= 0, _channels(_POSITIVE), _channels(_NEGATIVE))
    return sides, np.clip(np.abs(values) / max(limit, 1e-30), 0, 1)


class MapPicture:
    """What the stack says all over the plane of its two inputs, under what it learns from."""

    def __init__(self) -> None:
        self.figure = new_figure(text("judging.map_picture"), height=_HEIGHT)
        self.figure.title = title_of(text("judging.map"))
        self.image = empty_source("image", "x", "y", "dw", "dh")
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.image)
        self.points = empty_source("x", "y", "color", "marker", "target")
        drawn = self.figure.scatter(
            "x", "y", source=self.points, size=7, marker="marker",
            fill_color="color", line_color="#ffffff", line_width=0.8, line_alpha=0.9,
        )  # fmt: skip
        self.figure.add_tools(hover([drawn], [(text("judging.target"), "@target")], mode="mouse"))
        self.figure.grid.visible = False
        self.pane = picture_pane(self.figure)
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)
        self._shown: bytes = b""

    def show(self, plane: DecisionMap, names: Sequence[str]) -> None:
        """Draw a map; to be called inside `redraw`."""
        left, right, bottom, top = plane.bounds
        self._x.fix(left, right)
        self._y.fix(bottom, top)
        if plane.winner.size:
            colors = _CLASS_CHANNELS[plane.winner % len(CLASS_COLORS)]
            pixels = _rgba(colors, 0.12 + 0.5 * plane.certainty)
            picked = [CLASS_COLORS[one % len(CLASS_COLORS)] for one in plane.targets]
            markers = [_MARKERS[one % len(_MARKERS)] for one in plane.targets]
            said = [names[one] if one < len(names) else str(one) for one in plane.targets]
        else:
            limit = float(np.abs(plane.targets).max(initial=1e-9))
            sides, strength = _heights(plane.certainty, limit)
            pixels = _rgba(sides, 0.06 + 0.6 * strength)
            picked = [_POSITIVE if one >= 0 else _NEGATIVE for one in plane.targets]
            markers = ["circle" if one >= 0 else "triangle" for one in plane.targets]
            said = [f"{one:.3g}" for one in plane.targets]
        if pixels.tobytes() != self._shown:
            self._shown = pixels.tobytes()
            self.image.data = {
                "image": [pixels], "x": [left], "y": [bottom],
                "dw": [right - left], "dh": [top - bottom],
            }  # fmt: skip
        columns = {"x": plane.points[:, 0], "y": plane.points[:, 1]}
        replace_data(self.points, {**columns, "color": picked, "marker": markers, "target": said})


class ConfusionPicture:
    """How many samples of each class are taken for each: right ones on the diagonal."""

    def __init__(self) -> None:
        self.figure = new_figure(text("judging.confusion_picture"), height=_HEIGHT)
        self.figure.title = title_of(text("judging.confusion"))
        self.cells = empty_source("x", "y", "color", "alpha", "count", "truth", "guess")
        drawn = self.figure.rect(
            "x", "y", 0.94, 0.94, source=self.cells, fill_color="color",
            fill_alpha="alpha", line_color=None,
        )  # fmt: skip
        self.figure.text(
            "x", "y", "count", source=self.cells, text_align="center", text_baseline="middle",
            text_color="#ffffff", text_font=FONT, text_font_size="12px",
        )  # fmt: skip
        tips = [
            (text("judging.truth"), "@truth"),
            (text("judging.guess"), "@guess"),
            (text("judging.samples"), "@count"),
        ]
        self.figure.add_tools(hover([drawn], tips, mode="mouse"))
        self.figure.grid.visible = False
        self.figure.xaxis.axis_label = text("judging.guess")
        self.figure.yaxis.axis_label = text("judging.truth")
        for axis in self.figure.axis:
            axis.axis_label_text_color = MARKER
            axis.axis_label_text_font = FONT
            axis.axis_label_text_font_style = "normal"
            axis.axis_label_text_font_size = "12px"
            axis.axis_label_standoff = 2
        self.pane = picture_pane(self.figure)
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)
        self._names: tuple[str, ...] = ()

    def show(self, confusion: np.ndarray, names: tuple[str, ...]) -> None:
        """Draw counts (truth, guess); to be called inside `redraw`."""
        count = len(confusion)
        if names != self._names:
            self._names = names
            self._x.fix(-0.5, count - 0.5)
            # The first class at the top, as in a table.
            self.figure.y_range.update(start=count - 0.5, end=-0.5)
            for axis in self.figure.axis:
                axis.ticker = FixedTicker(ticks=list(range(count)))
                axis.major_label_overrides = {at: _short(name) for at, name in enumerate(names)}
        truth, guess = np.nonzero(confusion + np.eye(count, dtype=int) >= 0)
        shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        counts = confusion[truth, guess]
        right = truth == guess
        replace_data(
            self.cells,
            {
                "x": guess,
                "y": truth,
                "color": [_mixed(*one) for one in zip(right, shares[truth, guess], strict=True)],
                "alpha": np.where(counts > 0, 1.0, 0.15),
                "count": [str(one) if one else "" for one in counts],
                "truth": [names[one] for one in truth],
                "guess": [names[one] for one in guess],
            },
        )


def _mixed(right: bool, share: float) -> str:
    """Return the colour of a cell, on which white can be read: the stronger the more there are."""
    strong = _channels("#2456c6" if right else "#a85208")
    mixed = (1 - share) * _channels("#68728a") + share * strong
    return "#" + "".join(f"{round(one):02x}" for one in mixed)


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"


class TruthPicture:
    """Predicted numbers over the true ones: right ones on the line."""

    def __init__(self) -> None:
        self.figure = new_figure(text("judging.truth_picture"), height=_HEIGHT)
        self.figure.title = title_of(text("judging.prediction"))
        self.line = empty_source("x", "y")
        self.points = empty_source("x", "y")
        self.figure.line("x", "y", source=self.line, line_color=THEORY, line_width=2)
        drawn = self.figure.scatter(
            "x", "y", source=self.points, size=6, fill_color=MEASURED, fill_alpha=0.5,
            line_color=None,
        )  # fmt: skip
        tips = [
            (text("judging.truth"), "@x{custom}"),
            (text("judging.predicted"), "@y{custom}"),
        ]
        self.figure.add_tools(hover([drawn], tips, mode="mouse"))
        self.pane = picture_pane(self.figure)
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)

    def show(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Draw truth and prediction, (n,) each; to be called inside `redraw`."""
        finite = np.isfinite(prediction)
        low, high = float(truth.min()), float(truth.max())
        room = 0.15 * (high - low) + 1e-9
        self._x.fix(low - room, high + room)
        self._y.fix(low - room, high + room)
        # What is far off stands at the edge.
        shown = prediction[finite].clip(low - room, high + room)
        replace_data(self.points, {"x": truth[finite], "y": shown})
        replace_data(self.line, {"x": [low, high], "y": [low, high]})


class RidgePicture:
    """Distributions of a weight over its training, the newest in front."""

    def __init__(self) -> None:
        self.figure = new_figure(text("judging.ridge_picture"), height=_HEIGHT)
        self.figure.title = title_of("")
        self.ridges = empty_source("xs", "ys", "color", "alpha")
        self.figure.patches(
            "xs", "ys", source=self.ridges, fill_color="color", fill_alpha="alpha",
            line_color="color", line_width=1.2,
        )  # fmt: skip
        self.figure.ygrid.visible = False
        self.pane = picture_pane(self.figure)
        self._x, self._y = SteadyRange(self.figure.x_range), SteadyRange(self.figure.y_range)

    def show(self, ridges: Ridges, name: str, at: int) -> None:
        """Draw ridges, those after step `at` in grey; to be called inside `redraw`."""
        title: Any = self.figure.title
        words = text("judging.ridges", weight=ridges.name, name=name)
        if title.text != words:
            title.text = words
        steps = ridges.steps.astype(float)
        apart = max(steps[-1] - steps[0], 1.0) / max(len(steps) - 1, 1)
        # The first stands at the back: time comes towards the beholder.
        tall = 2.2 * apart / max(float(ridges.densities.max()), 1e-30)
        middle = (ridges.edges[1:] + ridges.edges[:-1]) / 2
        xs = np.concatenate([middle[:1], middle, middle[-1:]])
        self._x.show(float(ridges.edges[0]), float(ridges.edges[-1]), ridges.name)
        # Time goes down, as in a text, and a ridge stands up from its step.
        top, bottom = steps[0] - 2.4 * apart, steps[-1] + 0.4 * apart
        self.figure.y_range.update(start=bottom, end=top)
        replace_data(
            self.ridges,
            {
                "xs": [xs.tolist()] * len(steps),
                "ys": [[step, *(step - tall * one).tolist(), step]
                       for step, one in zip(steps, ridges.densities, strict=True)],
                "color": [MEASURED if step <= at else MARKER for step in steps],
                "alpha": np.linspace(0.25, 0.7, len(steps)).tolist(),
            },
        )  # fmt: skip
