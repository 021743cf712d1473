"""How many processes share the tests, with how many threads each, and what they keep."""

from __future__ import annotations

import os
import sys

import numpy  # noqa: F401  its threads can be limited once it is loaded
import pytest
from threadpoolctl import threadpool_limits

# The tests start Python some hundred times: each would translate every source file anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return half as many again as there are cores: who drives a browser mostly waits for it."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def pytest_configure(config: pytest.Config) -> None:
    """Let BLAS have one thread in each of several processes.

    Its threads spin after every product, and take twice the time of the tests from the others.
    What the tests start is not limited.
    """
    if hasattr(config, "workerinput"):
        threadpool_limits(1, user_api="blas")
