"""The training lens: loss and accuracy, step by step, with a point after each epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import NumeralTickFormatter, Title
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import NO_LINE, Line, Outline, of_a
from layerscope_explorer.lenses.figure import (
    FONT,
    MARKER,
    MEASURED,
    SIDE_BY_SIDE,
    THEORY,
    Message,
    SteadyRange,
    empty_source,
    hover,
    new_figure,
    picture_pane,
    redraw,
    replace_data,
)
from layerscope_explorer.lenses.lens import LensBody, Words
from layerscope_explorer.snapshot import TrainingState
from layerscope_explorer.strings import text

__all__ = ["TrainingLens", "frame", "sentence", "table", "thinned"]

Frame = dict[str, NDArray[Any]]

_MOST_POINTS = 400
_HEIGHT = 220


def thinned(
    x: NDArray[Any], values: NDArray[Any], most: int = _MOST_POINTS
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a curve of at most `most` points, each the mean of equally many neighbours.

    The number of neighbours is a power of two, so points already drawn stay where they are
    while the curve grows. NaN stays NaN: a loss that broke must show.
    """
    n = min(x.size, values.size)
    if n <= most:
        return x[:n], values[:n]
    together = 1 << math.ceil(math.log2(n / most))
    starts = np.arange(0, n, together)
    sizes = np.diff(np.append(starts, n))
    return tuple(
        np.add.reduceat(column[:n].astype(np.float64), starts) / sizes for column in (x, values)
    )  # pyright: ignore[reportReturnType]


def frame(state: TrainingState) -> Frame:
    """Return everything both pictures draw, as arrays.

    Returns
    -------
    dict
        Curves `x`, `loss` and `x_accuracy`, `accuracy`, thinned; points `val_steps`,
        `val_loss`, `val_accuracy`.
    """
    x, loss = thinned(state.x, state.loss)
    x_accuracy, accuracy = thinned(state.x, state.accuracy)
    n = min(state.val_steps.size, state.val_loss.size, state.val_accuracy.size)
    return {
        "x": x,
        "loss": loss,
        "x_accuracy": x_accuracy,
        "accuracy": accuracy,
        "val_steps": state.val_steps[:n],
        "val_loss": state.val_loss[:n],
        "val_accuracy": state.val_accuracy[:n],
    }


def sentence(state: TrainingState) -> str:
    """Say how far training is and how good the model is now."""
    if state.status == "failed":
        return state.message or text("lenses.train_failed")
    if not state.loss.size:
        return text("lenses.train_starting" if state.status == "running" else "lenses.train_idle")
    values = {
        "epoch": wording.count(state.epoch),
        "epochs": wording.count(state.epochs),
        "step": wording.count(state.step),
        "first": wording.number(float(state.loss[0])),
        "loss": wording.number(_recent(state.loss, state.steps_per_epoch)),
        "accuracy": wording.percent(_recent(state.accuracy, state.steps_per_epoch)),
    }
    key = "lenses.train_done" if state.status == "finished" else "lenses.train_now"
    parts = [text(key, **values)]
    if not np.isfinite(state.loss[-1]):
        parts.append(text("lenses.train_diverged"))
    elif state.val_accuracy.size:
        share = wording.percent(float(state.val_accuracy[-1]))
        parts.append(text("lenses.train_validation", accuracy=share))
    return " ".join(parts)


