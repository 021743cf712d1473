"""The memory of large arrays is used again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc")
def test_large_arrays_are_not_mapped_anew_each_time() -> None:
    code = (
        "import resource, numpy as np, layerscope\n"
        "def compute():\n"
        "    arrays = [np.ones(1_000_000, 'float32') for _ in range(6)]\n"
        "def faults():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "compute(), compute()\n"
        "before = faults()\n"
        "for _ in range(20): compute()\n"
        "print(faults() - before)\n"
    )
    variables = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    # There are 1000 pages in an array; it would be tens of thousands.
    assert int(done.stdout) < 500
