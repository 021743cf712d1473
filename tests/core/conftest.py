"""Every test starts from the same randomness, so that what fails once fails always."""

from __future__ import annotations

import pytest

import layerscope as ls
from layerscope import custom_objects
from layerscope.compiled import tasks


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ls.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test registers be unknown to the next."""
    for known in ("_REGISTERED", "_REGISTERED_NAMES"):
        monkeypatch.setattr(custom_objects, known, dict(getattr(custom_objects, known)))


@pytest.fixture
def shared_when_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut loops into tasks that have fewer entries than are worth it."""
    monkeypatch.setattr(tasks, "_WORTH_SHARING", 1 << 12)
