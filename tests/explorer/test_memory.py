"""What nobody needs any more is found, though not all there is is looked through each time."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from layerscope_explorer import memory


class Knot:
    """Refers to itself, so that only looking for garbage frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _serving() -> Iterator[None]:
    """Look for garbage as a process does that only serves."""
    memory.look_at_the_new_only()
    yield
    gc.callbacks.remove(memory._look)
    gc.unfreeze()
    gc.collect()


def tied_and_let_go() -> weakref.ref[Knot]:
    """Return what was in use when Python looked, and is garbage now."""
    knot = Knot()
    gc.collect()
    return weakref.ref(knot)


def test_what_is_new_is_looked_at() -> None:
    knot = weakref.ref(Knot())
    gc.collect()
    assert knot() is None


def test_what_was_in_use_is_not_looked_at_again() -> None:
    knot = tied_and_let_go()
    gc.collect()
    assert knot() is not None
    assert gc.get_freeze_count() > 0


def test_giving_back_looks_at_everything() -> None:
    knot = tied_and_let_go()
    memory.give_back()
    assert knot() is None


def test_everything_is_looked_at_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    knot = tied_and_let_go()
    monkeypatch.setattr(memory, "_looked_through", time.monotonic() - 301)
    gc.collect()
    assert knot() is None
    assert memory._looked_through > time.monotonic() - 300
