"""Work that is done elsewhere comes back to the page that asked for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from bokeh.document import Document as BokehDocument
from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document
from tornado.websocket import WebSocketHandler

from layerscope_explorer import workers
from layerscope_explorer.delivery import deliver_all, deliver_at_once
from layerscope_explorer.workers import DocumentScheduler


@pytest.mark.parametrize("asked", ["on the loop", "in a thread", "where there is no loop"])
def test_work_comes_back_under_the_lock_of_the_document(asked: str) -> None:
    handed_over, answered = threading.Event(), threading.Event()
    locked: list[Any] = []

    def under_the_lock(callback: Any) -> None:
        locked.append(threading.current_thread())
        callback()

    document = SimpleNamespace(session_context=object(), add_next_tick_callback=under_the_lock)
    results: list[int] = []

    def work() -> int:
        handed_over.wait(10)
        return 7

    def done(future: Future[int]) -> None:
        results.append(future.result())
        answered.set()

    async def ask() -> None:
        scheduler = DocumentScheduler(document)
        if asked == "on the loop":
            scheduler.run(work, done)
            await asyncio.sleep(0)
        else:
            await asyncio.to_thread(scheduler.run, work, done)
        handed_over.set()
        await asyncio.to_thread(answered.wait, 10)

    if asked == "where there is no loop":
        DocumentScheduler(document).run(work, done)
        handed_over.set()
    else:
        asyncio.run(ask())
    assert answered.wait(10)
    assert results == [7]
    assert len(locked) == 1
    # What a worker gives to a document that holds changes back may be lost.
    on_the_loop = locked[0] is threading.current_thread()
    assert on_the_loop == (asked != "where there is no loop")


class _Connection:
    """A browser's, as far as Panel looks when it sends: each event is a message."""

    def __init__(self) -> None:
        self._socket = WebSocketHandler.__new__(WebSocketHandler)
        self.protocol = SimpleNamespace(create=lambda kind, events: events[0])


def test_what_comes_up_as_a_message_has_gone_out_is_sent_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    going_out: list[asyncio.Future[None]] = []

    def write(connection: Any, msg: Any) -> list[asyncio.Future[None]]:
        sent.append(msg)
        going_out.append(asyncio.get_running_loop().create_future())
        return going_out[-1:]

    async def send_two() -> None:
        document = BokehDocument()
        connection: Any = _Connection()
        events: list[Any] = ["first", "second"]
        panel_document.schedule_write_events(document, [connection], events[:1])
        await asyncio.sleep(0.01)
        going_out[0].set_result(None)
        panel_document.schedule_write_events(document, [connection], events[1:])
        await asyncio.sleep(0.01)
        for other in going_out[1:]:
            other.set_result(None)
        await asyncio.sleep(0.01)
        assert document not in panel_document._WRITE_MSGS
        assert document not in panel_document._WRITE_BLOCK

    monkeypatch.setattr(panel_document, "dispatch_tornado", write)
    deliver_all()
    asyncio.run(send_two())
    assert sent == ["first", "second"]


def test_no_part_of_a_message_waits_for_an_earlier_one() -> None:
    asked: list[bool] = []
    connection: Any = SimpleNamespace(
        current_user="somebody", _token=None, selected_subprotocol=None, close=lambda: None
    )
    connection.set_nodelay = asked.append
    deliver_at_once()
    with pytest.raises(ProtocolError, match="Subprotocol"):
        WSHandler.open(connection)
    assert asked == [True]


def test_the_more_somebody_waits_the_longer_others_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("layerscope_explorer.workers.time.perf_counter", lambda: now)
    courtesy = workers.Courtesy()
    assert courtesy.pace == 1
    paces = []
    for _ in range(200):
        # Half of the time.
        courtesy.begin()
        now += 2 * workers.ANSWER
        paces.append(courtesy.pace)
    assert paces == sorted(paces)
    assert paces[-1] == pytest.approx(2, rel=0.1)
    for _ in range(400):
        courtesy.begin()
        now += workers.ANSWER / 4
    assert courtesy.pace == workers._SLOWEST
    now += 60
    assert courtesy.pace == pytest.approx(1, rel=1e-6)
