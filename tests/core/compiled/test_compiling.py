"""NumPy answers while another process compiles, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layerscope import config, ops
from layerscope.compiled import jit
from layerscope.compiled.jit import MACHINE_CODE
from processes import run

machine_code = pytest.mark.skipif(not MACHINE_CODE, reason="there is machine code only with Numba")

#: A loop that is asked for again and again, until it is machine code.
UNTIL_READY = """
import time
import numpy as np
from layerscope import config
from layerscope.compiled import compiling, updates

update = updates.momentum_update
rng = np.random.default_rng(0)
value, grad, mean = rng.normal(size=(3, 50)).astype(np.float32)

def call():
    given = value.copy(), grad.copy(), mean.copy()
    update(*given, 0.5, 0.9, False)
    return given

def until(done):
    end = time.monotonic() + 60
    while not done():
        call()
        assert time.monotonic() < end
        time.sleep(0.01)
"""
BACKGROUND = {"LAYERSCOPE_COMPILATION": "background"}


@machine_code
def test_numpy_answers_until_there_is_machine_code(tmp_path: Path) -> None:
    code = """
first = call()
assert not update.signatures
assert compiling.progress().done == 0
until(lambda: update.signatures)
assert sum(update.stats.cache_misses.values()) == 0
for before, after in zip(first, call()):
    np.testing.assert_allclose(before, after, rtol=1e-6)
end = time.monotonic() + 60
while compiling.progress() != (1, 1):
    assert time.monotonic() < end
    time.sleep(0.01)
print(compiling._compiler._process.pid)
"""
    (pid,) = run(UNTIL_READY + code, tmp_path, **BACKGROUND)
    assert not is_running(int(pid))


def is_running(pid: int) -> bool:
    """Tell whether a process still runs some seconds after it has nobody to work for."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


@machine_code
def test_tasks_are_shared_once_there_is_machine_code(tmp_path: Path) -> None:
    """Of two types, one is ready and the other is not: nothing may be done twice."""
    code = """
from layerscope.compiled import jit, team
from layerscope.compiled.team import SharedLoop, claim

@jit.native()
def add(board, tasks, out):
    task = claim(board, -1, tasks)
    while task >= 0:
        out[task] += 1
        task = claim(board, task, tasks)

def reference(out):
    out += 1

loop = SharedLoop(add, reference)
add(0, 1, np.zeros(1, np.float32))
asked = []
compiling.ask = lambda kernel, signature: asked.append(signature) or True
config.set_compilation("wait")
assert team._threads() == config.num_threads()
config.set_compilation("background")
jit.answer_until_compiled(add, lambda *given: team._answer_alone(reference, *given))
config.set_num_threads(2)
for dtype in (np.float32, np.float64) * 200:
    out = np.zeros(20, dtype)
    loop(20, out)
    assert (out == 1).all(), (dtype, out)
print(len(set(asked)), len(add.signatures))
"""
    assert run(UNTIL_READY + code, tmp_path) == ["1", "1"]


@machine_code
def test_who_cannot_start_a_process_compiles(tmp_path: Path) -> None:
    code = """
import logging, sys
logging.disable()
sys.executable = "/nowhere/python"
call()
print(len(update.signatures))
"""
    assert run(UNTIL_READY + code, tmp_path, **BACKGROUND) == ["1"]


@machine_code
def test_machine_code_is_handed_over_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code = """
call()
assert not update.signatures
until(lambda: update.signatures)
print(compiling.writable_root())
"""
    (place,) = run(UNTIL_READY + code, tmp_path / "file" / "below", **BACKGROUND)
    assert not Path(place).exists()


@machine_code
def test_a_process_that_ends_early_is_told_of_and_numpy_goes_on(tmp_path: Path) -> None:
    code = """
import logging
class Noted(logging.Handler):
    def emit(self, record):
        print(record.getMessage())
logging.getLogger("layerscope").addHandler(Noted())
call()
compiling._compiler._process.kill()
compiling._compiler._process.wait()
for _ in range(5):
    call()
    time.sleep(0.05)
assert not update.signatures
"""
    assert run(UNTIL_READY + code, tmp_path, **BACKGROUND)[:4] == [
        "Compiling",
        "ended",
        "with",
        "code",
    ]


