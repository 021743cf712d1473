"""What goes wrong has a sentence on the page and a line in the log, and everything goes on."""

from __future__ import annotations

import errno
import gc
import json
import logging
import time
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document as BokehDocument
from bokeh.io import doc
from bokeh.io.state import curstate
from bokeh.models import ImportedStyleSheet
from panel.io.resources import LOCAL_DIST

from layerscope.saving.model_files import write_file
from layerscope_explorer import faults, page
from layerscope_explorer.edits import add_layer, set_argument, set_training
from layerscope_explorer.engine import Engine
from layerscope_explorer.idleness import watch_for_idleness
from layerscope_explorer.ledger import _EDITS, Ledger, ledger, quantile
from layerscope_explorer.own_code import is_this_machine
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.serving.logs import JsonLines
from layerscope_explorer.serving.stopping import tell_everybody
from layerscope_explorer.session import Session
from layerscope_explorer.trainer import Trainer
from layerscope_explorer.visitors import visitors
from layerscope_explorer.workers import DocumentScheduler, InlineScheduler

SECRET = "what somebody typed"


class Quiet(InlineScheduler):
    """Delivers as a served page does: what fails is logged."""

    def run(self, work: Any, done: Any) -> None:
        def noted(future: Future[Any]) -> None:
            with faults.noting():
                done(future)

        super().run(work, noted)


def settle(session: Session) -> None:
    """Wait until a session's training rests."""
    assert session._trainer is not None
    session._trainer.settle()


def test_a_picture_that_fails_is_told_and_the_last_one_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(Quiet())
    shown = session.snapshot

    def fail(*_: Any) -> None:
        raise RuntimeError(SECRET)

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "snapshot", fail)
        session.set_seed(5)
    assert session.snapshot is shown
    assert "last one stays" in session.notice
    assert not session.computing
    assert SECRET not in caplog.text
    assert "RuntimeError at" in caplog.text
    session.set_seed(6)
    assert session.snapshot.document.seed == 6


def test_a_lens_that_fails_costs_its_own_picture_only() -> None:
    session = Session()
    session.register_study("broken", lambda *_: [].index(SECRET) or {}["x"])
    session.open_lens("broken")
    session.register_study("worse", lambda *_: {}["x"])
    session.open_lens("worse")
    assert "could not be made" in session.study.error
    session.set_seed(3)
    assert session.snapshot.document.seed == 3


def test_weights_that_are_no_numbers_are_shown_as_such() -> None:
    session = Session()
    document = set_training(digits_stack(), "learning_rate", 10.0)
    session.open_document(document, "open")
    layer = session.snapshot.stack.steps[-1].layer
    broken = [np.full_like(one, np.nan) for one in layer.get_weights()]
    snapshot = Engine().snapshot(document, {session.snapshot.layers[-1].id: broken})
    assert snapshot.layers[-1].health == "bad"
    assert snapshot.sentence


def test_the_log_says_where_and_not_what() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        found = (ValueError, error, error.__traceback__)
    for name in ("layerscope_explorer.faults", "bokeh.server"):
        record = logging.LogRecord(name, logging.ERROR, "", 1, "failed: %s", (), found)
        line = json.loads(JsonLines().format(record))
        assert line["error"] == "ValueError"
        assert "test_faults.py" in line["where"]
        assert SECRET not in json.dumps(line)
    record = logging.LogRecord("tornado", logging.ERROR, "", 1, "sent %r", (SECRET,), None)
    assert SECRET not in JsonLines().format(record)


def test_a_rest_gives_memory_back_and_an_edit_brings_it_back() -> None:
    session = Session()
    session.set_seed(1)
    output = weakref.ref(session.snapshot.stack.steps[3].output)
    told: list[Any] = []
    session.param.watch(told.append, ["snapshot", "document", "training"])
    session.rest()
    gc.collect()
    assert output() is None
    assert told == []
    assert len(session.snapshot.layers) == len(session.document.layers)
    session.select("layer4")
    session.set_seed(2)
    assert session.snapshot.document.seed == 2
    assert session.snapshot.stack.steps


def test_a_page_rests_only_when_nobody_touches_it() -> None:
    looks: list[Any] = []

    class Clock(InlineScheduler):
        def every(self, milliseconds: int, tick: Any) -> Any:
            looks.append(tick)
            return lambda: None

    scheduler = Clock()
    session = Session(scheduler)
    session.set_seed(1)
    watch_for_idleness(session, scheduler, seconds=1e9)
    looks[-1]()
    assert session.snapshot.stack.steps
    watch_for_idleness(session, scheduler, seconds=0)
    looks[-1]()
    assert not session.snapshot.stack.steps