def _recent(values: NDArray[Any], steps_per_epoch: int) -> float:
    """Return the mean of the last tenth of an epoch: one batch alone jumps about."""
    if not values.size:
        return math.nan
    return float(values[-max(1, steps_per_epoch // 10) :].mean(dtype=np.float64))


def table(state: TrainingState) -> list[tuple[str, str]]:
    """Return the results after each of the last epochs, newest first."""
    drawn = frame(state)
    epochs = drawn["val_steps"].size
    rows: list[tuple[str, str]] = []
    for index in range(epochs - 1, max(-1, epochs - 11), -1):
        loss = wording.number(float(drawn["val_loss"][index]))
        accuracy = wording.percent(float(drawn["val_accuracy"][index]))
        name = text("lenses.after_epoch", epoch=index + 1)
        rows.append((name, text("lenses.loss_and_accuracy", loss=loss, accuracy=accuracy)))
    return rows


def legend(state: TrainingState) -> list[dict[str, str]]:
    """Return what the line and the points mean."""
    if not state.loss.size:
        return []
    return [
        legend_entry("line", MEASURED, text("lenses.train_line")),
        legend_entry("dot", THEORY, text("lenses.validation_points")),
    ]


class CurvePicture:
    """One learning curve: a line over the steps and a point after each epoch.

    Parameters
    ----------
    name
        What is drawn, such as "Loss".
    label
        What a screen reader calls the picture.
    share
        Whether the values are shares of 1, drawn from 0 % to 100 %.
    """

    def __init__(self, name: str, label: str, *, share: bool) -> None:
        self.share = share
        self.figure = new_figure(label, height=_HEIGHT)
        self.line = empty_source("x", "y")
        self.points = empty_source("x", "y")
        self.pane = picture_pane(self.figure)
        self._x = SteadyRange(self.figure.x_range, least_fill=0.5)
        self._y = SteadyRange(self.figure.y_range, least_fill=0.5)
        self._draw(name)
        self.other = Outline(self.figure, line_width=1.5)
        self.message = Message(self.figure)

    def _draw(self, name: str) -> None:
        picture = self.figure
        picture.title = Title(
            text=name,
            text_color=MARKER,
            text_font=FONT,
            text_font_size="13px",
            text_font_style="bold",
        )
        picture.xaxis.formatter = NumeralTickFormatter(format="0,0")
        if self.share:
            picture.yaxis.formatter = NumeralTickFormatter(format="0%")
        picture.line("x", "y", source=self.line, line_color=MEASURED, line_width=2)
        points = picture.scatter(
            "x", "y", source=self.points, size=9, fill_color=THEORY, line_color=None
        )
        line = picture.renderers[0]
        value = "@y{0.0%}" if self.share else "@y{0.[0000]}"
        tips = [(text("lenses.step"), "@x{0,0}"), (name, value)]
        picture.add_tools(hover([line, points], tips, mode="mouse"))

    def show(
        self,
        line: tuple[NDArray[Any], NDArray[Any]],
        points: tuple[NDArray[Any], NDArray[Any]],
        steps: float,
        other: Line = NO_LINE,
    ) -> None:
        """Draw the curve so far, and A's; `steps` is how many the whole training has.

        To be called inside `redraw`.
        """
        self.other.show(other)
        replace_data(self.line, {"x": line[0], "y": line[1]})
        replace_data(self.points, {"x": points[0], "y": points[1]})
        values = np.concatenate((line[1], points[1]))
        values = values[np.isfinite(values)]
        if not values.size:
            return
        last = max(steps, float(line[0].max(initial=1.0)))
        # Room for the last point to be drawn whole, here and above 100 %.
        self._x.show(0.0, 1.015 * last, steps)
        if self.share:
            self._y.fix(0.0, 1.05)
            return
        # A first batch far out must not press the rest of the curve to the floor.
        high = float(values.max())
        usual = float(np.quantile(values, 0.98))
        self._y.show(0.0, 1.05 * (high if high < 3.0 * usual else usual))


class TrainingLens(pn.viewable.Viewer):
    """Loss and accuracy of the session's training, live.

    Parameters
    ----------
    session
        Anything with the param `training`.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.loss = CurvePicture(text("lenses.loss"), text("lenses.loss_picture"), share=False)
        self.accuracy = CurvePicture(
            text("lenses.accuracy"), text("lenses.accuracy_picture"), share=True
        )
        pictures = pn.Column(
            self.loss.pane,
            self.accuracy.pane,
            styles=SIDE_BY_SIDE,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.body = LensBody(pictures)
        session.param.watch(self._follow, ["training", "pinned"])
        self.refresh()

    def refresh(self) -> None:
        """Draw training as it is now."""
        state = self.session.training or TrainingState()
        drawn = frame(state)
        steps = float(state.epochs * state.steps_per_epoch)
        empty = not state.loss.size
        waiting = "train_starting_short" if state.status == "running" else "no_steps"
        hint = text(f"lenses.{waiting}") if empty else ""
        tone = "bad" if state.status == "failed" else "off" if empty else "plain"
        entries = legend(state)
        of_loss, of_accuracy = NO_LINE, NO_LINE
        if (other := self.session.pinned_training) is not None and other.loss.size:
            old = frame(other)
            of_loss, of_accuracy = (old["x"], old["loss"]), (old["x_accuracy"], old["accuracy"])
            entries.append(of_a())
        with redraw(self.body.layout):
            self.loss.show(
                (drawn["x"], drawn["loss"]),
                (drawn["val_steps"], drawn["val_loss"]),
                steps,
                of_loss,
            )
            self.accuracy.show(
                (drawn["x_accuracy"], drawn["accuracy"]),
                (drawn["val_steps"], drawn["val_accuracy"]),
                steps,
                of_accuracy,
            )
            self.loss.message.say(hint)
            self.accuracy.message.say(hint)
            self.body.say(
                Words(
                    subject=text("lenses.learning_curves"),
                    sentence=sentence(state),
                    tone=tone,
                    legend=entries,
                    table=(lambda: table(state)) if state.val_steps.size else None,
                )
            )

    def _follow(self, *events: Any) -> None:
        self.refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the layout."""
        return self.body.layout
