"""Rows are folded into one whatever their length, in vectors or number by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerscope.compiled import folding, jit
from layerscope.compiled.registers import NARROW

#: Columns of no vector, of one, of two, of as many as are folded together, some of each, and more.
COLUMNS = [1, 7, NARROW, 2 * NARROW, 3 * NARROW, 8 * NARROW, 11 * NARROW, 12 * NARROW + 3, 640]


@pytest.fixture(scope="module")
def loops() -> dict[str, Callable[..., None]]:
    def add_rows(total: Any, rows: Any) -> None:
        folding.add_rows(total, rows)

    def take_largest(best: Any, rows: Any) -> None:
        folding.take_largest(best, rows)

    def largest_of_squares(lines: Any, step: Any, best: Any) -> None:
        folding.largest_of_squares(lines, step, best)

    def means_of_squares(lines: Any, step: Any, mean: Any) -> None:
        folding.means_of_squares(lines, step, mean)

    def combine_rows(x: Any, out: Any, taps: Any, position: Any) -> None:
        folding.combine_rows(x, out, taps, position)

    return {
        loop.__name__: jit.native()(loop)
        for loop in (add_rows, take_largest, largest_of_squares, means_of_squares, combine_rows)
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("n", [0, 1, 5, 64, 67])
def test_rows_are_added_to_what_is_there(loops, n: int, columns: int, dtype: str) -> None:
    generator = np.random.default_rng(n)
    rows, total = generator.normal(size=(n, columns)), generator.normal(size=columns)
    found = total.astype(dtype)
    loops["add_rows"](found, rows.astype(dtype))
    np.testing.assert_allclose(found, total + rows.sum(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("n", [0, 1, 5, 64])
def test_the_largest_is_nan_where_one_is(loops, n: int, columns: int, dtype: str) -> None:
    generator = np.random.default_rng(n)
    rows, best = (generator.normal(size=size).astype(dtype) for size in ((n, columns), columns))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    rows[generator.random(rows.shape) < 0.1] = -np.inf
    best[generator.random(columns) < 0.1] = np.nan
    expected = np.maximum.reduce([best, *rows])
    loops["take_largest"](best, rows)
    np.testing.assert_array_equal(best, expected)


def test_what_lies_beside_a_row_is_left_alone(loops) -> None:
    room = np.full(10 * NARROW, 7, "float32")
    loops["add_rows"](room[NARROW:-NARROW], np.ones((3, 8 * NARROW), "float32"))
    assert (room[:NARROW] == 7).all()
    assert (room[-NARROW:] == 7).all()
    assert (room[NARROW:-NARROW] == 10).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, NARROW - 1, NARROW, 2 * NARROW, 3 * NARROW])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_largest_of_squares(loops, stride: int, channels: int, dtype: str) -> None:
    generator = np.random.default_rng(channels)
    lines = generator.normal(size=(2, 11, channels)).astype(dtype)
    lines[generator.random(lines.shape) < 0.05] = np.nan
    found = np.empty(((11 - 2) // stride + 1, channels), dtype)
    loops["largest_of_squares"](lines, stride * channels, found)
    windows = np.lib.stride_tricks.sliding_window_view(lines, 2, 1)[:, ::stride]
    np.testing.assert_array_equal(found, windows.max((0, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, NARROW - 1, NARROW, 2 * NARROW, 3 * NARROW])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_means_of_squares(loops, stride: int, channels: int, dtype: str) -> None:
    lines = np.random.default_rng(channels).normal(size=(2, 11, channels)).astype(dtype)
    found = np.empty(((11 - 2) // stride + 1, channels), dtype)
    loops["means_of_squares"](lines, stride * channels, found)
    windows = np.lib.stride_tricks.sliding_window_view(lines, 2, 1)[:, ::stride]
    np.testing.assert_allclose(found, windows.mean((0, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", COLUMNS)
def test_rows_combine_others(loops, length: int, dtype: str) -> None:
    generator = np.random.default_rng(length)
    counts = [1, 0, 2, 3, 1, 5]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    sources = generator.integers(0, 7, sum(counts))
    weights = generator.normal(size=sum(counts)).astype(dtype)
    x = generator.normal(size=(7, length)).astype(dtype)
    out = np.full((len(counts) - 2, length), 7, dtype)
    loops["combine_rows"](x, out, (starts, sources, weights), 1)
    for k in range(len(out)):
        taps = slice(starts[k + 1], starts[k + 2])
        expected = weights[taps] @ x[sources[taps]]
        np.testing.assert_allclose(out[k], expected, rtol=1e-5, atol=1e-5)
