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


def _loop_over(function: Callable[..., None]) -> Callable[..., None]:
    def loop(result: Any, rows: Any) -> None:
        function(result, rows)

    return jit.native()(loop)


@pytest.fixture(scope="module")
def loops() -> dict[str, Callable[..., None]]:
    return {one.__name__: _loop_over(one) for one in (folding.add_rows, folding.take_largest)}


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
