"""Two menus of the top bar: what can be opened, and how the page is shared and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param

from layerscope_explorer.address import address_of, state_of
from layerscope_explorer.code import code_of
from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.document import INPUT
from layerscope_explorer.lesson import lesson_of
from layerscope_explorer.lessons import LESSONS, lesson
from layerscope_explorer.limits import MAX_FILE_BYTES
from layerscope_explorer.own_code import UnreadCode
from layerscope_explorer.presets import PRESETS
from layerscope_explorer.report import Exhibit, comma_separated, report
from layerscope_explorer.rules import FREE, Rules
from layerscope_explorer.strings import section, speaking, speaks, text
from layerscope_explorer.task import Task
from layerscope_explorer.view_state import ViewState, from_file, to_file

__all__ = ["SharingMenus"]

_HERE = Path(__file__).parent
#: Name of every file without its ending.
_FILE = "layerscope"


@speaks
class SharingMenus(Component):
    """Opens demos, lessons and files; gives links, files, pictures and a report.

    Parameters
    ----------
    session
        What is shared, and into which files and demos are opened.
    tutor
        Its `begin` opens a lesson.
    exhibit
        Called with "signal" or "lens"; returns what that lens shows, an `Exhibit`.
    """

    demos = param.List(default=[], item_type=dict, doc="Name, title and sentence of each demo.")
    lessons = param.List(default=[], item_type=dict, doc="Name and title of each lesson.")
    names = param.Dict(default={}, doc="What the selected layer and the open lens are called.")
    served = param.Boolean(default=False, doc="Whether the page has an address of its own.")
    strings = param.Dict(default={}, doc="Templates of the visible texts.")

    _longest_text = MAX_FILE_BYTES + 1
    _esm = with_dom(_HERE / "drawing.js", _HERE / "sharing.js")
    _stylesheets = stylesheets("sharing")

    def __init__(
        self, session: Any, tutor: Any, exhibit: Callable[[str], Exhibit], **params: Any
    ) -> None:
        super().__init__(**params)
        self._session, self._tutor, self._exhibit = session, tutor, exhibit
        session.param.watch(self._draw, ["document", "selected", "lens"])
        session.param.watch(self._speak, "language")
        self._speak()

    def _speak(self, *_: Any) -> None:
        """Say everything in the language that the session speaks now."""
        with speaking(self._session.language), pn.io.hold():
            demos = [
                {"name": name, "title": text(f"demos.{name}"), "about": text(f"demos.about-{name}")}
                for name in PRESETS
            ]
            # The files of lessons are read when somebody looks at the menu.
            self.param.update(strings=section("share"), demos=demos, lessons=[])
            self._draw()

    @property
    def language(self) -> str:
        """What the session speaks."""
        return self._session.language

    def _draw(self, *_: Any) -> None:
        session = self._session
        layer = session.document.names().get(session.selected, "")
        lens = text(f"page.{session.lens}_lens") if session.lens else ""
        names = {"layer": layer, "lens": lens, "is_input": session.selected == INPUT}
        if names != self.names:
            self.names = names

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "looked":
                self._list_lessons()
            case "demo" if data.get("name") in PRESETS:
                self._open_demo(str(data["name"]))
            case "lesson" if data.get("name") in LESSONS:
                self._tutor.begin(lesson(str(data["name"])))
            case "open":
                self._open(str(data.get("text", "")))
            case "too_large":
                self._say_failed(text("share.too_large", limit=f"{MAX_FILE_BYTES:,}"))
            case "link":
                self._link(None)
            case "class":
                self._class_link(data)
            case "save":
                self._give("json", "application/json", to_file(state_of(self._session)))
            case "code":
                source = code_of(self._session.document, "keras").source
                self._give("py", "text/x-python", source)
            case "csv":
                self._numbers("signal" if data.get("what") == "signal" else "lens")
            case "report":
                self._report(str(data.get("page", "")))

    # --- opening -----------------------------------------------------------------------------

    def _list_lessons(self) -> None:
        language = self._session.language
        self.lessons = [{"name": name, "title": lesson(name).title[language]} for name in LESSONS]

    def _open_demo(self, name: str) -> None:
        self._tutor.leave()
        title = text(f"demos.{name}")
        self._session.show(ViewState(PRESETS[name]()), text("share.edit_demo", name=title))

    def _open(self, source: str) -> None:
        try:
            state = from_file(source)
        except UnreadCode as error:
            if self._session.may_write_code:
                self._session.offer_code(error.code)
            else:
                self._say_failed(str(error))
            return
        except ValueError as error:
            self._say_failed(str(error))
            return
        self._tutor.leave()
        self._session.show(state, text("share.edit_file"))
        if state.task is not None:
            self._tutor.begin(lesson_of(state.task))

    def _say_failed(self, reason: str) -> None:
        # A notice that says the same again would not be seen.
        self._session.notice = ""
        self._session.notice = text("share.file_failed", reason=reason[:300])

    # --- sharing -----------------------------------------------------------------------------

    def _link(self, task: Task | None) -> None:
        state = state_of(self._session)
        if task is not None:
            state = replace(state, task=task)
        try:
            self._send_msg({"kind": "link", "search": address_of(state), "class": task is not None})
        except ValueError as error:
            self._send_msg({"kind": "refused", "why": str(error)})

    def _class_link(self, data: Mapping[str, Any]) -> None:
        """Give a link to the stack with a task, and with what may be changed."""
        selected = self._session.selected
        declared = self._session.argument_names(selected)
        rules = {
            "selected": Rules(frozenset(f"{selected}.{name}" for name in declared)),
            "arguments": Rules(frozenset({"arguments"})),
        }.get(str(data.get("open")), FREE)
        try:
            task = Task(
                str(data.get("words", "")).strip(), str(data.get("goal", "")).strip(), rules
            )
        except ValueError as error:
            self._send_msg({"kind": "refused", "why": str(error)})
            return
        self._link(task)

    # --- keeping -----------------------------------------------------------------------------

    def _give(self, ending: str, kind: str, content: str, name: str = _FILE) -> None:
        """Let the browser save a file."""
        message = {"kind": "file", "name": f"{name}.{ending}", "type": kind, "text": content}
        self._send_msg(message)

    def _numbers(self, what: str) -> None:
        exhibit = self._exhibit(what)
        if not exhibit.rows:
            self._send_msg({"kind": "refused", "why": text("share.nothing_to_save")})
            return
        name = f"{_FILE}-{exhibit.name}"
        self._give("csv", "text/csv", comma_separated(exhibit.rows), name)

    def _report(self, page: str) -> None:
        if self._session.snapshot is None:
            self._send_msg({"kind": "refused", "why": text("share.nothing_to_save")})
            return
        try:
            again = page + address_of(state_of(self._session)) if page else ""
        except ValueError:
            again = ""
        exhibits = [self._exhibit("signal"), self._exhibit("lens")]
        content = report(self._session, exhibits, again)
        self._send_msg({"kind": "report", "name": f"{_FILE}-report.html", "text": content})
