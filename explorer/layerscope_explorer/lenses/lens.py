"""What every lens is: a caption, a picture and a table that follow the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import panel as pn

from layerscope_explorer.lenses.caption import Caption, NumbersTable
from layerscope_explorer.lenses.figure import redraw
from layerscope_explorer.snapshot import LayerView, Snapshot, Study
from layerscope_explorer.strings import text

__all__ = ["LayerLens", "Words"]

Tone = Literal["plain", "warn", "bad", "off"]

# Only work that takes noticeably long dims the picture, hence the delay.
_DIM_WHEN_STALE = """
:host { transition: opacity 0.12s; }
:host(.ls-stale) { opacity: 0.55; transition: opacity 0.15s 0.15s; }
"""


Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Words:
    """Everything a lens says beside its picture.

    Attributes
    ----------
    table
        Gives the numbers behind the picture; only asked while somebody reads them.
    """

    subject: str = ""
    detail: str = ""
    sentence: str = ""
    tone: Tone = "plain"
    legend: Sequence[dict[str, str]] = ()
    choices: Sequence[str] = ()
    choice: str = ""
    table: Callable[[], Rows] | None = None


class LensBody(pn.viewable.Viewer):
    """Caption above, picture in the middle, numbers below.

    Parameters
    ----------
    pictures
        What stands in the middle; sent to a notebook after each change.
    choices_label
        What the caption's choice is about.
    """

    def __init__(self, *pictures: pn.viewable.Viewable, choices_label: str = "") -> None:
        super().__init__()
        self.pictures = pictures
        self._choices_label = choices_label
        self._table: Callable[[], Rows] | None = None
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.caption = Caption(**wide)
        self.numbers = NumbersTable(label=text("lenses.numbers"), **wide)
        self.numbers.param.watch(self._fill_table, "opened")
        self.layout = pn.Column(
            self.caption,
            *pictures,
            self.numbers,
            css_classes=["ls-lens"],
            stylesheets=[_DIM_WHEN_STALE],
            **wide,
        )

    def say(self, words: Words) -> None:
        """Show these words; what has not changed is not sent."""
        content = {
            "subject": words.subject,
            "detail": words.detail,
            "sentence": words.sentence,
            "tone": words.tone,
            "legend": list(words.legend),
            "choices": list(words.choices),
            "choices_label": self._choices_label,
            "choice": words.choice,
        }
        if content != self.caption.content:
            self.caption.content = content
        self._table = words.table
        self._fill_table()

    def _fill_table(self, *events: Any) -> None:
        numbers, give = self.numbers, self._table
        if numbers.available != (give is not None):
            numbers.available = give is not None
        if give is not None and numbers.opened:
            rows = list(give())
            if rows != numbers.rows:
                numbers.rows = rows

    def data(self) -> list[tuple[str, ...]]:
        """Return the numbers behind the picture as rows of text; none where there are none."""
        return list(self._table()) if self._table is not None else []

    def dim(self, stale: bool) -> None:
        """Dim everything while newer work is under way."""
        if stale != self.caption.stale:
            self.caption.stale = stale

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the layout."""
        return self.layout


