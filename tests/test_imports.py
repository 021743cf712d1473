"""Which package may import which, and what importing Layerscope costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_linter_contracts() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    # In a process of its own: it silences every logger there is.
    run(
        "from importlinter.cli import lint_imports\n"
        f"raise SystemExit(lint_imports({str(ROOT / 'pyproject.toml')!r}, no_cache=True))"
    )


def test_importing_the_core_stays_light() -> None:
    # Numba itself looks whether SciPy is there.
    code = (
        "import sys, numba\n"
        "before = set(sys.modules)\n"
        "import layerscope\n"
        "heavy = {'panel', 'bokeh', 'holoviews', 'scipy', 'keras', 'jax', 'matplotlib', 'pandas'}\n"
        "loaded = {name for name in set(sys.modules) - before if name.split('.')[0] in heavy}\n"
        "print(*sorted(loaded))\n"
    )
    assert run(code).split() == []


def test_importing_the_core_does_not_import_numba() -> None:
    assert run("import sys, layerscope\nprint('numba' in sys.modules)").split() == ["False"]


def test_importing_loops_compiles_nothing() -> None:
    code = (
        "from layerscope.compiled import every_loop\n"
        "from layerscope.compiled.jit import ENABLED\n"
        "assert every_loop() or not ENABLED\n"
        "print(sum(len(getattr(loop, 'signatures', [])) for loop in every_loop()))\n"
    )
    assert run(code).split() == ["0"]


def test_public_names_are_there() -> None:
    import layerscope

    for name in layerscope.__all__:
        assert hasattr(layerscope, name)
    for name in layerscope.ops.__all__:
        assert hasattr(layerscope.ops, name)


def test_no_loop_starts_threads_of_numba() -> None:
    """They spin for milliseconds beside those of BLAS: one team of our own shares all loops."""
    for path in (ROOT / "core/layerscope").rglob("*.py"):
        assert not re.search(r"\bprange\b|parallel\s*=\s*True", path.read_text()), path.name
