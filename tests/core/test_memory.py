"""The memory of large arrays is used again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest


def faults(statement: str) -> int:
    """Return how many pages are mapped while large arrays come and go, after a statement."""
    code = (
        "import resource, numpy as np, layerscope\n"
        "def compute():\n"
        "    arrays = [np.ones(1_000_000, 'float32') for _ in range(6)]\n"
        "def faults():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        f"{statement}\n"
        "compute(), compute()\n"
        "before = faults()\n"
        "for _ in range(20): compute()\n"
        "print(faults() - before)\n"
    )
    variables = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc")
def test_large_arrays_are_mapped_anew_each_time_unless_asked() -> None:
    # There are 1000 pages in an array.
    assert faults("layerscope.config.keep_large_arrays()") < 500
    assert faults("pass") > 10_000
