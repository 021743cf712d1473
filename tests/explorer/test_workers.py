"""Work that is done elsewhere comes back to the page that asked for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

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
