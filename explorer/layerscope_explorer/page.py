"""The explorer as a page: stack on the left, lenses in the middle, inspector on the right."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from importlib.resources import files
from threading import Timer
from typing import Any, ClassVar, cast

import panel as pn
import param
from bokeh.document import Document
from panel.io.document import init_doc
from panel.io.resources import get_dist_path
from panel.theme import Design

from layerscope_explorer.address import Opening, read_query
from layerscope_explorer.catalogue import Catalogue, layerscope_catalogue
from layerscope_explorer.components.address_bar import AddressBar
from layerscope_explorer.components.compare_bar import CompareBar
from layerscope_explorer.components.lens_tabs import LensTabs
from layerscope_explorer.components.lesson_card import LessonCard
from layerscope_explorer.components.notice import Notice
from layerscope_explorer.components.palette import Palette
from layerscope_explorer.components.seed_sweep import SeedSweep
from layerscope_explorer.components.sharing import SharingMenus
from layerscope_explorer.components.shortcuts import Shortcuts
from layerscope_explorer.components.stack import LayerStack
from layerscope_explorer.components.status import StatusLine
from layerscope_explorer.components.topbar import TopBar
from layerscope_explorer.forms import LayerForm
from layerscope_explorer.idleness import watch_for_idleness
from layerscope_explorer.ledger import ledger
from layerscope_explorer.lenses import LENSES, OwnLens
from layerscope_explorer.lenses.signal import SignalLens
from layerscope_explorer.lenses.training import TrainingLens
from layerscope_explorer.lesson import lesson_of
from layerscope_explorer.lessons import lesson
from layerscope_explorer.limits import MAX_SESSIONS
from layerscope_explorer.memory import give_back, let_go
from layerscope_explorer.own_code import defining, is_this_machine, may_be_written
from layerscope_explorer.report import Exhibit
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.strings import LANGUAGES, preferred, section, speaking, speaks, text
from layerscope_explorer.training_panel import TrainingPanel
from layerscope_explorer.tutor import Tutor
from layerscope_explorer.visitors import visitors
from layerscope_explorer.workers import DocumentScheduler

__all__ = ["Workbench", "build_page", "open_page"]

_HERE = files(__package__ or "layerscope_explorer")
_CSS = (_HERE / "page.css").read_text("utf-8")
_TEMPLATE = (_HERE / "page.html").read_text("utf-8")
_FULL = (_HERE / "full.html").read_text("utf-8")
_SCRIPT = (_HERE / "page.js").read_text("utf-8")


#: Memory is given back when so many pages have gone, or all; and after so many seconds.
_AT_ONCE, _LATER = 10, 6.0


class Region(pn.Column):
    """One area of the workbench, laid out by `page.css`; a landmark when it has a label."""

    label = param.String(default="", doc="What a screen reader calls the area.")

    _rename: ClassVar[Mapping[str, str | None]] = {"label": None}

    def __init__(self, name: str, *objects: Any, label: str = "") -> None:
        classes = [f"ls-{one}" for one in name.split()]
        super().__init__(*objects, label=label, css_classes=classes, stylesheets=[_CSS], margin=0)

    def _get_properties(self, doc: Any) -> dict[str, Any]:
        properties = super()._get_properties(doc)
        if self.label:
            # A Bokeh property that Panel's layouts do not expose.
            properties["html_attributes"] = {"role": "region", "aria-label": self.label}
        return properties


@speaks
class Workbench(pn.viewable.Viewer):
    """Everything of one session, usable in a served page or in a notebook cell.

    When the session speaks another language the views are made anew: they are cheap, and hold
    nothing that the session does not know.

    Parameters
    ----------
    session
        The session whose snapshot is drawn and whose commands are called.
    catalogue
        What can be added and picked; by default everything `layerscope` offers.
    served
        Whether it is a page with an address of its own.
    """

    def __init__(
        self,
        session: Any,
        catalogue: Catalogue | None = None,
        *,
        served: bool = False,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.session = session
        self._catalogue = catalogue
        self._watchers: list[Any] = []
        self._served = served
        self.tutor = Tutor(session)
        self.top_bar = TopBar(session, margin=0)
        self.sharing = SharingMenus(session, self.tutor, self._exhibit, served=served, margin=0)
        with speaking(session.language), self._remembering():
            self.body = Region("workbench", *self._parts())
        # Once the page stands: the signal through the whole stack is the first thing to be seen.
        pn.state.onload(self._open_first)
        session.param.watch(self._speak, "language")

    @property
    def language(self) -> str:
        """What the session speaks."""
        return self.session.language

    def _speak(self, *_: Any) -> None:
        """Make all views anew, in the language that is spoken now."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers.clear()
        with self._remembering():
            self.body.objects = self._parts()
        if self.session.lens:
            self._show_lens(self.session.lens)

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """Remember how the views made inside follow the session: those that go must not."""
        before = {id(watcher) for watcher in self._all_watchers()}
        yield
        new = [one for one in self._all_watchers() if id(one) not in before]
        self._watchers += {id(one): one for one in new}.values()

    def _all_watchers(self) -> list[Any]:
        kinds = self.session.param.watchers.values()
        return [watcher for kind in kinds for watchers in kind.values() for watcher in watchers]

    def _parts(self) -> list[Any]:
        session = self.session
        fill: dict[str, Any] = {"margin": 0, "sizing_mode": "stretch_width"}
        self.palette = Palette(session, self._offered().palette(), margin=0)
        session.param.watch(self._offer, "document")
        self.stack = LayerStack(session, self.palette.open_at, **fill)
        self.inspector = LayerForm(session, self._catalogue)
        self.status = StatusLine(session, **fill)
        self.shortcuts = Shortcuts(session, list(self._lens_makers()), margin=0)
        inspector = Region("inspector", self.inspector, label=text("page.inspector"))
        self.inspector.form.param.watch(
            lambda event: setattr(
                inspector, "css_classes", ["ls-inspector", *(["ls-expanded"] * event.new)]
            ),
            "expanded",
        )
        columns = Region(
            "columns",
            Region("stack-column", self.stack, self.palette, label=text("page.stack")),
            self._lenses(),
            inspector,
        )
        self._hideable = {
            "signal": self._signal_card,
            "inspector": inspector,
            "status": self.status,
        }
        self._hide()
        session.param.watch(self._hide, "hidden")
        notices = [Notice(session, **fill), LessonCard(session, self.tutor, **fill)]
        address = [AddressBar(session, self._begin, margin=0)] if self._served else []
        return [*notices, columns, self.status, self.shortcuts, *address]

    def _offered(self) -> Catalogue:
        with defining(self.session.document.code):
            return self._catalogue or layerscope_catalogue()

    def _offer(self, event: Any) -> None:
        """Let the palette offer what a person has written."""
        if event.old.code != event.new.code:
            self.palette.offer(self._offered().palette())

    def _hide(self, *_: Any) -> None:
        """Leave out the parts that a lesson hides."""
        for name, part in self._hideable.items():
            kept = [one for one in part.css_classes if one != "ls-closed"]
            part.css_classes = [*kept, *(["ls-closed"] * (name in self.session.hidden))]

    def open(self, opening: Opening) -> None:
        """Show what an address asks for beyond the stack."""
        state, session = opening.state, self.session
        if state.pinned is not None:
            session.pin(state.pinned)
        if state.selected:
            session.select(state.selected)
        if state.lens:
            session.open_lens(state.lens)
        if opening.code and session.may_write_code:
            session.offer_code(opening.code)
        if opening.lesson:
            self.tutor.begin(lesson(opening.lesson))
        elif state.task is not None:
            self.tutor.begin(lesson_of(state.task))

    def _begin(self, name: str) -> None:
        self.tutor.begin(lesson(name))

    def _lenses(self) -> Region:
        """Return the signal through the whole stack, and one lens at a time on the layer."""
        session = self.session
        self._open: dict[str, Region] = {}
        self._made: dict[str, Any] = {}
        labels = [(name, text(f"page.{name}_lens")) for name in self._lens_makers()]
        tabs = LensTabs(
            session, labels, text("page.lens_tabs"), margin=0, sizing_mode="stretch_width"
        )
        self._lens_place = Region("lens-place", tabs)
        session.param.watch(lambda event: self._show_lens(event.new), "lens")
        self._signal = SignalLens(session)
        name = text("page.signal_lens")
        self._signal_card = Region("lens-card signal-card", self._signal, label=name)
        column = Region("lenses", self._signal_card, self._lens_place, label=text("page.lenses"))
        session.param.watch(partial(self._show_beside, column), ["pinned", "sweep"])
        self._show_beside(column)
        return column

    def _show_beside(self, column: Region, *_: Any) -> None:
        """Show what differs from A above the lenses, and the sweep of seeds under the signal."""
        session, cards = self.session, list(column)
        fill: dict[str, Any] = {"margin": 0, "sizing_mode": "stretch_width"}
        # From below, so that what comes in moves no other place.
        for kind, wanted, place in (
            (SeedSweep, session.sweep is not None, len(cards) - 1),
            (CompareBar, session.pinned is not None, 0),
        ):
            shown = next((card for card in cards if isinstance(card, kind)), None)
            if wanted and shown is None:
                with self._remembering():
                    cards.insert(place, kind(session, **fill))
            elif shown is not None and not wanted:
                cards.remove(shown)
        if cards != list(column):
            column.objects = cards

    def _open_first(self) -> None:
        if not self.session.lens:
            self.session.open_lens(next(iter(self._lens_makers())))

    def _lens_makers(self) -> dict[str, Callable[[], Any]]:
        """Return what makes each lens, by name, in the order of the tabs."""
        session = self.session
        lenses: dict[str, Any] = {lens.key: partial(lens, session) for lens in LENSES}
        lenses["train"] = self._training
        if session.may_write_code:
            lenses[OwnLens.key] = partial(OwnLens, session)
        return lenses

    def _training(self) -> TrainingPanel:
        self.training = TrainingPanel(self.session, TrainingLens(self.session))
        return self.training

    def _show_lens(self, name: str) -> None:
        """Show one lens; it is made when it is first opened, so that the page opens quickly."""
        if name not in self._open:
            with self._remembering():
                made = self._made[name] = self._lens_makers()[name]()
            label = text(f"page.{name}_lens")
            self._open[name] = Region("lens-card", made, label=label)
            self._lens_place.append(self._open[name])
        for known, region in self._open.items():
            region.css_classes = ["ls-lens-card", *(["ls-closed"] * (known != name))]

    def _exhibit(self, which: str) -> Exhibit:
        """Return what the signal or the open lens shows."""
        name = "signal" if which == "signal" else self.session.lens
        shown: Any = self._signal if which == "signal" else self._made.get(name)
        title = text(f"page.{name}_lens") if name else ""
        body = getattr(shown, "body", None)
        if body is None:
            return Exhibit(name, title)
        rows = shown.data() if hasattr(shown, "data") else body.data()
        return Exhibit(name, title, body.caption.content.get("sentence", ""), rows)

    def __panel__(self) -> Region:
        """Return the workbench with its own top bar, for a notebook cell."""
        bar = Region("bar", self.top_bar, self.sharing)
        return Region("cell", bar, self.body)


