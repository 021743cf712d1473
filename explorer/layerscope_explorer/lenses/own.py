"""The lens in which a person writes Python of their own, and sees at once what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from layerscope_explorer.components.code_view import CodeView
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.activation import ActivationPicture
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.distribution import (
    DistributionPicture,
    distribution_frame,
    statistics,
)
from layerscope_explorer.lenses.figure import DERIVATIVE, MEASURED, redraw
from layerscope_explorer.lenses.lens import LensBody, Rows, Viewed, Words
from layerscope_explorer.own_code import EXAMPLE
from layerscope_explorer.snapshot import Draft
from layerscope_explorer.steps import Stack
from layerscope_explorer.strings import text
from layerscope_explorer.trials import SLOPE_TOLERANCE, WEIGHT_SHAPE, Trial, trials_of

__all__ = ["OwnLens", "sentence", "study", "table"]

_NOTHING = np.zeros(0, np.float32)


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> tuple[Trial, ...]:
    """Return what becomes of everything that the document's own code defines."""
    return trials_of(stack.document.code)


def sentence(trial: Trial) -> str:
    """Say what came of one definition."""
    name = trial.definition.name
    if trial.error:
        return text("own_code.failed", name=name, reason=trial.error)
    match trial.definition.kind:
        case "activation" if trial.agreeing is None:
            return text("own_code.mixes", name=name)
        case "activation":
            return _about_slopes(trial)
        case "initializer" if trial.values is not None:
            spread = wording.number(trial.values.std)
            mean = wording.average(trial.values.mean, trial.values.std)
            shape = wording.shape(WEIGHT_SHAPE)
            return text("own_code.initializer", name=name, shape=shape, mean=mean, std=spread)
        case "layer":
            return _about_shapes(trial)
    return text(f"own_code.{trial.definition.kind}", name=name)


def _about_slopes(trial: Trial) -> str:
    agreeing = trial.agreeing or 0.0
    key = "own_code.slopes_agree" if agreeing == 1.0 else "own_code.slopes_mostly"
    # At a kink both are right, so a few points may differ.
    key = key if agreeing > 0.95 else "own_code.slopes_differ"
    return text(
        key,
        name=trial.definition.name,
        share=wording.percent(agreeing),
        deviation=wording.number(trial.deviation),
        tolerance=wording.number(SLOPE_TOLERANCE),
    )


def _about_shapes(trial: Trial) -> str:
    taken = [one for one in trial.shapes.values() if not isinstance(one, str)]
    values = trial.values
    return text(
        "own_code.layer",
        name=trial.definition.name,
        taken=len(taken),
        count=len(trial.shapes),
        params=wording.count(trial.params),
        std=wording.number(values.std) if values is not None else "–",
    )


def table(trial: Trial) -> Rows:
    """Return the numbers behind the picture."""
    rows: list[tuple[str, str]] = []
    for given, made in trial.shapes.items():
        shown = made if isinstance(made, str) else wording.shape(made)
        rows.append((text("own_code.takes", shape=wording.shape(given)), shown))
    if trial.agreeing is not None:
        rows.append((text("own_code.agreeing"), wording.percent(trial.agreeing)))
        rows.append((text("own_code.deviation"), wording.number(trial.deviation)))
    if (curve := trial.curve) is not None:
        for point in np.linspace(0, curve.x.size - 1, 9).round().astype(int):
            name = text("lenses.at", x=wording.number(float(curve.x[point])))
            y = wording.number(float(curve.y[point]))
            slope = wording.number(float(curve.derivative[point]))
            rows.append((name, text("lenses.value_and_slope", y=y, slope=slope)))
    return rows + (list(statistics(trial.values)) if trial.values is not None else [])


def _legend(trial: Trial) -> Sequence[dict[str, str]]:
    if trial.curve is not None:
        return [
            legend_entry("line", MEASURED, trial.definition.name),
            legend_entry("dash", DERIVATIVE, text("lenses.derivative")),
        ]
    what = "own_code.weights_drawn" if trial.definition.kind == "initializer" else "own_code.output"
    return [legend_entry("fill", MEASURED, text(what))] if trial.values is not None else []


class OwnLens(Viewed):
    """An editor above the picture of what was written in it.

    Parameters
    ----------
    session
        Anything with the params `document`, `draft`, `study` and `lens`, `register_study` and
        `write_code`.
    """

    key: ClassVar[str] = "own"

    def __init__(self, session: Any) -> None:
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.editor = CodeView(
            session.write_code, editable=True, label=text("own_code.editor"), **wide
        )
        self.curve = ActivationPicture(text("own_code.curve_picture"))
        self.values = DistributionPicture(text("own_code.values_picture"))
        self.chosen = ""
        session.register_study(self.key, study)
        pictures = (self.editor, self.curve.pane, self.values.pane)
        body = LensBody(*pictures, choices_label=text("own_code.which"))
        super().__init__(session, body, ["document", "draft", "study", "lens"])
        body.caption.param.watch(self._choose, "choice")

    def refresh(self) -> None:
        """Show what is written, and what it does."""
        if not self.is_open:
            return
        found = self.session.study
        trials = found.found if found is not None and found.lens == self.key else ()
        trial = next((one for one in trials or () if one.definition.name == self.chosen), None)
        trial = trial or (trials[-1] if trials else None)
        with redraw(*self.body.pictures):
            self._show_text()
            self._show_trial(trial)
            self.body.say(self._words(trial, [one.definition.name for one in trials or ()]))

    def _show_text(self) -> None:
        draft: Draft = self.session.draft
        if not draft.source:
            code = self.session.document.code
            draft = Draft(code) if code else Draft(EXAMPLE, unread=True)
        self.editor.param.update(source=draft.source, error=draft.error, waiting=draft.unread)

    def _show_trial(self, trial: Trial | None) -> None:
        curve = None if trial is None else trial.curve
        values = None if trial is None else trial.values
        # Of nothing, the last good picture stays.
        failed = trial is not None and bool(trial.error)
        self.curve.pane.visible = curve is not None
        self.values.pane.visible = values is not None
        if curve is not None and not failed:
            frame = {"x": curve.x, "y": curve.y, "derivative": curve.derivative}
            nothing = dict.fromkeys(("left", "right", "share"), _NOTHING)
            self.curve.show(frame | nothing | {"outside": np.zeros(1)}, [], self._subject(trial))
        if values is not None:
            self.values.show(distribution_frame(values), self._subject(trial))

    def _subject(self, trial: Trial | None) -> object:
        return None if trial is None else trial.definition.name

    def _words(self, trial: Trial | None, names: list[str]) -> Words:
        title = text("own_code.title")
        if trial is None:
            return Words(title, sentence=text("own_code.about"))
        differs = trial.agreeing is not None and trial.agreeing <= 0.95
        return Words(
            subject=title,
            detail=text(f"own_code.kind_{trial.definition.kind}"),
            sentence=sentence(trial),
            tone="bad" if trial.error else "warn" if differs else "plain",
            legend=_legend(trial),
            choices=names if len(names) > 1 else (),
            choice=trial.definition.name if len(names) > 1 else "",
            table=lambda: table(trial),
        )

    def _choose(self, event: Any) -> None:
        self.chosen = event.new
        self.refresh()
