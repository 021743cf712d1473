"""Winograd's filtering gives what products of windows give, and leaves to them what it cannot."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from layerscope.compiled import registers, winograd
from layerscope.compiled.jit import ENABLED
from layerscope.ops.windows import Windows

# The operations have the modules' names.
conv: Any = importlib.import_module("layerscope.ops.conv")
correlation: Any = importlib.import_module("layerscope.ops.correlation")
chosen: Any = importlib.import_module("layerscope.ops.winograd")

SEEDS = range(16)
pytestmark = pytest.mark.skipif(not ENABLED, reason="without Numba there is nothing to compare")


def arrays(seed: int) -> tuple[Windows, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows of 3 x 3, an image, a kernel, and values for the windows."""
    generator = np.random.default_rng(seed)
    spatial = generator.integers(3, 12, 2).tolist()
    padding = str(generator.choice(["valid", "same"]))
    windows = Windows.over(spatial, (3, 3), 1, padding, 1)
    batch = int(generator.integers(1, 4))
    channels, filters = (registers.NARROW * int(generator.integers(1, 6)) for _ in range(2))
    image = generator.normal(size=(batch, *windows.spatial, channels))
    kernel = generator.normal(size=(*windows.size, channels, filters))
    values = generator.normal(size=(batch, *windows.out, filters))
    image, kernel, values = (one.astype("float32") for one in (image, kernel, values))
    return windows, image, kernel, values


def all_of(windows: Windows, image: Any, kernel: Any, values: Any, bias: Any) -> list[np.ndarray]:
    return [
        conv._correlate(image, kernel, windows, bias),
        conv._spread(values, kernel, windows, image.shape[-1]),
        conv._kernel_gradient(image, values, kernel, windows),
    ]


def use(monkeypatch: pytest.MonkeyPatch, *, filtering: bool) -> None:
    """Let small images be filtered too, or none; those of doubles never are."""
    monkeypatch.setattr(chosen, "fits", lambda *_: filtering)
    monkeypatch.setattr(correlation, "direct", lambda _, *arrays: arrays[0].dtype == np.float32)


@pytest.mark.parametrize("seed", SEEDS)
def test_loops_equal_their_references(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, image, kernel, values = arrays(seed)
    bias = np.random.default_rng(seed).normal(size=kernel.shape[-1]).astype("float32")
    calls: list[tuple[Any, tuple[Any, ...]]] = []
    for name in ("lay_out_kernel", "convolve", "add_up", "kernel_gradient"):
        loop = getattr(winograd, name)

        def recorded(tasks: int, *given: Any, loop: Any = loop) -> None:
            kept = tuple(one.copy() if isinstance(one, np.ndarray) else one for one in given)
            calls.append((loop, (tasks, *kept)))
            loop(tasks, *given)

        monkeypatch.setattr(winograd, name, recorded)
    use(monkeypatch, filtering=True)
    # Several sums of their own.
    monkeypatch.setattr(chosen, "_PART", 16)
    all_of(windows, image, kernel, values, bias)
    assert len(calls) == 6
    for loop, (tasks, *given) in calls:
        results = []
        for way in ("compiled", "python", "reference"):
            if way == "python" and seed > 2:
                continue
            mine = [one.copy() if isinstance(one, np.ndarray) else one for one in given]
            if way == "compiled":
                loop(tasks, *mine)
            elif way == "python":
                loop.py_func(0, tasks, *mine)
            else:
                loop.reference(*mine)
            results.append(written(loop.__name__, mine, kernel.shape[3]))
        for found in results[:-1]:
            np.testing.assert_allclose(found, results[-1], rtol=1e-4, atol=2e-4)


def written(name: str, given: list[Any], channels: int) -> np.ndarray:
    """Return what a loop writes; how it is shared out is its own choice."""
    where = {"lay_out_kernel": 1, "convolve": 5, "add_up": 5, "kernel_gradient": 1}[name]
    out = given[where]
    return out.sum(0)[:, :channels] if name == "add_up" else out


@pytest.mark.parametrize("seed", SEEDS)
def test_filtering_is_as_exact_as_products(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, image, kernel, values = arrays(100 + seed)
    bias = np.random.default_rng(seed).normal(size=kernel.shape[-1]).astype("float32")
    given = (image, kernel, values, bias)
    use(monkeypatch, filtering=True)
    filtered = all_of(windows, *given)
    use(monkeypatch, filtering=False)
    products = all_of(windows, *given)
    exact = all_of(windows, *(one.astype("float64") for one in given))
    for ours, theirs, right in zip(filtered, products, exact, strict=True):
        least = 1e-7 * np.abs(right).max()
        assert np.abs(ours - right).max() <= 4 * max(np.abs(theirs - right).max(), least)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["image", "kernel", "values", "bias"])
def test_what_is_not_finite_stays_where_it_belongs(
    value: float, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows, image, kernel, values = arrays(7)
    given = {"image": image, "kernel": kernel, "values": values}
    given["bias"] = np.zeros(kernel.shape[-1], np.float32)
    given[where].reshape(-1)[given[where].size // 3] = value
    use(monkeypatch, filtering=True)
    with np.errstate(all="ignore"):
        filtered = all_of(windows, **given)
        use(monkeypatch, filtering=False)
        for ours, theirs in zip(filtered, all_of(windows, **given), strict=True):
            # Which of two infinities is met first is a matter of order.
            large = np.abs(np.nan_to_num(theirs)) > 1e37
            np.testing.assert_array_equal(np.isnan(ours)[~large], np.isnan(theirs)[~large])
            np.testing.assert_allclose(ours[~large], theirs[~large], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("output_padding", [None, 0])
def test_transposes_are_filtered_too(
    padding: str, output_padding: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 12, 13, 64)).astype("float32")
    kernel = generator.normal(size=(3, 3, 64, 64)).astype("float32")
    calls = []
    spread = chosen.spread
    monkeypatch.setattr(chosen, "spread", lambda *given: calls.append(1) or spread(*given))
    options = {"padding": padding, "output_padding": output_padding}
    ours = conv.conv_transpose.forward(x, kernel, **options)
    assert calls
    exact = conv.conv_transpose.forward(x.astype("float64"), kernel.astype("float64"), **options)
    np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-3)


def test_who_is_filtered() -> None:
    def fits(size: int = 3, strides: int = 1, dilation: int = 1, channels: int = 64) -> bool:
        windows = Windows.over((20, 20), (size, size), strides, "same", dilation)
        return chosen.fits(windows, 2, channels, 64)

    assert fits()
    assert not fits(size=5)
    assert not fits(strides=2)
    assert not fits(dilation=2)
    assert not fits(channels=65)
    assert not fits(channels=0)
