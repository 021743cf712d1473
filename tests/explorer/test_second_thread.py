from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer
from layerscope_explorer.engine import _WORTH_A_THREAD, Engine
from layerscope_explorer.presets import on_noise
from layerscope_explorer.second_thread import Meanwhile


@pytest.mark.parametrize("worth", [True, False])
def test_a_value_is_computed_once(worth: bool) -> None:
    calls = []
    value = Meanwhile(lambda: calls.append(1) or 7, worth)
    assert [value.result(), value.result()] == [7, 7]
    assert len(calls) == 1


@pytest.mark.parametrize("worth", [True, False])
def test_an_error_is_for_who_asks(worth: bool) -> None:
    value: Meanwhile[float] = Meanwhile(lambda: 1 / 0, worth)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            value.result()


def test_who_asks_does_not_wait_in_a_queue() -> None:
    free = threading.Event()
    busy = Meanwhile(free.wait)
    waiting = Meanwhile(threading.current_thread)
    assert waiting.result() is threading.current_thread()
    free.set()
    assert busy.result()


def test_large_layers_look_the_same_as_small_ones_measured_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = on_noise(Document(), _WORTH_A_THREAD // 256)
    for _ in range(3):
        document = add_layer(document, "Dense", None, {"units": 128, "activation": "tanh"})
    together = Engine().snapshot(document)
    monkeypatch.setattr("layerscope_explorer.engine._WORTH_A_THREAD", np.inf)
    alone = Engine().snapshot(document)
    one: Any
    other: Any
    for one, other in zip(together.layers, alone.layers, strict=True):
        assert (one.health_note, one.params) == (other.health_note, other.params)
        np.testing.assert_array_equal(one.output.counts, other.output.counts)
        np.testing.assert_array_equal(one.gradient.counts, other.gradient.counts)
