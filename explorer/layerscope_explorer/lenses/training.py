"""The training lens: loss and score step by step, how well the stack does, and how weights move."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import NumeralTickFormatter, Span
from numpy.typing import NDArray

from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import NO_LINE, Line, Outline, of_a
from layerscope_explorer.lenses.figure import (
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
    title_of,
)
from layerscope_explorer.lenses.judging import Judgement, study
from layerscope_explorer.lenses.judging_pictures import (
    ConfusionPicture,
    MapPicture,
    RidgePicture,
    TruthPicture,
)
from layerscope_explorer.lenses.lens import LensBody, Viewed, Words
from layerscope_explorer.snapshot import TrainingState
from layerscope_explorer.strings import text

__all__ = ["TrainingLens", "frame", "sentence", "table", "thinned"]

Frame = dict[str, NDArray[Any]]

_MOST_POINTS = 400
#: How well the stack does is judged anew so often while it trains, in seconds.
_PACE = 0.2
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


def sentence(state: TrainingState, *, judged: str = "") -> str:
    """Say how far training is and how good the model is now.

    Parameters
    ----------
    judged
        What the newest weights do on other samples, which says more than the last validation.
    """
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
        "score": score_words(state, _recent(state.accuracy, state.steps_per_epoch)),
    }
    key = "lenses.train_done" if state.status == "finished" else "lenses.train_now"
    parts = [text(key, **values)]
    if not np.isfinite(state.loss[-1]):
        parts.append(text("lenses.train_diverged"))
    elif judged:
        parts.append(judged)
    elif state.val_accuracy.size:
        score = score_words(state, float(state.val_accuracy[-1]))
        parts.append(text("lenses.train_validation", score=score))
    return " ".join(parts)


def score_words(state: TrainingState, value: float) -> str:
    """Return an accuracy or an error in words."""
    known = wording.percent(value) if state.score == "accuracy" else wording.number(value)
    return text(f"lenses.{state.score}_is", value=known)


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
        score = score_words(state, float(drawn["val_accuracy"][index]))
        name = text("lenses.after_epoch", epoch=index + 1)
        rows.append((name, text("lenses.loss_and_score", loss=loss, score=score)))
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
    label
        What a screen reader calls the picture.
    """

    def __init__(self, label: str) -> None:
        self.share = False
        self.figure = new_figure(label, height=_HEIGHT)
        self.line = empty_source("x", "y")
        self.points = empty_source("x", "y")
        self.pane = picture_pane(self.figure)
        self._x = SteadyRange(self.figure.x_range, least_fill=0.5)
        self._y = SteadyRange(self.figure.y_range, least_fill=0.5)
        self._name = ""
        self._draw()
        self.other = Outline(self.figure, line_width=1.5)
        self.message = Message(self.figure)

    def _draw(self) -> None:
        picture = self.figure
        picture.title = title_of("")
        picture.xaxis.formatter = NumeralTickFormatter(format="0,0")
        self._plain = picture.yaxis[0].formatter
        line = picture.line("x", "y", source=self.line, line_color=MEASURED, line_width=2)
        points = picture.scatter(
            "x", "y", source=self.points, size=9, fill_color=THEORY, line_color=None
        )
        self._here = Span(
            dimension="height", location=0, line_color=MARKER, line_dash="dashed", visible=False
        )
        picture.add_layout(self._here)
        self._hover = hover([line, points], [], mode="mouse")
        picture.add_tools(self._hover)

    def call(self, name: str, *, share: bool) -> None:
        """Say what is drawn, such as "Loss", and whether it is a share of 1.

        To be called inside `redraw`, as the other methods.
        """
        if (name, share) == (self._name, self.share):
            return
        self._name, self.share = name, share
        title: Any = self.figure.title
        title.text = name
        self.figure.yaxis.formatter = NumeralTickFormatter(format="0%") if share else self._plain
        value = "@y{0.0%}" if share else "@y{0.[0000]}"
        self._hover.tooltips = [(text("lenses.step"), "@x{0,0}"), (name, value)]

    def mark(self, at: float | None) -> None:
        """Mark the step that is looked at, where it is not the last."""
        if at is None:
            self._here.visible = False
        else:
            self._here.update(location=at, visible=True)

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


