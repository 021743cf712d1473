"""Which package may import which, and what importing Layerscope costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_linter_contracts() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    from importlinter.cli import lint_imports

    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0


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


def test_importing_the_core_compiles_nothing() -> None:
    code = (
        "import layerscope\n"
        "from layerscope.compiled.jit import COMPILED\n"
        "assert COMPILED\n"
        "print(sum(len(loop.signatures) for loop in COMPILED))\n"
    )
    assert run(code).split() == ["0"]


def test_public_names_are_there() -> None:
    import layerscope

    for name in layerscope.__all__:
        assert hasattr(layerscope, name)
    for name in layerscope.ops.__all__:
        assert hasattr(layerscope.ops, name)


def test_compiled_files_do_not_share_functions() -> None:
    """Numba's cache does not see a change in a function from another file."""
    for path in (ROOT / "core/layerscope/compiled").glob("*.py"):
        text = path.read_text()
        imports = [line for line in text.splitlines() if "layerscope.compiled" in line]
        assert all("layerscope.compiled.jit" in line for line in imports), path.name
