"""Whatever a stranger sends is refused in words, and the page goes on."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from bokeh.document import Document as BokehDocument
from panel.io.state import set_curdoc
from panel.models.esm import DataEvent

from explorer.hostile import ADDRESSES, FILES, MESSAGES, TOO_LARGE, TYPED, Case
from layerscope_explorer.components.component import Component
from layerscope_explorer.limits import MAX_VALUES
from layerscope_explorer.page import build_page
from layerscope_explorer.session import Session
from layerscope_explorer.visitors import visitors

CASES = {f"{case.way}: {case.name}": case for case in (*ADDRESSES, *FILES, *TYPED, *MESSAGES)}


class Opened:
    """A page as a server would have it, without one."""

    def __init__(self) -> None:
        self.session = Session()
        self.document = BokehDocument()
        self.page = build_page(self.session)
        self.page.server_doc(self.document)
        self.visitor = visitors().enter(self.session, self.document)
        self.session.open_lens("code")

    def components(self) -> dict[str, Component]:
        """Return the page's components by the names of their classes."""
        workbench = self.page.workbench
        shown = [workbench.top_bar, workbench.sharing, *workbench.body.select(Component)]
        return {type(one).__name__: one for one in shown}

    def send(self, way: str, sent: Any) -> None:
        """Do what the page would do with it."""
        self.session.notice = ""
        ways = {
            "address": ("AddressBar", {"search": f"?state={sent}"}),
            "file": ("SharingMenus", {"type": "open", "text": sent}),
            "code": ("CodeView", {"count": 1, "source": sent}),
        }
        name, data = ways.get(way, (way, sent))
        self.code().error = ""
        with set_curdoc(self.document):
            event = DataEvent(None)
            event.data = data
            self.components()[name]._process_event(event)

    def lives(self) -> bool:
        """Tell whether an edit is answered."""
        seed = self.session.document.seed + 1
        with set_curdoc(self.document):
            self.session.set_seed(seed)
        return self.session.snapshot.document.seed == seed

    def said(self) -> str:
        """Return what the page says went wrong."""
        return f"{self.session.notice}{self.code().error}"

    def code(self) -> Any:
        """Return the text that can be edited."""
        return self.components()["CodeView"]


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """One page for all: whatever was sent before, it goes on."""
    opened = Opened()
    yield opened
    visitors().leave(opened.visitor)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_stranger_sends_is_answered_in_words(opened: Opened, case: Case) -> None:
    before = opened.session.document.layers
    opened.send(case.way, case.sent)
    said = opened.said()
    assert case.answer in said
    assert bool(case.answer) == bool(said)
    # What is said can be sent to a page, and read.
    said.encode()
    assert len(said) < 500
    assert opened.session.document.layers == before
    assert opened.lives()


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_is_refused_before_memory_is_taken(name: str) -> None:
    session = Session()
    session.set_json(json.dumps(json.loads(TOO_LARGE[name])))
    tracemalloc.start()
    try:
        session.reroll()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    problems = [view.problem.message for view in session.snapshot.layers if view.problem]
    assert problems
    assert most < 16 * MAX_VALUES, problems
    session.undo()
    session.undo()
    assert not any(view.problem for view in session.snapshot.layers)
