"""Histograms: agree with NumPy, keep every value, and never fall over."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerscope_explorer import histograms
from layerscope_explorer.histograms import compile_loops, histogram


def area(result) -> float:
    widths = np.diff(result.edges.astype(np.float64))
    return float((result.counts.astype(np.float64) * widths).sum())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [50, 3_000, 50_000])
def test_agrees_with_numpy(dtype, size):
    values = np.random.default_rng(0).normal(size=size).astype(dtype)
    result = histogram(values)
    expected, _ = np.histogram(values.astype(np.float64), bins=result.edges.astype(np.float64))
    share = result.counts * np.diff(result.edges)
    # A value within rounding of an edge may fall on either side of it.
    np.testing.assert_allclose(share * size, expected, atol=2.5)
    assert math.isclose(result.mean, values.mean(dtype=np.float64), abs_tol=1e-6)
    assert math.isclose(result.std, values.std(dtype=np.float64), rel_tol=1e-6)
    assert (result.low, result.high) == (values.min(), values.max())
    assert (result.count, result.sampled, result.nonfinite) == (size, size, 0)


@settings(max_examples=150, deadline=None)
@example(np.array(4e38))
@example(np.array([1e300, -1e300, 1.0]))
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=30),
    )
)
def test_every_array_gives_a_usable_histogram(values):
    with np.errstate(all="raise", under="ignore"):
        result = histogram(values)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    assert result.counts.dtype == result.edges.dtype == np.float32
    assert result.edges.shape == (result.counts.size + 1,)
    assert np.isfinite(result.edges).all()
    assert (np.diff(result.edges) > 0).all()
    assert np.isfinite(result.counts).all()
    assert (result.counts >= 0).all()
    assert result.count == result.sampled == values.size
    assert result.nonfinite == values.size - finite.size
    if finite.size:
        assert math.isclose(area(result), 1.0, rel_tol=1e-3)
        assert result.low <= result.high
    else:
        assert area(result) == 0.0
        assert math.isnan(result.mean)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.5, 1e-12, 1e30, 1e-40])
def test_a_constant_is_one_bar_in_the_middle(value):
    result = histogram(np.full(100, value))
    (bar,) = np.flatnonzero(result.counts)
    assert abs(int(bar) - result.counts.size // 2) <= 1
    assert result.std == 0.0
    assert result.low == result.high == pytest.approx(value)


@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, np.inf, -np.inf]])
def test_nothing_finite(values):
    result = histogram(np.array(values, dtype=np.float32))
    assert not result.counts.any()
    assert result.nonfinite == len(values)
    assert math.isnan(result.low)


def test_nonfinite_values_are_counted_and_left_out():
    result = histogram([1.0, 2.0, np.nan, np.inf, 3.0])
    assert (result.sampled, result.nonfinite) == (5, 2)
    assert (result.low, result.high, result.mean) == (1.0, 3.0, 2.0)


def test_integers_get_a_bin_each():
    result = histogram(np.array([0, 1, 1, 3]))
    np.testing.assert_array_equal(result.edges, [-0.5, 0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(result.counts, [0.25, 0.5, 0.0, 0.25])


def test_many_integers_share_bins_evenly():
    result = histogram(np.arange(1000))
    assert result.counts.size <= 60
    np.testing.assert_allclose(result.counts[:-1], result.counts[0])


def test_a_far_value_does_not_flatten_the_others_and_is_not_hidden():
    values = np.random.default_rng(0).normal(size=2_000)
    values[7] = 1e6
    result = histogram(values)
    assert result.high == 1e6
    assert result.edges[-1] < 20.0
    assert np.count_nonzero(result.counts) > 20
    assert result.counts[-1] > 0.0
    assert math.isclose(area(result), 1.0, rel_tol=1e-5)


def test_a_long_tail_stays_in_view():
    values = np.random.default_rng(0).exponential(size=50_000)
    result = histogram(values)
    assert result.edges[-1] > np.quantile(values, 0.999)


def test_sampling_is_repeatable_and_fair():
    values = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    first, second = (histogram(values, limit=50_000, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.counts, second.counts)
    assert (first.count, first.sampled) == (400_000, 50_000)
    assert abs(first.mean) < 0.02
    assert abs(first.std - 1.0) < 0.02
    assert histogram(values, limit=50_000, seed=4).mean != first.mean


def test_sampling_does_not_alias_with_periodic_data():
    # A plain stride of 8 would see one channel only.
    values = np.tile(np.arange(8, dtype=np.float32), 50_000)
    assert abs(histogram(values, limit=50_000).mean - 3.5) < 0.05


def test_small_changes_leave_the_bins_where_they_are():
    values = np.random.default_rng(0).uniform(-1.0, 1.0, size=5_000)
    before, after = histogram(values), histogram(values * 0.9999)
    np.testing.assert_array_equal(before.edges, after.edges)


def test_strided_and_transposed_views_are_the_same_values():
    values = np.random.default_rng(0).normal(size=(40, 50))
    np.testing.assert_array_equal(histogram(values).counts, histogram(values.T).counts)
    assert histogram(values[::2, ::3]).count == 20 * 17


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("size", [1, 2, 999, 70_001, 1_200_003])
def test_every_value_is_counted(dtype: str, size: int) -> None:
    compile_loops()
    generator = np.random.default_rng(size)
    values = generator.normal(0.2, 1.0, size) * (100 if dtype == "int32" else 1)
    values = (values > 0.2) if dtype == "bool" else values.astype(dtype)
    found = histogram(values)
    assert (found.count, found.sampled) == (size, size)
    widths = np.diff(found.edges.astype(np.float64))
    tally = found.counts * widths * size
    np.testing.assert_allclose(tally, np.rint(tally), atol=0.02 + 1e-5 * size)
    assert tally.sum() == pytest.approx(size, rel=1e-4)
    inner = found.edges.astype(np.float64)
    expected, _ = np.histogram(np.clip(values.astype(np.float64), inner[0], inner[-1]), inner)
    # Only values that stand on an edge may fall to either side.
    assert np.abs(tally - expected).sum() <= 4 + 2e-5 * size
    assert found.mean == pytest.approx(float(np.mean(values)), rel=1e-9, abs=1e-6)
    assert found.std == pytest.approx(float(np.std(values.astype(np.float64))), rel=1e-6)


def test_the_numpy_twin_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_loops()
    values = np.random.default_rng(0).standard_cauchy(50_000).astype(np.float32)
    values[::97] = np.nan
    compiled = histogram(values)
    monkeypatch.setattr(histograms, "_is_compiled", lambda dtype: False)
    plain = histogram(values)
    np.testing.assert_allclose(plain.counts, compiled.counts, rtol=1e-5)
    assert plain.nonfinite == compiled.nonfinite
    assert plain.mean == pytest.approx(compiled.mean, rel=1e-9)
