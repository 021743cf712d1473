"""Machine code is kept once per machine, whoever writes it and wherever it can be written."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerscope.compiled.jit import ENABLED, MACHINE_CODE
from processes import ended, run, started

pytestmark = pytest.mark.skipif(not MACHINE_CODE, reason="there is machine code only with Numba")

machine_code: Any = None
if ENABLED:
    import layerscope.compiled.machine_code as machine_code

#: Calls a loop, and prints how often it was found on disk and how often it was compiled.
ONE_CALL = """
import numpy as np
from layerscope.compiled import updates
value, grad, mean = np.zeros((3, 5), np.float32)
grad += 1
updates.momentum_update(value, grad, mean, 0.5, 0.9, False)
assert (value == -0.5).all(), value
stats = updates.momentum_update.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


FOUND, COMPILED_NOW = ["1", "0"], ["0", "1"]


def test_what_is_compiled_once_is_found_later_unless_it_is_damaged(tmp_path: Path) -> None:
    assert run(ONE_CALL, tmp_path) == COMPILED_NOW
    (file,) = files(tmp_path)
    assert run(ONE_CALL, tmp_path) == FOUND
    whole = file.read_bytes()
    file.write_bytes(whole[:-100] + bytes(100))
    assert run(ONE_CALL, tmp_path) == COMPILED_NOW
    assert run(ONE_CALL, tmp_path) == FOUND
    assert files(tmp_path) == [file]


def test_processes_that_start_at_once_compile_once(tmp_path: Path) -> None:
    processes = [started(ONE_CALL, tmp_path) for _ in range(4)]
    found = sorted(ended(process) for process in processes)
    assert found == [COMPILED_NOW, FOUND, FOUND, FOUND]
    assert [file.suffix for file in files(tmp_path)] == [".bin"]


def test_functions_are_numbered_as_in_no_other_process(tmp_path: Path) -> None:
    """Numba's linker knows what functions make by name and number: sums became maxima."""
    code = """
import os
from layerscope.compiled import machine_code
if hasattr(os, "fork") and os.fork():
    os.wait()
print(next(machine_code.FunctionIdentity._unique_ids))
"""
    numbers = [run(code, tmp_path) for _ in range(3)]
    assert len({*itertools.chain(*numbers)}) == sum(map(len, numbers)) >= 3


def test_another_processor_gets_machine_code_of_its_own(tmp_path: Path) -> None:
    assert run(ONE_CALL, tmp_path) == COMPILED_NOW
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert run(ONE_CALL, tmp_path, **other) == COMPILED_NOW
    assert len(files(tmp_path)) == 2
    assert run(ONE_CALL, tmp_path) == FOUND


def test_loops_run_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(ONE_CALL, tmp_path / "file" / "below") == COMPILED_NOW


def test_what_cannot_be_changed_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image that was filled when it was built."""
    image, user = tmp_path / "image", tmp_path / "user"
    assert run(ONE_CALL, image) == COMPILED_NOW
    (folder,) = image.iterdir()
    (file,) = folder.iterdir()
    monkeypatch.setattr(machine_code, "_roots", lambda: [image, user])

    def refuse(make: Callable[..., Any]) -> Callable[..., Any]:
        def unless_in_the_image(*arguments: Any, dir: Any) -> Any:
            if image in Path(dir).parents:
                raise PermissionError(dir)
            return make(*arguments, dir=dir)

        return unless_in_the_image

    monkeypatch.setattr("tempfile.TemporaryFile", refuse(machine_code.tempfile.TemporaryFile))
    assert machine_code.writable_root() == user
    from layerscope.compiled.updates import momentum_update

    array = machine_code.numba.float32[::1]
    double = machine_code.numba.float64
    types = (array, array, array, double, double, machine_code.numba.boolean)
    code: Any = machine_code.MachineCode(momentum_update)
    assert code.name_of(types) == file.name
    assert code.holds(types)


def test_a_change_in_any_file_outdates_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(machine_code.__file__ or "")
    copy = tmp_path / "compiled"
    shutil.copytree(source.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(machine_code, "__file__", str(copy / source.name))
    before = machine_code._sources.__wrapped__()
    assert before == machine_code._sources()
    with (copy / "pooling.py").open("a") as file:
        file.write("\n")
    assert machine_code._sources.__wrapped__() != before


def test_what_differs_in_options_or_closures_has_other_files() -> None:
    import numba

    def made(power: int, **options: Any) -> Any:
        def raised(x: float) -> float:
            return x**power

        return machine_code.MachineCode(numba.njit(**options)(raised))

    variants = [made(2), made(3), made(2, fastmath=True), made(2, fastmath={"contract"})]
    types = ((numba.float64,), (numba.float32,))
    names = [one.name_of(signature) for one in variants for signature in types]
    assert len(set(names)) == len(names)
    assert made(2).name_of(types[0]) == names[0]


def test_only_old_files_of_other_versions_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_code, "_roots", lambda: [tmp_path])
    mine = machine_code._folder(tmp_path)
    old, recent, foreign = (tmp_path / f"layerscope-{name}" for name in ("a" * 16, "b" * 16, "c"))
    for folder in (mine, old, recent, foreign):
        folder.mkdir()
        if folder != recent:
            os.utime(folder, (0, 0))
    machine_code.remove_outdated()
    assert sorted(tmp_path.iterdir()) == sorted([mine, recent, foreign])
