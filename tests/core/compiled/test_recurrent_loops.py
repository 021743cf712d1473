"""Loops over the steps of recurrent networks do what their NumPy references do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.compiled import gru, lstm, recurrent, simple_rnn
from layerscope.compiled.jit import ENABLED
from layerscope.compiled.products import TOGETHER, matrices_of, panels_of
from layerscope.compiled.registers import ROWS
from layerscope.ops import recurrent as recurrent_ops

SEEDS = range(12)
needs_loops = pytest.mark.skipif(not ENABLED, reason="without Numba there is nothing to compare")


class Sizes:
    """Random sizes, and arrays of them."""

    def __init__(self, generator: np.random.Generator, large: bool, special: float) -> None:
        most = (40, 5, 40, 70) if large else (10, 3, 4, 5)
        self.batch, self.steps, self.entries, self.units = (
            int(generator.integers(1, high + 1)) for high in most
        )
        self.length = self.units + 1 + self.entries
        self.generator, self.special = generator, special
        self.backwards = bool(generator.integers(2))
        self.counts = generator.random((self.batch, self.steps)) < 0.7

    def sequence(self, *shape: int, special: bool = True) -> np.ndarray:
        array = self.generator.normal(size=(self.batch, self.steps, *shape)).astype("float32")
        if special:
            at = self.generator.random(array.shape) < self.special
            array[at] = self.generator.choice([np.nan, np.inf, -np.inf], size=int(at.sum()))
        return array

    def state(self) -> np.ndarray:
        return self.generator.normal(size=(self.batch, self.units)).astype("float32")

    def matrix(self, depth: int, columns: int | None = None) -> np.ndarray:
        columns = self.units if columns is None else columns
        return self.generator.normal(0, depth**-0.5, (depth, columns)).astype("float32")

    def transposed(self, gates: int, units: int) -> np.ndarray:
        return panels_of(self.matrix(units, self.units), self.matrix(gates, self.entries))


def forward_simple(s: Sizes) -> list[Any]:
    panels = panels_of(s.matrix(s.length))
    rows, room = s.sequence(s.length), s.sequence(s.units, special=False)
    return [rows, s.state(), panels, s.counts, s.backwards, room]


def back_simple(s: Sizes) -> list[Any]:
    panels = s.transposed(s.units, s.units)
    grads, outputs, room = (s.sequence(s.units) for _ in range(3))
    grad_x = s.sequence(s.entries)
    return [grads, s.state(), np.tanh(outputs), panels, s.counts, s.backwards, room, grad_x]


def forward_lstm(s: Sizes) -> list[Any]:
    panels = panels_of(*(s.matrix(s.length) for _ in range(4)))
    gates = s.sequence(4, s.units, special=False)
    room = [s.sequence(s.units, special=False) for _ in range(3)]
    rows = s.sequence(s.length)
    return [rows, s.state(), s.state(), panels, s.counts, s.backwards, gates, *room]


def back_lstm(s: Sizes) -> list[Any]:
    panels = s.transposed(4 * s.units, 4 * s.units)
    gates, carries, shown = (s.sequence(*shape, s.units) for shape in ((4,), (), ()))
    room = [s.sequence(4, s.units), s.sequence(s.entries)]
    states = [s.state(), s.state()]
    kept = [gates, carries, np.tanh(shown), panels, s.counts, s.backwards]
    return [s.sequence(s.units), *states, *kept, *room]


def forward_gru(reset_after: bool, s: Sizes) -> list[Any]:
    depths = s.length, s.length, s.entries + 1, s.units + reset_after
    panels = panels_of(*(s.matrix(depth) for depth in depths))
    room = [s.sequence(*shape, s.units, special=False) for shape in ((3,), (), ())]
    return [s.sequence(s.length), s.state(), panels, s.counts, s.backwards, reset_after, *room]


def back_gru(reset_after: bool, s: Sizes) -> list[Any]:
    matrices = [
        s.matrix((2 + reset_after) * s.units),
        s.matrix(3 * s.units, s.entries),
        s.matrix(s.units),
    ]
    panels = panels_of(*matrices[: 2 if reset_after else 3])
    kept = [s.sequence(*shape) for shape in ((s.length,), (3, s.units), (s.units,))]
    room = [s.sequence(4, s.units), s.sequence(s.entries)]
    options = [panels, s.counts, s.backwards, reset_after]
    return [s.sequence(s.units), s.state(), *kept, *options, *room]


LOOPS: dict[str, tuple[Any, Callable[[Sizes], list[Any]]]] = {
    "simple": (simple_rnn.simple_rnn, forward_simple),
    "simple back": (simple_rnn.simple_rnn_gradient, back_simple),
    "lstm": (lstm.lstm, forward_lstm),
    "lstm back": (lstm.lstm_gradient, back_lstm),
    "gru": (gru.gru, partial(forward_gru, True)),
    "gru back": (gru.gru_gradient, partial(back_gru, True)),
    "gru reset before": (gru.gru, partial(forward_gru, False)),
    "gru reset before back": (gru.gru_gradient, partial(back_gru, False)),
}


@needs_loops
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", ["compiled", "python"])
@pytest.mark.parametrize("name", LOOPS)
def test_loop_equals_its_reference(name: str, way: str, seed: int) -> None:
    loop, make = LOOPS[name]

    def given() -> list[Any]:
        return make(Sizes(np.random.default_rng(seed), way == "compiled", 0.02 * (seed % 2)))

    ours, theirs = given(), given()
    run = loop if way == "compiled" else partial(loop.py_func, 0)
    with np.errstate(all="ignore"):
        run(1 + seed % 4, *ours)
        loop.reference(*theirs)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


@needs_loops
@pytest.mark.parametrize("name", LOOPS)
def test_tasks_do_not_change_results(name: str) -> None:
    loop, make = LOOPS[name]
    alone, shared = (make(Sizes(np.random.default_rng(3), True, 0.0)) for _ in range(2))
    loop(1, *alone)
    loop(5, *shared)
    for found, expected in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("samples", [0, 1, 5, 16, 32, 33, 100])
def test_every_thread_has_as_many_groups_of_samples(samples: int, threads: int) -> None:
    tasks = recurrent.tasks_of(samples, threads)
    together, parts = recurrent.together_of(samples, tasks), recurrent.parts_of(samples, tasks)
    assert 1 <= together <= TOGETHER
    assert together * (parts - 1) < max(samples, 1) <= max(together * parts, 1)
    # Where there are blocks of rows for all threads, each gets as many groups as the others.
    if samples >= threads * ROWS:
        assert tasks % threads == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [("SimpleRNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})],
)
def test_small_panels_are_looked_up(
    kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    layer = getattr(ls.layers, kind)(6, bias_initializer="random_normal", **options)

    def found() -> list[Any]:
        with ls.GradientTape() as tape:
            watched = tape.watch(x)
            out = layer(watched)
        return [out.value, *tape.gradient(out, [watched, *layer.trainable_variables])]

    looked_up = found()
    monkeypatch.setattr(recurrent_ops, "_FEW", 0)
    for one, expected in zip(looked_up, found(), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_panels_hold_matrices(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrices = [generator.normal(size=generator.integers(1, 80, 2)) for _ in range(3)]
    found = matrices_of(panels_of(*matrices), *(matrix.shape for matrix in matrices))
    for one, expected in zip(found, matrices, strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("shape", [(4, 5, 3), (3, 7, 16), (2, 3, 70), (2, 4, 0)])
def test_several_matrices_of_a_shape_are_laid_out_one_by_one(shape: tuple[int, ...]) -> None:
    several = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(panels_of(several), panels_of(*several))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_single_precision_is_near_double(kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    options: dict[str, Any] = {"units": int(generator.integers(1, 40)), "return_sequences": True}
    options["go_backwards"] = bool(seed % 2)
    if kind == "GRU":
        options["reset_after"] = seed < 2
    shape = tuple(generator.integers(1, 20, 3).tolist())
    x, weight = generator.normal(size=shape), generator.normal(size=(*shape[:2], options["units"]))
    mask = generator.random(shape[:2]) < 0.8
    results = []
    for dtype in ("float64", "float32"):
        layer = getattr(ls.layers, kind)(**options, dtype=dtype)
        layer.build(shape)
        layer.set_weights(
            [np.random.default_rng(5).normal(0, 0.3, one.shape) for one in layer.weights]
        )
        inputs = ls.Variable(x.astype(dtype))
        with ls.GradientTape() as tape:
            loss = ls.ops.sum(layer(inputs, mask=mask) * weight.astype(dtype))
        results.append([loss, *tape.gradient(loss, [inputs, *layer.trainable_variables])])
    for found, expected in zip(results[1], results[0], strict=True):
        assert np.asarray(found).dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_what_was_not_written_is_not_read(
    kind: str, reset_after: bool, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that do not count leave room that holds whatever was in memory before."""
    options: dict[str, Any] = {"reset_after": reset_after} if kind == "GRU" else {}
    layer = getattr(ls.layers, kind)(4, **options, dtype=dtype)
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(dtype)
    mask = np.random.default_rng(1).random((5, 6)) < 0.6

    def gradients() -> list[Any]:
        with ls.GradientTape() as tape:
            loss = ls.ops.sum(layer(x, mask=mask))
        return [loss, *tape.gradient(loss, layer.trainable_variables)]

    expected = gradients()
    empty = np.empty

    def filled(*arguments: Any, **more: Any) -> np.ndarray:
        array = empty(*arguments, **more)
        array.fill(np.nan if array.dtype.kind == "f" else 1)
        return array

    monkeypatch.setattr(np, "empty", filled)
    for found, wanted in zip(gradients(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
