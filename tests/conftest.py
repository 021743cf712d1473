"""How many processes share the tests, and what they keep."""

from __future__ import annotations

import os
import sys

import pytest

# The tests start Python some hundred times: each would translate every source file anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return half as many again as there are cores: who drives a browser mostly waits for it."""
    cores = os.cpu_count() or 1
    return cores + cores // 2
