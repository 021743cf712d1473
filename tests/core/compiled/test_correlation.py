"""Products over windows do what their NumPy references do, and what NumPy's own loops would."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerscope.compiled.jit import ENABLED
from layerscope.compiled.microkernel import multiply_blocks
from layerscope.compiled.registers import NARROW
from layerscope.compiled.sliding import add_up, slide
from layerscope.ops.windows import Windows

# The operations have the modules' names.
conv: Any = importlib.import_module("layerscope.ops.conv")
depthwise_conv: Any = importlib.import_module("layerscope.ops.depthwise_conv")
tables: Any = importlib.import_module("layerscope.ops.correlation")
correlation: Any = importlib.import_module("layerscope.compiled.correlation")
sums: Any = importlib.import_module("layerscope.compiled.sums")

SEEDS = range(25)
pytestmark = pytest.mark.skipif(not ENABLED, reason="without Numba there is nothing to compare")


def normal(generator: np.random.Generator, *shape: int, special: float = 0) -> np.ndarray:
    array = generator.normal(size=shape).astype("float32")
    at = generator.random(shape) < special
    array[at] = generator.choice([np.nan, np.inf, -np.inf], size=int(at.sum()))
    return array


def windows(generator: np.random.Generator) -> Windows:
    rank = int(generator.integers(1, 4))
    spatial = generator.integers(3, 11, rank)
    size = np.minimum(generator.integers(1, 4, rank), spatial)
    steps = [[1] * rank, [1] * rank]
    steps[int(generator.integers(2))] = generator.integers(1, 4, rank).tolist()
    reach = (size - 1) * steps[1] + 1
    spatial = np.maximum(spatial, reach)
    padding = str(generator.choice(["valid", "same"]))
    return Windows.over(spatial.tolist(), size.tolist(), steps[0], padding, steps[1])


def arrays(
    generator: np.random.Generator, special: float = 0
) -> tuple[Windows, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows, an image, a kernel for groups of its channels, and values for the windows."""
    found = windows(generator)
    n, groups = (int(number) for number in generator.integers(1, 4, 2))
    # As many as fill a panel, too.
    inputs, filters = (int(generator.choice([1, 3, NARROW, 20, 40])) for _ in range(2))
    image = normal(generator, n, *found.spatial, groups * inputs, special=special)
    kernel = normal(generator, *found.size, inputs, groups * filters)
    values = normal(generator, n, *found.out, groups * filters, special=special)
    return found, image, kernel, values


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("each", [False, True])
def test_correlation_equals_its_reference(seed: int, transposed: bool, each: bool) -> None:
    generator = np.random.default_rng(seed)
    found, image, kernel, values = arrays(generator, special=0.001)
    groups = image.shape[-1] // kernel.shape[3]
    if each:
        groups, kernel = 1, normal(generator, *found.size, image.shape[-1])
        values = normal(generator, *values.shape[:4], image.shape[-1])
    x, like = (values, image) if transposed else (image, values)
    product = tables._Product(found, groups, transposed, each)
    bias = normal(generator, like.shape[-1])
    plan = product._plan(x, like, fill=bool(seed % 2) and not each)
    results = []
    for way in ("compiled", "python", "reference"):
        if way == "python" and seed > 5:
            continue
        out = np.full(like.shape, 7, np.float32)
        given = product.arguments(plan, x, kernel, out, bias)
        with np.errstate(all="ignore"):
            if way == "compiled":
                correlation.correlate(1 + seed % 4, *given)
            elif way == "python":
                correlation.correlate.py_func(0, 2, *given)
            else:
                correlation.correlate.reference(*given)
        results.append(out)
    for result in results[:-1]:
        close(result, results[-1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("each", [False, True])
def test_kernel_gradient_equals_its_reference(
    seed: int, each: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(seed)
    found, image, kernel, values = arrays(generator, special=0.001 if seed % 2 else 0)
    if each:
        kernel = normal(generator, *found.size, image.shape[-1])
        values = normal(generator, *values.shape[:4], image.shape[-1])
    # Several sums of their own, and no loop for windows that slide.
    monkeypatch.setattr(tables, "_PART", 500)
    monkeypatch.setattr(tables.sliding, "_fits", lambda *_: False)
    calls: list[Any] = []

    def recorded(*given: Any) -> None:
        calls.append(given)
        given[-2][...] = 0

    loop = correlation.correlate_kernel_gradient
    monkeypatch.setattr(correlation, "correlate_kernel_gradient", recorded)
    if each:
        tables.kernel_gradient_each(image, values, kernel, found)
    else:
        tables.kernel_gradient(image, values, kernel, found)
    (tasks, *given), at = calls[0], -2
    results = []
    for way in ("compiled", "python", "reference"):
        if way == "python" and seed > 5:
            continue
        given[at] = np.full_like(given[at], 7)
        with np.errstate(all="ignore"):
            if way == "compiled":
                loop(tasks, *given)
            elif way == "python":
                loop.py_func(0, tasks, *given)
            else:
                loop.reference(*given)
        columns = values.shape[-1] // given[at].shape[1]
        results.append(given[at][..., :columns])
    for result in results[:-1]:
        close(result, results[-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_give_what_copied_windows_give(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, image, kernel, values = arrays(np.random.default_rng(100 + seed))

    def all_of() -> list[np.ndarray]:
        return [
            conv._correlate(image, kernel, found),
            conv._spread(values, kernel, found, image.shape[-1]),
            conv._kernel_gradient(image, values, kernel, found),
        ]

    monkeypatch.setattr(tables, "direct", lambda *_: True)
    direct = all_of()
    monkeypatch.setattr(tables, "direct", lambda *_: False)
    for ours, theirs in zip(direct, all_of(), strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_channel_by_itself_is_the_same_in_single_precision(seed: int) -> None:
    generator = np.random.default_rng(seed)
    found, image, _, _ = arrays(generator)
    kernel = normal(generator, *found.size, image.shape[-1])
    values = normal(generator, len(image), *found.out, image.shape[-1])
    padded, single = found.pad(image), np.float32
    forward = np.zeros(values.shape, single)
    depthwise_conv.compiled_depthwise.depthwise(padded, kernel, forward, *found.steps)
    backward = found.empty_padded(len(image), image.shape[-1], single)
    depthwise_conv.compiled_depthwise.depthwise_input_gradient(
        values, kernel, backward, *found.steps
    )
    gradient = np.zeros((len(image), *kernel.shape), single)
    depthwise_conv.compiled_depthwise.depthwise_kernel_gradient(
        padded, values, gradient, *found.steps
    )
    close(tables.correlated_each(image, kernel, found), forward)
    close(tables.spread_each(values, kernel, found), found.crop(backward))
    close(tables.kernel_gradient_each(image, values, kernel, found), gradient.sum(0))


@pytest.mark.parametrize("width", [11, 17, 19, 29, 37])
@pytest.mark.parametrize("filters", [1, 2, 4])
def test_places_that_are_written_twice_are_right(
    width: int, filters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(width)
    found = Windows.over((9, width), (3, 3), 1, "same", 1)
    # Long enough for sums to be made in several blocks.
    image, kernel = normal(generator, 2, 1, 9, width, 40), normal(generator, 1, 3, 3, 40, filters)
    direct = tables.correlated(image, kernel, found)
    monkeypatch.setattr(tables, "direct", lambda *_: False)
    close(direct, conv._correlate(image, kernel, found))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_special_value_reaches_its_own_windows_only(value: float) -> None:
    # One filter: adjacent places are written at a time, which read each other's entries.
    image, kernel = np.ones((1, 1, 12, 12, 8), "float32"), np.ones((1, 3, 3, 8, 1), "float32")
    image[0, 0, 5, 5] = value
    found = Windows.over((12, 12), (3, 3), 1, "same", 1)
    out = tables.correlated(image, kernel, found)
    special = np.zeros((12, 12), bool)
    special[4:7, 4:7] = True
    np.testing.assert_array_equal(~np.isfinite(out[0, 0, ..., 0]), special)


def test_results_do_not_depend_on_the_number_of_tasks() -> None:
    generator = np.random.default_rng(0)
    found = Windows.over((20, 20), (3, 3), 1, "same", 1)
    image, kernel = normal(generator, 3, 1, 20, 20, 8), normal(generator, 1, 3, 3, 8, 24)
    product = tables._Product(found, 1, False)
    outs = []
    for tasks in (1, 2, 5):
        out = np.empty((3, *found.out, 24), np.float32)
        plan = product._plan(image, out, fill=True)
        correlation.correlate(tasks, *product.arguments(plan, image, kernel, out, None))
        outs.append(out)
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 50, 1000])
def test_sums_of_rows_equal_their_reference(n: int, dtype: str, tasks: int) -> None:
    x = normal(np.random.default_rng(n), n, 5).astype(dtype)
    results = []
    for way in ("compiled", "python", "reference"):
        out = np.full((tasks, 5), 7, dtype)
        if way == "compiled":
            sums.sum_columns(tasks, x, out)
        elif way == "python":
            sums.sum_columns.py_func(0, tasks, x, out)
        else:
            sums.sum_columns.reference(x, out)
        results.append(out)
    close(results[0], results[2])
    close(results[1], results[2])


@pytest.mark.parametrize(("block", "count"), [(multiply_blocks, 7), (slide, 4), (add_up, 4)])
def test_arrays_that_a_block_is_handed_have_names(block: Any, count: int) -> None:
    """Compiled, only their addresses are: what is made for the call alone is gone by then."""
    kinds = inspect.signature(block).parameters.values()
    arrays = [at for at, kind in enumerate(kinds) if kind.annotation == "np.ndarray"]
    assert len(arrays) == count
    calls = [
        node
        for path in Path(correlation.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == block.__name__
    ]
    assert calls
    for call in calls:
        assert all(isinstance(call.args[at], ast.Name) for at in arrays), ast.unparse(call)
