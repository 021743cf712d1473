"""The math lens: how one number of a layer's output comes about, to be checked by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import panel as pn
from numpy.typing import NDArray

from layerscope_explorer.components.calculation import Calculation
from layerscope_explorer.components.heat_map import HeatMap
from layerscope_explorer.components.small_words import SmallWords
from layerscope_explorer.components.stepper import Stepper
from layerscope_explorer.derivation import Derivation, Line, derive
from layerscope_explorer.document import INPUT
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.lenses.outputs import arranged
from layerscope_explorer.lenses.side_by_side import SideBySide
from layerscope_explorer.snapshot import LayerView
from layerscope_explorer.steps import Stack, Step
from layerscope_explorer.strings import text

__all__ = ["MathLens", "Worked", "lines_of", "sentence", "study", "table"]

Array = NDArray[Any]

#: Pictures of so many inputs are drawn one below another.
_MOST_INPUTS = 4


@dataclass(frozen=True, slots=True)
class Worked:
    """One number of a layer's output, worked out.

    Attributes
    ----------
    derivation
        How it comes about; without its slopes. None for the data itself.
    formula
        What the layer computes, as LaTeX.
    name
        The number's: ``dense[3]``.
    value
        What the layer gave.
    sources
        Whose outputs the layer takes, and what they are called.
    terms
        Names of the numbers that the terms are about.
    sample, samples, place, count
        Which sample of how many, and which number of how many.
    shape, channels_first
        Of one sample's output.
    output, marked
        One sample's output as a picture, and the number's row and column in it.
    slopes
        How the number changes with each input, as a picture; None where that cannot be told.
    depends, entries
        On how many numbers it depends, of how many.
    """

    derivation: Derivation | None
    formula: str
    name: str
    value: float
    sources: tuple[tuple[str, str], ...]
    terms: tuple[str, ...]
    sample: int
    samples: int
    place: int
    count: int
    shape: tuple[int, ...]
    channels_first: bool
    output: Array
    marked: tuple[int, ...]
    slopes: Array | None
    depends: int
    entries: int


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> Worked:
    """Work one number of a layer's output out.

    Options: `sample`, counted from 0; `cell`, a layer's id and a place in its output when written
    as a row. Of any other layer the number farthest from zero is taken.

    Raises
    ------
    ValueError
        If the layer was not reached or gave nothing.
    """
    output = stack.output(layer_id)
    if output is None or not output.size:
        raise ValueError(text("math.empty"))
    sample = min(max(int(options["sample"]), 0), len(output) - 1)
    given = np.asarray(output[sample])
    place = _place(given, layer_id, options["cell"])
    step = stack.step(layer_id)
    derivation = None
    if step is not None:
        index = tuple(map(int, np.unravel_index(place, given.shape))) if given.ndim else ()
        derivation = derive(step, sample, index)
    names = {**stack.document.names(), INPUT: text("stack.input").lower()}
    sources = () if step is None else tuple((one, names.get(one, one)) for one in step.input_ids)
    slopes = () if derivation is None else derivation.slopes
    first = getattr(step and step.layer, "data_format", None) == "channels_first"
    return Worked(
        derivation=None if derivation is None else replace(derivation, slopes=()),
        formula="" if step is None else step.layer.formula,
        name=_name(names.get(layer_id, layer_id), given.shape, place),
        value=float(given.reshape(-1)[place]),
        sources=sources,
        terms=_term_names(step, derivation, sources, sample),
        sample=sample,
        samples=len(output),
        place=place,
        count=given.size,
        shape=given.shape,
        channels_first=first,
        output=arranged(given.astype(np.float32), first)[1],
        marked=_marked(given.shape, first, place),
        slopes=_stacked(slopes, first),
        depends=sum(int(np.count_nonzero(one)) for one in slopes if one is not None),
        entries=sum(one.size for one in slopes if one is not None),
    )


def _place(given: Array, layer_id: str, cell: tuple[str, int] | None) -> int:
    if cell is not None and cell[0] == layer_id and 0 <= cell[1] < given.size:
        return int(cell[1])
    return int(np.abs(np.nan_to_num(given.reshape(-1).astype(np.float64))).argmax())


def _name(owner: str, shape: Sequence[int], place: int) -> str:
    """Return what a number is called: ``conv2d[0, 3, 12]``."""
    index = np.unravel_index(place, tuple(shape)) if shape else ()
    return f"{owner}[{', '.join(str(int(one)) for one in index)}]" if index else owner


def _term_names(
    step: Step | None,
    derivation: Derivation | None,
    sources: Sequence[tuple[str, str]],
    sample: int,
) -> tuple[str, ...]:
    if step is None or derivation is None:
        return ()
    found = []
    for term in derivation.terms:
        owner = sources[term.source]
        name = _name(owner[1], np.shape(step.inputs[term.source][sample]), term.place)
        if sources.count(owner) > 1:
            # What goes in twice, as query and as value.
            name = text("math.which", name=name, number=term.source + 1)
        found.append(name)
    return tuple(found)


def _places(shape: Sequence[int], channels_first: bool) -> Array:
    """Return which number stands at each place of an output's picture, NaN where none does."""
    size = int(np.prod(shape, dtype=int))
    return arranged(np.arange(size, dtype=np.float32).reshape(shape), channels_first)[1]


def _marked(shape: Sequence[int], channels_first: bool, place: int) -> tuple[int, ...]:
    found = np.argwhere(_places(shape, channels_first) == place)
    return tuple(map(int, found[0])) if len(found) else ()


def _stacked(slopes: Sequence[Array | None], channels_first: bool) -> Array | None:
    """Return the slopes of all inputs as one picture, one input below another."""
    pictures = [
        arranged(one.astype(np.float32), channels_first)[1] for one in slopes if one is not None
    ][:_MOST_INPUTS]
    if not pictures:
        return None
    width = max(picture.shape[1] for picture in pictures)
    gap = np.full((1, width), np.nan, np.float32)
    rows: list[Array] = []
    for picture in pictures:
        padding = ((0, 0), (0, width - picture.shape[1]))
        rows += [gap, np.pad(picture, padding, constant_values=np.nan)]
    return np.concatenate(rows[1:])


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
        self.formula = pn.pane.LaTeX(
            "", renderer="katex", visible=False, margin=(2, 4, 6, 4), stylesheets=[_FORMULA_CSS]
        )
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
        place = _places(self.found.shape, self.found.channels_first)[row, column]
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
        formula = f"$${found.formula}$$" if found.formula else ""
        if formula != self.formula.object:
            self.formula.param.update(object=formula, visible=bool(formula))
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
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=wording.shape(layer.output_shape or ()),
                sentence=sentence(found),
                tone="plain" if np.isfinite(found.value) else "bad",
                table=lambda: table(found),
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


# Panel shows KaTeX's MathML, which the browser sets in whatever mathematical font it finds.
_FORMULA_CSS = """
:host { overflow-x: auto; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "Noto Sans Math", math;
  font-size: 15px; }
math munder, math munderover { line-height: 1.2; }
"""