class TrainingLens(Viewed):
    """Training, live: curves, how well the stack does, and the selected layer's weights over time.

    What the data asks for is drawn: a map over two inputs, what is mixed up among classes,
    predictions beside the truth for numbers.

    Parameters
    ----------
    session
        Anything with the params `training`, `snapshot`, `study`, `selected` and `lens`,
        `register_study` and `moments`.
    """

    key = "train"

    def __init__(self, session: Any) -> None:
        self.loss = CurvePicture(text("lenses.loss_picture"))
        self.accuracy = CurvePicture(text("lenses.accuracy_picture"))
        self._made: dict[str, Any] = {}
        self._shown: list[Any] = []
        self._state = TrainingState()
        self._judgement: Judgement | None = None
        self._grid = pn.Column(
            self.loss.pane,
            self.accuracy.pane,
            styles=SIDE_BY_SIDE,
            # Panel's own button would take a place between the first pictures and later ones.
            stylesheets=[".scroll-button { display: none; }"],
            sizing_mode="stretch_width",
            margin=0,
        )
        session.register_study(self.key, partial(study, session.moments), pace=_PACE)
        followed = ["training", "study", "selected", "lens", "pinned"]
        super().__init__(session, LensBody(self._grid), followed)

    def refresh(self) -> None:
        """Draw training as it is now."""
        if not self.is_open:
            return
        self._state = self.session.training or TrainingState()
        found = self.session.study
        if found is not None and found.lens == self.key and isinstance(found.found, Judgement):
            self._judgement = found.found
        with redraw(self.body.layout):
            self._draw_curves(self._state)
            if self._judgement is not None:
                self._draw_judgement(self._judgement)
            self._speak()

    def _draw_curves(self, state: TrainingState) -> None:
        drawn = frame(state)
        steps = float(state.epochs * state.steps_per_epoch)
        empty = not state.loss.size
        waiting = "train_starting_short" if state.status == "running" else "no_steps"
        hint = text(f"lenses.{waiting}") if empty else ""
        share = state.score == "accuracy"
        self.loss.call(text("lenses.loss"), share=False)
        self.accuracy.call(text(f"lenses.{state.score}"), share=share)
        other = self._of_a()
        old = None if other is None else frame(other)
        for picture, x, name in (
            (self.loss, "x", "loss"),
            (self.accuracy, "x_accuracy", "accuracy"),
        ):
            picture.show(
                (drawn[x], drawn[name]),
                (drawn["val_steps"], drawn[f"val_{name}"]),
                steps,
                NO_LINE if old is None else (old[x], old[name]),
            )
            picture.mark(state.at if state.at < state.reached else None)
            picture.message.say(hint)

    def _of_a(self) -> TrainingState | None:
        """Return the training of A, where there is one to compare with."""
        other: TrainingState | None = self.session.pinned_training
        return None if other is None or not other.loss.size else other

    def _draw_judgement(self, judgement: Judgement) -> None:
        plane, confusion, ridges = judgement.plane, judgement.confusion, judgement.ridges
        self._shown = [self.loss.pane, self.accuracy.pane]
        if picture := self._picture("plane", MapPicture, plane is not None):
            picture.show(plane, judgement.names)
        if picture := self._picture("confusion", ConfusionPicture, confusion is not None):
            picture.show(confusion, judgement.names)
        if picture := self._picture("truth", TruthPicture, bool(judgement.truth.size)):
            picture.show(judgement.truth, judgement.prediction)
        if picture := self._picture("ridges", RidgePicture, ridges is not None):
            view = self.session.snapshot.layer(self.session.selected)
            picture.show(ridges, view.name if view else "", self._state.at)
        if self._shown != self._grid.objects:
            self._grid.objects = self._shown

    def _picture(self, name: str, make: Callable[[], Any], wanted: bool) -> Any:
        """Return a picture that is wanted, made when it is first needed; None where it is not."""
        if not wanted:
            return None
        if name not in self._made:
            self._made[name] = make()
        self._shown.append(self._made[name].pane)
        return self._made[name]

    def _speak(self) -> None:
        state, judgement = self._state, self._judgement
        empty = not state.loss.size
        said = sentence(state, judged=judged(judgement))
        rows = bool(state.val_steps.size) or judgement is not None
        self.body.say(
            Words(
                subject=text("lenses.learning_curves"),
                sentence=said,
                tone="bad" if state.status == "failed" else "off" if empty else "plain",
                legend=[*legend(state), *([of_a()] if self._of_a() is not None else [])],
                table=(lambda: [*judged_rows(judgement), *table(state)]) if rows else None,
            )
        )


def judged(judgement: Judgement | None) -> str:
    """Say how well the stack does on samples that training does not see."""
    if judgement is None:
        return ""
    if judgement.truth.size:
        off = float(np.abs(judgement.prediction - judgement.truth).mean())
        count = wording.count(judgement.truth.size)
        return text("judging.off_by", count=count, error=wording.number(off))
    confusion = judgement.confusion
    if confusion is None or not confusion.sum():
        return ""
    right = float(np.trace(confusion) / confusion.sum())
    said = text(
        "judging.right", count=wording.count(int(confusion.sum())), share=wording.percent(right)
    )
    wrong = confusion - np.diag(np.diag(confusion))
    if not wrong.any():
        return said
    truth, guess = np.unravel_index(int(wrong.argmax()), wrong.shape)
    names = judgement.names
    often = text(
        "judging.mixed_up", truth=names[truth], guess=names[guess], count=int(wrong[truth, guess])
    )
    return f"{said} {often}"


def judged_rows(judgement: Judgement | None) -> list[tuple[str, str]]:
    """Return the numbers behind the pictures of how well the stack does."""
    rows: list[tuple[str, str]] = []
    if judgement is None:
        return rows
    if judgement.confusion is not None:
        for truth, counts in enumerate(judgement.confusion):
            taken = [
                text("judging.taken", count=int(count), guess=judgement.names[guess])
                for guess, count in enumerate(counts)
                if count
            ]
            name = text("judging.of_class", name=judgement.names[truth])
            rows.append((name, ", ".join(taken) or text("judging.none")))
    for truth, guess in zip(judgement.truth[:10], judgement.prediction[:10], strict=True):
        name = text("judging.true_number", value=wording.number(float(truth)))
        rows.append((name, text("judging.predicted_number", value=wording.number(float(guess)))))
    ridges = judgement.ridges
    if ridges is not None:
        for step, spread in list(zip(ridges.steps, ridges.spreads, strict=True))[-6:]:
            name = text("judging.weight_at", weight=ridges.name, step=wording.count(int(step)))
            rows.append((name, text("judging.spread", value=wording.number(float(spread)))))
    return rows
