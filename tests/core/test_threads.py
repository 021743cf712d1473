"""Many threads call loops at once: each gets what it would have got alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import layerscope as ls
from layerscope.compiled.jit import MACHINE_CODE
from processes import run

pytestmark = pytest.mark.usefixtures("shared_when_small", "threads_of_blas")

#: Layers whose loops are shared among threads, or are not, with the shape of what they take.
CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Conv2D": (lambda: ls.layers.Conv2D(8, 3, activation="relu"), (4, 20, 20, 8)),
    "Conv1D strided": (lambda: ls.layers.Conv1D(8, 5, strides=2), (4, 100, 16)),
    "Conv2DTranspose": (lambda: ls.layers.Conv2DTranspose(4, 3, strides=2), (2, 12, 12, 8)),
    "DepthwiseConv2D": (lambda: ls.layers.DepthwiseConv2D(3), (4, 24, 24, 16)),
    "MaxPooling2D": (lambda: ls.layers.MaxPooling2D(), (4, 48, 48, 16)),
    "AveragePooling2D": (lambda: ls.layers.AveragePooling2D(3, 2), (4, 33, 33, 16)),
    "BatchNormalization": (lambda: ls.layers.BatchNormalization(), (64, 24, 24, 8)),
    "LayerNormalization": (lambda: ls.layers.LayerNormalization(), (512, 96)),
    "GRU": (lambda: ls.layers.GRU(12, return_sequences=True), (8, 20, 10)),
    "LSTM": (lambda: ls.layers.LSTM(12), (8, 20, 10)),
    "Dense softmax": (lambda: ls.layers.Dense(50, activation="softmax"), (400, 64)),
    "gelu": (lambda: ls.layers.Activation("gelu"), (300, 500)),
    "tanh": (lambda: ls.layers.Activation("tanh"), (300, 500)),
    "UpSampling2D": (lambda: ls.layers.UpSampling2D(2, interpolation="bilinear"), (2, 24, 24, 8)),
}


@pytest.fixture
def threads_of_blas() -> Iterator[None]:
    """Let BLAS have its own, which other tests do without."""
    with threadpool_limits(os.cpu_count(), user_api="blas"):
        yield


@cache
def built(name: str) -> tuple[Any, np.ndarray]:
    make, shape = CASES[name]
    ls.utils.set_random_seed(0)
    layer = make()
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    layer(x)
    return layer, x


def results(name: str) -> list[np.ndarray]:
    """Return the output of a layer, and the gradients of its input and weights."""
    layer, x = built(name)
    with ls.GradientTape() as tape:
        inputs = tape.watch(x)
        outputs = layer(inputs)
        total = ls.ops.sum(outputs * outputs)
    found = tape.gradient(total, [inputs, *layer.trainable_variables])
    return [np.asarray(one) for one in (outputs, *found)]


def equal(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, found, expected))


def alone() -> dict[str, list[np.ndarray]]:
    """Return all results, computed by one thread."""

    def compute() -> dict[str, list[np.ndarray]]:
        ls.config.set_num_threads(1)
        return {name: results(name) for name in CASES}

    return copy_context().run(compute)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    expected = alone()

    def compute(threads: int) -> None:
        ls.config.set_num_threads(threads)
        for name in CASES:
            assert equal(results(name), expected[name]), (name, threads)

    for threads in (2, 3, 7):
        copy_context().run(compute, threads)


def test_eight_threads_compute_what_one_does() -> None:
    expected = alone()
    names = list(CASES)

    def work(seed: int) -> list[str]:
        generator = np.random.default_rng(seed)
        ls.config.set_num_threads(1 + seed % 4)
        drawn = generator.choice(names, 200)
        return [name for name in drawn if not equal(results(name), expected[name])]

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(copy_context().run, work, seed) for seed in range(8)]
        assert [future.result() for future in futures] == [[]] * 8


@pytest.mark.skipif(not MACHINE_CODE, reason="threads share machine code only")
def test_no_other_threads_are_started() -> None:
    """Numba's own keep spinning after a loop, which then holds up the threads of BLAS."""
    code = """
import sys, threading
import numpy as np
import layerscope as ls
from layerscope.compiled import every_loop
ls.config.set_num_threads(4)
model = ls.Sequential([ls.Input((24, 24, 4)), ls.layers.Conv2D(8, 3), ls.layers.MaxPooling2D(),
    ls.layers.BatchNormalization(), ls.layers.Flatten(), ls.layers.Dense(3)])
model.compile("adam", "mse")
x = np.ones((32, 24, 24, 4), "float32")
model.fit(x, np.ones((32, 3)), epochs=2, verbose=0)
names = {thread.name.rpartition("-")[0] for thread in threading.enumerate()} - {""}
print(*sorted(names - {"layerscope"}))
assert not getattr(sys.modules.get("numba.np.ufunc.parallel"), "_is_initialized", False)
"""
    assert run(code) == []
