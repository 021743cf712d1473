"""Windows that slide along rows see what copied windows see, each channel by itself."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerscope.compiled import registers, sliding
from layerscope.compiled.jit import ENABLED
from layerscope.ops.windows import Windows

# The operations have the modules' names.
correlation: Any = importlib.import_module("layerscope.ops.correlation")
chosen: Any = importlib.import_module("layerscope.ops.sliding")

SEEDS = range(24)
pytestmark = pytest.mark.skipif(not ENABLED, reason="without Numba there is nothing to compare")


def windows(generator: np.random.Generator) -> Windows:
    """Return windows that slide along rows; their lines may lie apart, and so may the rows."""
    size = int(generator.integers(1, 6)), int(generator.choice(sliding.TAPS))
    steps = [(1, 1), (1, 1)]
    steps[int(generator.integers(2))] = int(generator.integers(1, 4)), 1
    reach = (size[0] - 1) * steps[1][0] + 1
    spatial = [int(generator.integers(reach, 14)) if reach < 14 else reach]
    spatial.append(registers.ROWS + size[1] - 1 + int(generator.integers(0, 12)))
    padding = str(generator.choice(["valid", "same"]))
    return Windows.over(spatial, size, steps[0], padding, steps[1])


def arrays(
    seed: int, special: float = 0
) -> tuple[Windows, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows, an image, a kernel, a bias, and values for the windows."""
    generator = np.random.default_rng(seed)
    found = windows(generator)
    batch, channels = (
        int(generator.integers(1, 4)),
        registers.NARROW * int(generator.integers(1, 6)),
    )
    shapes = (
        (batch, *found.spatial, channels),
        (*found.size, channels),
        (channels,),
        (batch, *found.out, channels),
    )
    image, kernel, bias, values = (generator.normal(size=one).astype("float32") for one in shapes)
    for array in (image, values):
        at = generator.random(array.shape) < special
        array[at] = generator.choice([np.nan, np.inf, -np.inf], size=int(at.sum()))
    return found, image, kernel, bias, values


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("special", [0, 0.001])
@pytest.mark.parametrize("seed", SEEDS)
def test_loops_equal_their_references(
    seed: int, special: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, image, kernel, bias, values = arrays(seed, special)
    calls: list[tuple[Any, tuple[Any, ...]]] = []

    def record(loop: Any, tasks: int, *given: Any) -> None:
        calls.append((loop, given))
        given[-1][...] = 0

    for name in ("correlate_rows", "correlate_rows_kernel_gradient"):
        monkeypatch.setattr(sliding, name, partial(record, getattr(sliding, name)))
    monkeypatch.setattr(chosen, "_TASK", 500)
    chosen.correlated(image, kernel, found, bias)
    # Lines that are outside of the image are left out, where the reference multiplies by zero.
    chosen.kernel_gradient(image, np.nan_to_num(values, posinf=1, neginf=-1), found)
    if found.strides[1] == 1:
        chosen.spread(values, kernel, found)
    assert len(calls) == 2 + (found.strides[1] == 1)
    for loop, (*given, out) in calls:
        results = []
        for way in ("compiled", "python", "reference"):
            if way == "python" and seed > 5:
                continue
            result = np.full_like(out, 7)
            tasks = len(out) if "gradient" in loop.__name__ else 1 + seed % 4
            with np.errstate(all="ignore"):
                if way == "compiled":
                    loop(tasks, *given, result)
                elif way == "python":
                    loop.py_func(0, tasks, *given, result)
                else:
                    loop.reference(*given, result)
            results.append(result)
        for result in results[:-1]:
            close(result, results[-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_sliding_gives_what_blocks_of_windows_give(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, image, kernel, bias, values = arrays(100 + seed)

    def all_of() -> list[np.ndarray]:
        return [
            correlation.correlated_each(image, kernel, found, bias),
            correlation.spread_each(values, kernel, found),
            correlation.kernel_gradient_each(image, values, kernel, found),
        ]

    assert chosen.correlated(image, kernel, found) is not None
    slid = all_of()
    monkeypatch.setattr(chosen, "_fits", lambda *_: False)
    for ours, theirs in zip(slid, all_of(), strict=True):
        assert ours.shape == theirs.shape
        close(ours, theirs)


@pytest.mark.parametrize(
    ("size", "strides", "dilation", "spatial", "channels"),
    [
        ((3, 4), 1, 1, (9, 30), 32),
        ((3, 3), (1, 2), 1, (9, 30), 32),
        ((3, 3), 1, (1, 2), (9, 30), 32),
        ((3, 3), 1, 1, (9, registers.ROWS - 1), 32),
        ((3, 3), 1, 1, (9, 30), registers.NARROW + 1),
        ((3, 3, 3), 1, 1, (5, 9, 30), 32),
    ],
)
def test_what_does_not_slide_is_left_to_others(
    size: Any, strides: Any, dilation: Any, spatial: Any, channels: int
) -> None:
    found = Windows.over(spatial, size, strides, "same", dilation)
    assert not chosen._fits(found, channels)