class Plain(Design):
    """Leaves components as they are: each brings its own style, and the page the colours."""


class Page:
    """The served page of one session: a header with the top bar, and the workbench.

    Parameters
    ----------
    workbench
        What it shows.
    """

    def __init__(self, workbench: Workbench) -> None:
        self.workbench = workbench

    def server_doc(self, doc: Document | None = None) -> Document:
        """Put the page into a Bokeh document; by default that of the session."""
        workbench, session = self.workbench, self.workbench.session
        with speaking(session.language):
            words = section("page")
        doc = init_doc(doc)
        variables = doc.template_variables
        # Panel says so only where it writes the page: one that connects late, or to a server that
        # has begun anew, is given a new document, whose style sheets would come from a CDN.
        variables["dist_url"] = get_dist_path(cdn=False)
        for part in (workbench.top_bar, workbench.sharing, workbench.body):
            part.server_doc(doc, words["title"], location=False)
        # Bokeh extends its own page by the blocks of a text; its types speak of templates only.
        doc.template = cast(Any, _TEMPLATE)
        variables.update(words=words, style=_page_style(), script=_SCRIPT)
        # Also what speaks where an event begins at a view instead of the session.
        variables["language"] = session.language
        session.param.watch(lambda event: variables.update(language=event.new), "language")
        return doc

    def servable(self) -> None:
        """Serve the page, where there is a server."""
        if pn.state.curdoc is not None:
            self.server_doc(pn.state.curdoc)