class Viewed(pn.viewable.Viewer):
    """What can be looked at in a tab: it follows the session, and draws only while it is open.

    Parameters
    ----------
    session
        Anything with the param `lens` and those to follow.
    body
        The caption, picture and table to fill.
    followed
        Params of the session after whose changes `refresh` is called.

    Attributes
    ----------
    key
        The lens's name, in the strings file and in `session.lens`.
    """

    key: ClassVar[str]

    def __init__(self, session: Any, body: LensBody, followed: Sequence[str]) -> None:
        super().__init__()
        self.session = session
        self.body = body
        session.param.watch(self._follow, list(followed))
        self.refresh()

    @property
    def is_open(self) -> bool:
        """Whether a person looks through this lens; alone in a notebook it always is."""
        return self.session.lens in ("", self.key)

    def data(self) -> list[tuple[str, ...]]:
        """Return the numbers behind what is shown, as rows of text."""
        return self.body.data()

    def refresh(self) -> None:
        """Draw what there is now, if it is looked at."""
        raise NotImplementedError

    def _follow(self, *events: Any) -> None:
        self.refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the layout."""
        return self.body.layout


class LayerLens(Viewed):
    """A lens on the selected layer.

    A subclass draws in `_show`. What it needs beyond the snapshot it has computed by a `study`,
    off the event loop and together with the stack's pictures. When the layer it shows stops
    working, the last good picture stays, dimmed, and the sentence says what is wrong. While
    another lens is open it draws nothing.

    Parameters
    ----------
    session
        Anything with the params `snapshot`, `study`, `selected`, `lens` and `stale`, and
        `register_study`.
    body
        The caption, picture and table to fill.

    Attributes
    ----------
    study
        Static: (stack, layer id, options) -> what `_show` gets as `found`; only reads. None for a
        lens that the snapshot is enough for.
    options
        What the study is given at first; changed by `session.set_option`.
    """

    study: ClassVar[Callable[[Any, str, Mapping[str, Any]], Any] | None] = None
    options: ClassVar[Mapping[str, Any]] = {}

    #: The same layer in A, and what the study found of it; None while nothing is pinned, or A has
    #: no such layer.
    other: LayerView | None = None
    found_other: Any = None

    def __init__(self, session: Any, body: LensBody) -> None:
        self._shown: str = ""
        if self.study is not None:
            session.register_study(self.key, self.study, **self.options)
        followed = ["snapshot", "selected", "study", "lens", "stale", "compared"]
        super().__init__(session, body, followed)

    def refresh(self) -> None:
        """Draw the selected layer as it is now."""
        if not self.is_open:
            return
        snapshot = self.session.snapshot
        layer = None if snapshot is None else snapshot.layer(self.session.selected)
        with redraw(*self.body.pictures):
            if layer is None:
                self._shown = ""
                self._show_nothing(Words(sentence=text("lenses.nothing_selected"), tone="off"))
            elif layer.bypassed:
                self._shown = ""
                sentence = text("lenses.bypassed", layer=layer.name)
                self._show_nothing(Words(self.title(layer), sentence=sentence, tone="off"))
            elif layer.problem is not None or layer.output_shape is None:
                self._show_problem(layer)
            else:
                self._draw(layer)
            self.body.dim(bool(self.session.stale))

    def _draw(self, layer: LayerView) -> None:
        """Draw a layer that works, as soon as what the study found of it is there."""
        self._look_at_a(layer)
        if self.study is None:
            self._shown = layer.id
            self._show(layer, None)
            return
        study: Study | None = self.session.study
        if study is None or (study.lens, study.layer_id) != (self.key, layer.id):
            return
        self._shown = layer.id
        if study.error:
            words = Words(self.title(layer), sentence=study.error, tone="bad")
            self._show_nothing(words)
        else:
            self.found_other = None if self.other is None else study.other
            self._show(layer, study.found)

    def _look_at_a(self, layer: LayerView) -> None:
        """Find the layer in A that this one is compared with."""
        compared: Snapshot | None = getattr(self.session, "compared", None)
        other = None if compared is None else compared.layer(layer.id)
        computes = other is not None and other.problem is None and other.output_shape is not None
        self.other = other if computes else None

    def _show_problem(self, layer: LayerView) -> None:
        problem = layer.problem
        words = Words(
            subject=self.title(layer),
            sentence=text("lenses.not_reached") if problem is None else problem.message,
            tone="off" if problem is None else "bad",
        )
        if self._shown == layer.id:
            self.body.say(words)
        else:
            self._shown = ""
            self._show_nothing(words)

    def title(self, layer: LayerView) -> str:
        """Name what is shown, for the heading."""
        raise NotImplementedError

    def _show(self, layer: LayerView, found: Any) -> None:
        """Draw the layer; `found` is what the study returned, None without one."""
        raise NotImplementedError

    def _show_nothing(self, words: Words) -> None:
        """Say why there is nothing to draw."""
        raise NotImplementedError

    def _follow(self, *events: Any) -> None:
        if any(event.name != "stale" for event in events):
            self.refresh()
        elif self.is_open:
            with redraw(*self.body.pictures):
                self.body.dim(bool(self.session.stale))