@machine_code
def test_a_process_that_had_nothing_to_do_is_started_again(tmp_path: Path) -> None:
    code = """
compiling.start()
first = compiling._compiler
first._process.stdin.close()
assert first._process.wait() == 0
call()
assert compiling._compiler is not first
until(lambda: update.signatures)
"""
    run(UNTIL_READY + code, tmp_path, **BACKGROUND)


@machine_code
def test_a_process_that_is_asked_nothing_for_long_ends_quietly() -> None:
    code = """
from layerscope import warmup
warmup.PATIENCE = 0.1
warmup._serve_the_parent(everything=False)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # Its input stays open: nobody has ended.
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@machine_code
def test_nobody_waits_in_a_forked_process(tmp_path: Path) -> None:
    code = """
import os
call()
child = os.fork()
if not child:
    call()
    until(lambda: update.signatures)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    run(UNTIL_READY + code, tmp_path, **BACKGROUND)


def test_setting() -> None:
    assert config.compilation() == "wait"
    try:
        config.set_compilation("background")
        assert config.compilation() == "background"
    finally:
        config.set_compilation(None)
    assert config.compilation() == "wait"
    with pytest.raises(ValueError, match=r"`compilation` must be one of .* Received: 'never'"):
        config.set_compilation("never")


def test_setting_in_the_environment() -> None:
    code = "from layerscope import config\nprint(config.compilation(), config.num_threads())"
    found = run(code, LAYERSCOPE_COMPILATION="background", LAYERSCOPE_NUM_THREADS="3")
    assert found == ["background", "3"]
    refused = """
from layerscope import config
for read in (config.compilation, config.num_threads):
    try:
        read()
    except ValueError as error:
        print(str(error).split()[0])
"""
    found = run(refused, LAYERSCOPE_COMPILATION="x", LAYERSCOPE_NUM_THREADS="0")
    assert found == ["`LAYERSCOPE_COMPILATION`", "`LAYERSCOPE_NUM_THREADS`"]


def test_number_of_threads() -> None:
    before = config.num_threads()
    assert before >= 1
    config.set_num_threads(3)
    assert config.num_threads() == 3
    config.set_num_threads(None)
    assert config.num_threads() == before
    for wrong in (0, -1, "many"):
        with pytest.raises(ValueError, match="`num_threads` must be a whole number of at least 1"):
            config.set_num_threads(wrong)  # type: ignore[arg-type]


@machine_code
def test_arrays_that_may_only_be_read_need_no_machine_code_of_their_own() -> None:
    x = np.linspace(-1.0, 1.0, 24, dtype=np.float32)
    expected = ops.convert_to_numpy(ops.relu(x))
    x.flags.writeable = False
    before = [len(kernel.signatures) for kernel in jit.COMPILED]
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.relu(x)), expected)
    assert [len(kernel.signatures) for kernel in jit.COMPILED] == before
    assert not x.flags.writeable


def test_a_thawed_array_is_the_same_memory() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    x.flags.writeable = False
    thawed = jit._thawed(x)
    assert thawed.flags.writeable
    assert np.shares_memory(thawed, x)
    assert thawed.strides == x.strides
    np.testing.assert_array_equal(thawed, x)


@machine_code
def test_machine_code_has_the_same_name_in_every_process() -> None:
    """Options such as those of fast mathematics are sets, whose order is another each time."""
    code = """
from layerscope.compiled import every_loop, machine_code
loops = [getattr(loop, "loop", loop) for loop in every_loop()]
print(*[str(machine_code._identity(loop)).replace(" ", "") for loop in loops])
"""
    names = [run(code, PYTHONHASHSEED=seed) for seed in ("1", "2", "3")]
    assert names[0]
    assert names[0] == names[1] == names[2]
