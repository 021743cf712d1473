"""The math lens: how one number of a layer's output comes about, to be checked by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from layerscope_explorer.components.calculation import Calculation
from layerscope_explorer.components.heat_map import HeatMap
from layerscope_explorer.components.small_words import SmallWords
from layerscope_explorer.components.stepper import Stepper
from layerscope_explorer.derivation import Derivation, Line
from layerscope_explorer.formula import formula_pane, show_formula
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.comparison import both_rows
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.lenses.math_study import Worked, places_of, study
from layerscope_explorer.lenses.side_by_side import SideBySide
from layerscope_explorer.snapshot import LayerView
from layerscope_explorer.strings import text

__all__ = ["MathLens", "Worked", "lines_of", "sentence", "study", "table"]

# --- words --------------------------------------------------------------------------------------


def _signed(value: float) -> str:
    """Return a number that may stand behind an operator."""
    written = wording.number(value)
    return f"({written})" if written.startswith("−") else written


def _line_words(line: Line) -> tuple[str, str]:
    """Return a line's name and what is computed in it."""
    numbers = {name: _signed(value) for name, value in line.numbers.items()}
    values = {**numbers, **line.words}
    said = text(f"math_lines.{line.key}", **values)
    # What stands first needs no brackets of its own.
    said = re.sub(r"(^|\(|= )\((−[^()]*)\)", r"\1\2", said)
    return text(f"math_names.{line.key}", **values), said


def lines_of(worked: Worked) -> list[dict[str, Any]]:
    """Return the calculation: the terms, what follows, and what the layer gave."""
    found = worked.derivation
    lines: list[dict[str, Any]] = []
    terms = () if found is None else found.terms
    largest = max((abs(term.value) for term in terms if np.isfinite(term.value)), default=0.0)
    for name, term in zip(worked.terms, terms, strict=True):
        plain = term.factor is None or term.factor == 1.0
        said = "" if plain else f"{wording.number(term.given)} × {_signed(term.factor or 0.0)}"
        if term.factor is None and term.value != term.given:
            said = wording.number(term.given)
        compared = found is not None and found.count > 1 and largest and np.isfinite(term.value)
        share = term.value / largest if compared else 0.0
        lines.append(_row("term", name, said, term.value, share, can_follow=True))
    if found is not None:
        if found.count > len(terms):
            lines.append(_more(found, len(terms)))
        lines += [_row("line", *_line_words(line), line.value) for line in found.lines]
    name = text("math.given" if found is None else "math.gave")
    return [*lines, _row("result", name, worked.name, worked.value)]


def _more(found: Derivation, shown: int) -> dict[str, Any]:
    """Return the line of the terms that are not listed."""
    name = text("math.more", count=wording.count(found.count - shown))
    added = found.kind not in ("winner", "smallest", "product")
    row = _row("more", name, text("math.together") if added else "", found.others)
    return row if added else {**row, "value": ""}


def _row(
    kind: str, name: str, said: str, value: float, share: float = 0.0, *, can_follow: bool = False
) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "said": said,
        "value": wording.number(value),
        "share": share,
        "can_follow": can_follow,
    }


def sentence(worked: Worked) -> str:
    """Say in one sentence how the number comes about, and on how many it depends."""
    found = worked.derivation
    if found is None:
        return text("math.data", name=worked.name, value=wording.number(worked.value))
    keys = [line.key for line in found.lines]
    applied = _applied(worked)
    values = {
        "name": worked.name,
        "source": worked.terms[0] if worked.terms else "",
        "factor": wording.number((found.terms[0].factor or 0.0) if found.terms else 0.0),
        "count": wording.count(found.count),
        "function": applied,
    }
    said = text(f"math.{found.kind}", **values)
    if found.kind == "sum" and "bias" in keys:
        said += text("math.and_bias")
    if applied and found.kind not in ("function", "softmax"):
        said += text("math.then", **values)
    said += "."
    if worked.entries:
        share = {"count": wording.count(worked.depends), "total": wording.count(worked.entries)}
        said += f" {text('math.depends', **share)}"
    return said


def table(worked: Worked) -> list[tuple[str, str]]:
    """Return the calculation as text."""
    rows = []
    for line in lines_of(worked):
        value = " = ".join(part for part in (line["said"], line["value"]) if part)
        rows.append((line["name"], value))
    return rows