@cache
def _page_style() -> str:
    """Return the page's own style sheet, with its font: nothing moves when that comes later."""
    return "\n".join([*map(_font_face, (400, 700)), (_HERE / "head.css").read_text("utf-8")])


def _font_face(weight: int) -> str:
    data = b64encode((_HERE / "fonts" / f"roboto-{weight}.woff2").read_bytes()).decode()
    source = f"url(data:font/woff2;base64,{data}) format('woff2')"
    return f"@font-face {{ font-family: Roboto; font-weight: {weight}; src: {source}; }}"


def build_page(session: Any, catalogue: Catalogue | None = None) -> Page:
    """Return the served page of one session."""
    # Every resource is shipped with Panel: nothing comes from a CDN.
    pn.extension("katex", design=Plain, browser_info=False)
    return Page(Workbench(session, catalogue, served=True))


def open_page(
    doc: Document | None, arguments: Mapping[str, list[bytes]], headers: Mapping[str, Any]
) -> Callable[[Any], None]:
    """Serve the page that an address asks for.

    Parameters
    ----------
    doc : the Bokeh document of the page; None where nobody serves.
    arguments : of the address, as the server has them.
    headers : of the browser's request: the languages it prefers, and where it is.

    Returns
    -------
    What is to be called when the page is gone.
    """
    doc = doc or Document()
    query = {name: values[0].decode(errors="replace") for name, values in arguments.items()}
    wanted = query.get("lang", "")
    spoken = wanted if wanted in LANGUAGES else preferred(str(headers.get("Accept-Language", "")))
    if len(visitors()) >= MAX_SESSIONS:
        return _say_full(doc, spoken)
    with speaking(spoken):
        opening = read_query(query)
    if wanted not in LANGUAGES and opening.state.language in LANGUAGES:
        spoken = opening.state.language
    start = opening_snapshot(opening.preset, spoken) if opening.preset else opening.state.document
    mine = may_be_written(headers) and is_this_machine(doc)
    scheduler = DocumentScheduler(doc)
    session = Session(scheduler, start, spoken, may_write_code=mine)
    session.notice = opening.notice
    visitor = visitors().enter(session, doc)
    page = build_page(session)
    page.workbench.open(opening)
    page.server_doc(doc)
    stop_watching = watch_for_idleness(session, scheduler)

    def closed(context: Any) -> None:
        visitors().leave(visitor)
        stop_watching()
        session.close()
        let_go(doc)
        left = len(visitors())
        if left % _AT_ONCE == 0:
            # What a page had is garbage only when its server has let go of it, too.
            timer = Timer(_LATER, give_back)
            timer.daemon = True
            timer.start()

    return closed


def _say_full(doc: Document, spoken: str) -> Callable[[Any], None]:
    """Serve a page that says that there is no room for another one."""
    ledger().count("full")
    with speaking(spoken):
        words = {"title": section("page")["title"], "full": text("faults.full", limit=MAX_SESSIONS)}
    doc.title = words["title"]
    doc.template = cast(Any, _FULL)
    doc.template_variables.update(words=words, style=_page_style(), language=spoken)
    return lambda context: None
