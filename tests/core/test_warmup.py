"""What `python -m layerscope.warmup` compiles, and for whom it goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerscope import layers, optimizers, registry, warmup
from layerscope.compiled import every_loop
from layerscope.compiled.jit import MACHINE_CODE
from processes import run

machine_code = pytest.mark.skipif(not MACHINE_CODE, reason="there is machine code only with Numba")

EXAMPLES = [
    pytest.param(cls, example, id=f"{cls.__name__}-{number}")
    for cls in registry.subclasses(layers.Layer)
    for number, example in enumerate(cls.examples)
]
LARGE_EXAMPLES = [
    pytest.param(cls, example, id=f"{cls.__name__}-large-{number}")
    for number, (cls, example) in enumerate(warmup.LARGE_EXAMPLES)
]


def request(name: str) -> Any:
    from layerscope.compiled.compiling import Request

    return Request("layerscope.compiled.pooling", name, ())


@pytest.mark.parametrize(("cls", "example"), EXAMPLES + LARGE_EXAMPLES)
def test_every_example_of_a_layer_can_be_used(cls: Any, example: Any) -> None:
    warmup.use_layer(cls, example)


@machine_code
def test_everything_compiled_is_found_by_using_everything(tmp_path: Path) -> None:
    """A loop that is not found needs `types`, or an example of a layer that uses it."""
    code = """
from layerscope import config, warmup
from layerscope.compiled import compiling, every_loop
wanted = warmup.Wanted()
compiling.use(wanted)
config.set_compilation("background")
for _ in warmup.walk():
    pass
found = set()
while request := wanted.next():
    found.add((request.module, request.code.rpartition("-")[0].rpartition(".")[2]))
loops = {(loop.py_func.__module__, loop.__name__) for loop in every_loop()}
print(*sorted(name for _, name in loops - found))
"""
    assert run(code, tmp_path) == []


@machine_code
def test_who_waits_goes_first() -> None:
    wanted = warmup.Wanted()
    for name in "abc":
        assert wanted.ask(request(name))
    wanted.ask(request("c"), urgent=True)
    wanted.ask(request("d"), urgent=True)
    wanted.ask(request("a"))
    assert wanted.progress == (0, 4)
    order = []
    while found := wanted.next():
        order.append(found.code)
    assert order == ["c", "d", "a", "b"]
    assert wanted.progress == (4, 4)
    wanted.ask(request("a"), urgent=True)
    assert wanted.next() is None


@machine_code
def test_a_request_from_other_sources_is_refused() -> None:
    assert "another version" in warmup.compile_one(request("pooling.max_pool-0.bin"))


def test_arguments_of_optimizers_are_switched_on() -> None:
    found = list(warmup.variants(optimizers.SGD))
    assert found[0] == {}
    assert {"momentum": 0.5} in found
    assert {"nesterov": True} in found


@machine_code
@pytest.mark.slow
def test_the_command_leaves_nothing_to_compile(tmp_path: Path) -> None:
    command = """
import sys
from layerscope import warmup
sys.exit(warmup.main([]))
"""
    printed = run(command, tmp_path)
    assert str(tmp_path) + "." in printed
    count = len(list(tmp_path.rglob("*.bin")))
    assert count >= len(every_loop())
    assert "0/0" in run(command, tmp_path)
    assert len(list(tmp_path.rglob("*.bin"))) == count


def test_without_machine_code_the_command_says_so() -> None:
    command = "from layerscope import warmup\nprint(warmup.main([]))"
    printed = run(command, LAYERSCOPE_COMPILED="0")
    assert " ".join(printed) == "Nothing to compile: Numba is missing or switched off. 0"