def test_there_is_room_for_so_many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_SESSIONS", len(visitors()) + 1)
    first, second, third = BokehDocument(), BokehDocument(), BokehDocument()
    close = page.open_page(first, {}, {})
    page.open_page(second, {"lang": [b"en"]}, {})
    assert not second.roots
    assert "places on this server are taken" in second.template_variables["words"]["full"]
    close(None)
    page.open_page(third, {}, {})(None)
    assert third.roots


def test_a_page_that_connects_late_needs_nothing_from_elsewhere() -> None:
    # Its first document is forgotten by then; nobody writes a page for the second.
    document = BokehDocument()
    close = page.open_page(document, {}, {})
    sheets: Any = [s for root in document.roots for s in root.select({"type": ImportedStyleSheet})]
    urls = {sheet.url for sheet in sheets}
    close(None)
    assert any("katex" in url for url in urls)
    assert [url for url in urls if not url.startswith(LOCAL_DIST)] == []


def test_a_page_that_is_gone_is_nobodys_current_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curstate(), "_document", BokehDocument())
    mine, other = BokehDocument(), BokehDocument()
    close_mine, close_other = page.open_page(mine, {}, {}), page.open_page(other, {}, {})
    curstate().document = mine
    close_other(None)
    assert curstate().document is mine
    close_mine(None)
    assert curstate().document is not mine


def test_everybody_is_told_that_the_server_stops() -> None:
    session = Session()
    visitor = visitors().enter(session)
    try:
        tell_everybody()
    finally:
        visitors().leave(visitor)
    assert "about to stop" in session.notice


def test_a_batch_that_a_session_has_no_room_for_is_refused() -> None:
    document = set_training(digits_stack(), "batch_size", 1797)
    for _ in range(3):
        document = add_layer(document, "UpSampling2D", 1)
    session = Session(start=document)
    session.train()
    settle(session)
    session.tick()
    assert session.training.status == "failed"
    assert session.training.message


def test_training_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope_explorer.trainer.MAX_TRAINING_SECONDS", 0)
    session = Session(start=digits_stack())
    session.train()
    settle(session)
    session.tick()
    assert session.training.status == "failed"
    assert "limit" in session.training.message
    session.set_seed(9)
    assert session.snapshot.document.seed == 9


def test_a_client_that_leaves_while_it_trains_ends_its_training() -> None:
    document = BokehDocument()
    served: Any = weakref.ref(document)
    document._session_context = served
    endless = set_training(digits_stack(), "epochs", 500)
    session = Session(DocumentScheduler(document), endless)
    session.train()
    trainer: Any = session._trainer
    # Bokeh takes a page apart before it says that it is gone.
    document._session_context = None
    document.callbacks.destroy()
    session.close()
    assert not doc._PATCHED_CURDOCS
    trainer.settle()
    reached = trainer.state().reached
    assert not trainer.busy
    assert trainer.state().reached == reached


class _Request:
    def __init__(self, address: str) -> None:
        self.remote_ip = address


class _Page:
    def __init__(self, address: str) -> None:
        self.session_context = self
        self.request = _Request(address)


def test_who_comes_from_elsewhere_is_a_visitor_whatever_the_headers_say() -> None:
    assert is_this_machine(_Page("127.0.0.1"))
    assert is_this_machine(_Page("::1"))
    assert not is_this_machine(_Page("10.0.0.7"))
    assert not is_this_machine(_Page("localhost.example"))


def test_the_ledger_tells_how_long_edits_took() -> None:
    found = Ledger()
    for number in range(1, 101):
        found.answered(number / 1000)
    assert found.counts() == {"edits": 100}
    assert quantile(found.lately(), 0.5) == 0.051
    assert quantile(found.lately(), 0.95) == 0.096
    for _ in range(_EDITS):
        found.answered(1.0)
    assert found.lately() == [1.0] * _EDITS
    before = ledger().counts().get("edits", 0)
    Session().set_seed(4)
    assert ledger().counts()["edits"] == before + 1


def test_a_full_disk_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.keras"
    write_file(path, b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.slow
def test_four_trainings_at_once_share_fairly() -> None:
    sizes = (16, 64, 256, 512)
    documents = [
        set_argument(add_layer(digits_stack(), "Dense", 4), "layer6", "units", size)
        for size in sizes
    ]
    trainers = [Trainer(set_training(one, "epochs", 500)) for one in documents]
    for trainer in trainers:
        # What only the first of all pays for, such as loading compiled loops, is no share of its.
        trainer.step(1)
        trainer.settle()
    before = [trainer._spent for trainer in trainers]
    for trainer in trainers:
        trainer.play()
    time.sleep(8)
    for trainer in trainers:
        trainer.close()
    spent = [trainer._spent - start for trainer, start in zip(trainers, before, strict=True)]
    assert min(spent) >= 0.6 * sum(spent) / len(spent), spent