def _about_slopes(worked: Worked) -> str:
    """Say what the picture of the slopes shows."""
    if worked.slopes is None:
        return text("math.no_data" if worked.derivation is None else "math.no_slopes")
    kind = "" if worked.derivation is None else worked.derivation.kind
    applied = _applied(worked)
    if applied and kind != "softmax":
        return text("math.slopes_before", function=applied)
    return text("math.read" if kind == "lookup" else "math.slopes")


def _applied(worked: Worked) -> str:
    """Return the name of the activation that is applied last, nothing without one."""
    for line in () if worked.derivation is None else worked.derivation.lines:
        if line.key in ("activation", "share"):
            return line.words.get("name", "softmax")
    return ""


# --- the lens -----------------------------------------------------------------------------------


class MathLens(LayerLens):
    """The formula of the selected layer with the numbers of one entry of its output.

    Parameters
    ----------
    session
        As `LayerLens` wants it.
    """

    key: ClassVar[str] = "math"
    study = staticmethod(study)
    options: ClassVar[Mapping[str, Any]] = {"sample": 0, "cell": None}

    def __init__(self, session: Any) -> None:
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.found: Worked | None = None
        scrolls = ":host { overflow-x: auto; overflow-y: hidden; }"
        self.formula = formula_pane("15px", scrolls, margin=(2, 4, 6, 4))
        self.calculation = Calculation(
            self._follow_term,
            label=text("math.calculation"),
            follow=text("math.follow", name="{name}"),
            **wide,
        )
        self.output = HeatMap(
            on_click=self._click, label=text("math.output_picture"), tallest=150, **wide
        )
        self.slopes = HeatMap(label=text("math.slopes_picture"), tallest=150, **wide)
        self.cell = Stepper(self._choose_cell, text("math.cell"), margin=(6, 0, 2, 0))
        self.sample = Stepper(self._choose_sample, text("lenses.sample"), margin=(0, 0, 10, 0))
        self.about_output = SmallWords(text_of=text("math.click"))
        self.about_slopes = SmallWords(text_of=text("math.slopes"))
        pictures = SideBySide(
            [self.calculation],
            [
                self.about_output,
                self.output,
                self.cell,
                self.sample,
                self.about_slopes,
                self.slopes,
            ],
        )
        super().__init__(session, LensBody(self.formula, pictures))

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("math.title", name=layer.name)

    def _click(self, row: int, column: int) -> None:
        if self.found is None:
            return
        place = places_of(self.found.shape, self.found.channels_first)[row, column]
        if np.isfinite(place):
            self._choose_cell(int(place))

    def _choose_cell(self, place: int) -> None:
        self.session.set_option(self.key, cell=(self._shown, place))

    def _choose_sample(self, sample: int) -> None:
        self.session.set_option(self.key, sample=sample)

    def _follow_term(self, line: int) -> None:
        """Go to where a term's number was made."""
        found = self.found
        if found is None or found.derivation is None or line >= len(found.derivation.terms):
            return
        term = found.derivation.terms[line]
        source = found.sources[term.source][0]
        self.session.set_option(self.key, cell=(source, term.place), sample=found.sample)
        self.session.select(source)

    def _show(self, layer: LayerView, found: Worked) -> None:
        self.found = found
        show_formula(self.formula, found.formula)
        self.calculation.lines = lines_of(found)
        self.output.draw(found.output)
        self.output.marked = list(found.marked)
        self.cell.param.update(value=found.place, count=found.count)
        self.sample.param.update(value=found.sample, count=found.samples)
        if found.slopes is None:
            self.slopes.clear()
        else:
            self.slopes.draw(found.slopes)
        self.about_slopes.text_of = _about_slopes(found)
        self.about_output.text_of = text("math.click")
        old: Worked | None = self.found_other
        said = sentence(found)
        if old is not None:
            values = [wording.number(one.value) for one in (found, old)]
            said = f"{said} {text('compare.values', b=values[0], a=values[1])}"
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=wording.shape(layer.output_shape or ()),
                sentence=said,
                tone="plain" if np.isfinite(found.value) else "bad",
                table=lambda: both_rows(table, found, old),
            )
        )

    def _show_nothing(self, words: Words) -> None:
        self.found = None
        self.formula.visible = False
        self.calculation.lines = []
        self.output.clear()
        self.slopes.clear()
        for stepper in (self.cell, self.sample):
            stepper.count = 1
        self.about_output.text_of = self.about_slopes.text_of = ""
        self.body.say(words)
