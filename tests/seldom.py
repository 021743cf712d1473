"""Cases of which one is tried every time, and the others by ``pytest -m slow``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def once(cases: Iterable[Any], first: Any = None) -> list[Any]:
    """Return the cases, all but `first` (default: the first of them) marked as slow."""
    found = list(cases)
    usual = found[0] if first is None else first
    return [one if one == usual else pytest.param(one, marks=pytest.mark.slow) for one in found]
