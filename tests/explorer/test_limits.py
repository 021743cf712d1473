"""Limits of a server are set in its environment, and what they allow is all that is allowed."""

from __future__ import annotations

import pytest

from layerscope_explorer.diagnosis.memory import count
from layerscope_explorer.limits import _limit


def test_the_environment_sets_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _limit("MAX_LAYERS", 64) == 64
    monkeypatch.setenv("LAYERSCOPE_MAX_LAYERS", "20")
    assert _limit("MAX_LAYERS", 64) == 20


@pytest.mark.parametrize("said", ["0", "-1", "many", "1e9", "²", "9" * 40, " 5"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_LAYERS", said)
    with pytest.raises(ValueError, match="LAYERSCOPE_MAX_LAYERS must be a whole number"):
        _limit("MAX_LAYERS", 64)


def test_values_are_counted_for_the_sample() -> None:
    assert count((None, 3, 4)) == 256 * 12
    assert count((2, None)) == 2
    assert count(()) == 1
