"""How many processes share the tests."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return half as many again as there are cores: who drives a browser mostly waits for it."""
    cores = os.cpu_count() or 1
    return cores + cores // 2
