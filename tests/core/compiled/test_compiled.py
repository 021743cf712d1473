"""Every compiled loop does what its NumPy reference does, compiled and as plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from layerscope.compiled import (
    depthwise,
    histogram,
    normalization,
    patches,
    pooling,
    recurrent,
    resizing,
    rows,
    sampling,
    updates,
)
from layerscope.compiled.jit import COMPILED
from layerscope.ops import shapes

SEEDS = range(12)


@dataclass
class Arguments:
    """What a loop is called with, and which of the arrays it writes."""

    values: list[Any]
    written: list[int]


def special(array: np.ndarray, generator: np.random.Generator, share: float = 0.2) -> np.ndarray:
    """Put NaN and infinities among the values."""
    at = generator.random(array.shape) < share
    array[at] = generator.choice([np.nan, np.inf, -np.inf], size=int(at.sum()))
    return array


def geometry(
    generator: np.random.Generator, padding: str, dilated: bool, rank: int = 2
) -> dict[str, Any]:
    size = generator.integers(1, 4, rank)
    stride = generator.integers(1, 4, rank)
    dilation = generator.integers(1, 3, rank) if dilated else np.ones(rank, int)
    spatial = dilation * (size - 1) + 1 + generator.integers(0, 5, rank)
    pads = [
        shapes.window_padding(int(n), int(k), int(s), padding, int(d))
        for n, k, s, d in zip(spatial, size, stride, dilation, strict=True)
    ]
    out = shapes.windows(
        spatial.tolist(), size.tolist(), stride.tolist(), padding, dilation.tolist()
    )
    return {
        "size": size.tolist(),
        "stride": stride.tolist(),
        "dilation": dilation.tolist(),
        "spatial": spatial.tolist(),
        "pads": pads,
        "out": [int(n or 0) for n in out],
    }


def gather(generator: np.random.Generator, dtype: str) -> Arguments:
    found = geometry(generator, "valid", dilated=True, rank=3)
    n, c = generator.integers(1, 4, 2)
    x = special(generator.normal(size=(n, *found["spatial"], c)), generator).astype(dtype)
    out = np.full((n, *found["out"], *found["size"], c), 7, dtype)
    return Arguments([x, out, *found["stride"], *found["dilation"]], [1])


def scatter(generator: np.random.Generator, dtype: str) -> Arguments:
    found = geometry(generator, "valid", dilated=True, rank=3)
    n, c = generator.integers(1, 4, 2)
    windows = generator.normal(size=(n, *found["out"], *found["size"], c)).astype(dtype)
    x = generator.normal(size=(n, *found["spatial"], c)).astype(dtype)
    return Arguments(
        [special(windows, generator, 0.05), x, *found["stride"], *found["dilation"]], [1]
    )


def depthwise_arrays(
    generator: np.random.Generator, dtype: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    found = geometry(generator, "valid", dilated=True, rank=3)
    n, c = generator.integers(1, 4, 2)
    shapes_of = (n, *found["spatial"], c), (*found["size"], c), (n, *found["out"], c)
    x, kernel, out = (generator.normal(size=shape).astype(dtype) for shape in shapes_of)
    return x, kernel, out, [*found["stride"], *found["dilation"]]


def depthwise_forward(generator: np.random.Generator, dtype: str) -> Arguments:
    x, kernel, out, steps = depthwise_arrays(generator, dtype)
    return Arguments([special(x, generator, 0.05), kernel, np.zeros_like(out), *steps], [2])


def depthwise_input(generator: np.random.Generator, dtype: str) -> Arguments:
    x, kernel, out, steps = depthwise_arrays(generator, dtype)
    return Arguments([special(out, generator, 0.05), kernel, np.zeros_like(x), *steps], [2])


def depthwise_kernel(generator: np.random.Generator, dtype: str) -> Arguments:
    x, kernel, out, steps = depthwise_arrays(generator, dtype)
    grad = np.zeros((len(x), *kernel.shape), dtype)
    return Arguments([special(x, generator, 0.05), out, grad, *steps], [2])


def volume_windows(generator: np.random.Generator) -> tuple[list[int], list[int], list[Any]]:
    """Return spatial lengths, output lengths and (size, stride, padding before) of a pooling."""
    padding = str(generator.choice(["valid", "same"]))
    size, stride = (tuple(int(n) for n in generator.integers(1, high, 3)) for high in (4, 4))
    spatial = [int(n + generator.integers(0, 4)) for n in size]
    axes = list(zip(spatial, size, stride, strict=True))
    low = tuple(shapes.window_padding(n, k, s, padding)[0] for n, k, s in axes)
    out = [int(shapes.window(n, k, s, padding) or 0) for n, k, s in axes]
    return spatial, out, [size, stride, low]


def pool(generator: np.random.Generator, dtype: str) -> Arguments:
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    x = special(generator.integers(-2, 3, (n, *spatial, c)).astype(float), generator)
    if generator.random() < 0.2:
        x[...] = -np.inf
    shape = (n, *out, c)
    values = [x.astype(dtype), np.empty(shape, dtype), np.empty(shape, np.int32)]
    return Arguments([*values, *places], [1, 2])


def pool_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    given = pool(generator, dtype)
    pooling.max_pool(*given.values)
    x, out, winner = given.values[:3]
    grad = special(generator.normal(size=out.shape), generator, 0.05).astype(dtype)
    return Arguments([grad, winner, np.zeros(x.shape, dtype)], [2])


def average(generator: np.random.Generator, dtype: str) -> Arguments:
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    x = special(generator.normal(size=(n, *spatial, c)), generator, 0.05).astype(dtype)
    return Arguments([x, np.empty((n, *out, c), dtype), *places], [1])


def average_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    grad = special(generator.normal(size=(n, *out, c)), generator, 0.05).astype(dtype)
    return Arguments([grad, np.zeros((n, *spatial, c), dtype), *places], [1])


def interpolation(forward: bool) -> Callable[[np.random.Generator, str], Arguments]:
    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        before, length, new_length, after, taps = (int(n) for n in generator.integers(1, 6, 5))
        lengths = (length, new_length) if forward else (new_length, length)
        x = special(generator.normal(size=(before, lengths[0], after)), generator, 0.05)
        sources = generator.integers(0, length, (new_length, taps))
        weights = generator.normal(size=(new_length, taps)).astype(dtype)
        out = np.zeros((before, lengths[1], after), dtype)
        return Arguments([x.astype(dtype), out, sources, weights], [1])

    return make


def samples(forward: bool) -> Callable[[np.random.Generator, str], Arguments]:
    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        images, old, new, channels, taps = (int(n) for n in generator.integers(1, 6, 5))
        places = (old, new) if forward else (new, old)
        x = special(generator.normal(size=(images, places[0], channels)), generator, 0.05)
        sources = generator.integers(0, old, (images, new, taps))
        weights = generator.normal(size=(images, new, taps)).astype(dtype)
        out = np.zeros((images, places[1], channels), dtype)
        return Arguments([x.astype(dtype), out, sources, weights], [1])

    return make


def rows_met_twice(generator: np.random.Generator, dtype: str) -> Arguments:
    before, n, after, length = (int(n) for n in generator.integers(1, 6, 4))
    added = special(generator.normal(size=(before, n, after)), generator, 0.1).astype(dtype)
    places = generator.integers(-length, length, n).astype(generator.choice(["int32", "int64"]))
    out = generator.normal(size=(before, length, after)).astype(dtype)
    return Arguments([added, places, out], [2])


def update(count: int, *options: Any) -> Callable[[np.random.Generator, str], Arguments]:
    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        n = int(generator.integers(1, 20))
        arrays = [generator.normal(size=n).astype(dtype) for _ in range(count)]
        special(arrays[1], generator)
        # Second moments are not negative.
        arrays[3:] = [np.abs(array) for array in arrays[3:]]
        chosen = [option[generator.integers(len(option))] for option in options]
        return Arguments([*arrays, *chosen], [0, *range(2, count)])

    return make


def standardize(generator: np.random.Generator, dtype: str) -> Arguments:
    n, c = generator.integers(1, 20, 2)
    x = special(generator.normal(3.0, 2.0, size=(n, c)), generator, 0.02).astype(dtype)
    scale, offset = generator.normal(size=(2, c)).astype(dtype)
    written = [np.empty_like(x), np.empty_like(scale), np.empty_like(scale)]
    return Arguments([x, scale, offset, 1e-3, *written], [4, 5, 6])


def standardize_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    x, scale, _, epsilon, grad, mean, variance = standardize(generator, dtype).values
    mean[:], variance[:] = x.mean(0), x.var(0)
    grad[...] = special(generator.normal(size=x.shape), generator, 0.02)
    moments = generator.normal(size=(2, len(mean))).astype(dtype)
    written = [np.empty_like(x), np.empty_like(scale), np.empty_like(scale)]
    return Arguments([grad, *moments, x, scale, epsilon, mean, variance, *written], [8, 9, 10])


def recurrent_step(
    *blocks: int, written: tuple[int, ...]
) -> Callable[[np.random.Generator, str], Arguments]:
    """Make arrays of that many blocks of units each; 0 stands for the steps that count."""

    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        batch, units = (int(n) for n in generator.integers(1, 6, 2))
        values: list[Any] = []
        for count in blocks:
            if not count:
                values.append(generator.random(batch) < 0.7)
                continue
            array = generator.normal(size=(batch, count * units))
            values.append(special(array, generator, 0.02).astype(dtype))
        return Arguments(values, list(written))

    return make


def summed(generator: np.random.Generator, dtype: str) -> Arguments:
    values = generator.normal(3.0, 2.0, generator.integers(0, 60)).astype(dtype)
    return Arguments([special(values, generator), np.array([0, 0, 0, 0, 0, 2.5])], [1])


def counted(generator: np.random.Generator, dtype: str) -> Arguments:
    values = generator.normal(0.0, 2.0, generator.integers(0, 60)).astype(dtype)
    counts = np.zeros(int(generator.integers(1, 9)), np.int64)
    return Arguments([special(values, generator), -2.0, 3.0, counts], [3])


RATES = (0.1, 1e-3)
#: Loops that have a file of tests of their own.
TRIED_ELSEWHERE = {"correlate", "correlate_kernel_gradient", "sum_rows"}
#: Loops that only take in what is finite.
FINITE_ONLY = ("summary", "count")
LOOPS: dict[str, tuple[Any, Callable[[np.random.Generator, str], Arguments]]] = {
    "gather_patches": (patches.gather_patches, gather),
    "scatter_patches": (patches.scatter_patches, scatter),
    "depthwise": (depthwise.depthwise, depthwise_forward),
    "depthwise_input_gradient": (depthwise.depthwise_input_gradient, depthwise_input),
    "depthwise_kernel_gradient": (depthwise.depthwise_kernel_gradient, depthwise_kernel),
    "max_pool": (pooling.max_pool, pool),
    "max_pool_gradient": (pooling.max_pool_gradient, pool_gradient),
    "average_pool": (pooling.average_pool, average),
    "average_pool_gradient": (pooling.average_pool_gradient, average_gradient),
    "interpolate": (resizing.interpolate, interpolation(forward=True)),
    "interpolate_gradient": (resizing.interpolate_gradient, interpolation(forward=False)),
    "sample": (sampling.sample, samples(forward=True)),
    "sample_gradient": (sampling.sample_gradient, samples(forward=False)),
    "standardize_columns": (normalization.standardize_columns, standardize),
    "standardize_columns_gradient": (
        normalization.standardize_columns_gradient,
        standardize_gradient,
    ),
    "summary": (histogram.summary, summed),
    "count": (histogram.count, counted),
    "add_rows": (rows.add_rows, rows_met_twice),
    "lstm_step_gradient": (
        recurrent.lstm_step_gradient,
        recurrent_step(4, 1, 1, 0, 1, 1, 4, written=(4, 5, 6)),
    ),
    "gru_state_gradient": (
        recurrent.gru_state_gradient,
        recurrent_step(3, 1, 0, 1, 3, written=(3, 4)),
    ),
    "gru_reset_gradient": (
        recurrent.gru_reset_gradient,
        recurrent_step(3, 1, 0, 1, 3, 1, written=(4, 5)),
    ),
    "momentum_update": (updates.momentum_update, update(3, RATES, (0.9, 0.0), (True, False))),
    "rmsprop_update": (
        updates.rmsprop_update,
        update(5, RATES, (0.9,), (0.0, 0.8), (1e-2,), (False, True)),
    ),
    "adam_update": (updates.adam_update, update(4, RATES, (0.9,), (0.999,), (1e-7, 0.1))),
    "amsgrad_update": (updates.amsgrad_update, update(5, RATES, (0.9,), (0.999,), (1e-7,))),
}


def test_every_compiled_loop_has_a_case() -> None:
    assert {loop.__name__ for loop in COMPILED} == set(LOOPS) | TRIED_ELSEWHERE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("way", ["compiled", "python"])
def test_loop_equals_its_reference(name: str, dtype: str, seed: int, way: str) -> None:
    loop, make = LOOPS[name]
    ours = make(np.random.default_rng(seed), dtype)
    theirs = make(np.random.default_rng(seed), dtype)
    with np.errstate(all="ignore"):
        (loop if way == "compiled" else loop.py_func)(*ours.values)
        loop.reference(*theirs.values)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    for index, (found, expected) in enumerate(zip(ours.values, theirs.values, strict=True)):
        if isinstance(found, np.ndarray):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(
                found, expected, rtol=rtol if index in ours.written else 0, atol=rtol
            )


@pytest.mark.parametrize("name", sorted(set(LOOPS) - set(FINITE_ONLY)))
def test_special_values_reach_the_result(name: str) -> None:
    def has_nan(seed: int) -> bool:
        loop, make = LOOPS[name]
        given = make(np.random.default_rng(seed), "float64")
        with np.errstate(all="ignore"):
            loop(*given.values)
        written = [given.values[index] for index in given.written]
        return any(np.isnan(one).any() for one in written if one.dtype.kind == "f")

    assert any(has_nan(seed) for seed in SEEDS)


def test_without_numba_the_references_run() -> None:
    code = (
        "import numpy as np, layerscope as ls\n"
        "from layerscope.compiled.jit import COMPILED\n"
        "assert not COMPILED\n"
        "model = ls.Sequential([ls.Input((4, 4, 1)), ls.layers.Conv2D(2, 2, activation='relu'),\n"
        "    ls.layers.MaxPooling2D(), ls.layers.Flatten(), ls.layers.Dense(1)])\n"
        "model.compile(ls.optimizers.Adam(amsgrad=True), 'mse')\n"
        "x = np.random.default_rng(0).normal(size=(8, 4, 4, 1))\n"
        "model.fit(x, np.ones((8, 1)), epochs=2, verbose=0)\n"
        "import sys; assert 'numba' not in sys.modules\n"
    )
    environment = {**os.environ, "LAYERSCOPE_COMPILED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
