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


@pytest.mark.parametrize("has_loop", [True, False], ids=["on the loop", "in a thread without"])
def test_work_comes_back_under_the_lock_of_the_document(has_loop: bool) -> None:
    answered = threading.Event()
    locked: list[Any] = []

    def under_the_lock(callback: Any) -> None:
        locked.append(threading.current_thread())
        callback()

    document = SimpleNamespace(session_context=object(), add_next_tick_callback=under_the_lock)
    results: list[int] = []

    def done(future: Future[int]) -> None:
        results.append(future.result())
        answered.set()

    def ask() -> None:
        DocumentScheduler(document).run(lambda: 7, done)

    async def ask_on_the_loop() -> None:
        ask()
        await asyncio.to_thread(answered.wait, 10)

    asyncio.run(ask_on_the_loop()) if has_loop else ask()
    assert answered.wait(10)
    assert results == [7]
    assert len(locked) == 1


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
