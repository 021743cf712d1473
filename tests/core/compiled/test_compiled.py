"""Every compiled loop does what its NumPy reference does, compiled and as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerscope.compiled import (
    activations,
    attention,
    borders,
    crossentropy,
    depthwise,
    dropout,
    epilogue,
    every_loop,
    histogram,
    matrix_product,
    normalization,
    patches,
    pooling,
    projected_attention,
    reductions,
    registers,
    resizing,
    rows,
    sampling,
    softmax,
    standardizing,
    updates,
)
from layerscope.compiled.jit import ENABLED
from layerscope.compiled.mapping import Mapped, MappedPair
from layerscope.compiled.team import SharedLoop
from layerscope.ops import shapes

SEEDS = range(12)

pytestmark = pytest.mark.skipif(not ENABLED, reason="only references run here")


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
    if generator.random() < 0.4:
        # As most are: two by two.
        size = (1, 2, 2)
    spatial = [int(n + generator.integers(0, 4)) for n in size]
    axes = list(zip(spatial, size, stride, strict=True))
    low = tuple(shapes.window_padding(n, k, s, padding)[0] for n, k, s in axes)
    out = [int(shapes.window(n, k, s, padding) or 0) for n, k, s in axes]
    return spatial, out, [size, stride, low]


def pooled(generator: np.random.Generator, dtype: str) -> tuple[np.ndarray, ...]:
    """Return a volume with many equal values, and room for what is pooled; and the windows."""
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    x = special(generator.integers(-2, 3, (n, *spatial, c)).astype(float), generator)
    if generator.random() < 0.2:
        x[...] = -np.inf
    return x.astype(dtype), np.full((n, *out, c), 7, dtype), *places


def pool(generator: np.random.Generator, dtype: str) -> Arguments:
    return Arguments(list(pooled(generator, dtype)), [1])


def pool_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    x, out, *places = pooled(generator, dtype)
    pooling.max_pool(1, x, out, *places)
    grad = special(generator.normal(size=out.shape), generator, 0.05).astype(dtype)
    return Arguments([grad, out, x, np.full_like(x, 7 if out.size else 0), *places], [3])


def average(generator: np.random.Generator, dtype: str) -> Arguments:
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    x = special(generator.normal(size=(n, *spatial, c)), generator, 0.05).astype(dtype)
    return Arguments([x, np.empty((n, *out, c), dtype), *places], [1])


def average_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    spatial, out, places = volume_windows(generator)
    n, c = generator.integers(1, 4, 2)
    grad = special(generator.normal(size=(n, *out, c)), generator, 0.05).astype(dtype)
    room = np.full((n, *spatial, c), 7 if grad.size else 0, dtype)
    return Arguments([grad, room, *places], [1])


def resized(generator: np.random.Generator, dtype: str) -> Arguments:
    n, height, width, new_height, new_width, c = (int(k) for k in generator.integers(1, 6, 6))

    def taps(length: int, new_length: int) -> tuple[np.ndarray, ...]:
        # Some positions combine nothing.
        starts = np.concatenate([[0], np.cumsum(generator.integers(0, 5, new_length))])
        sources = generator.integers(0, length, starts[-1])
        return starts, sources, generator.normal(size=starts[-1]).astype(dtype)

    x = special(generator.normal(size=(n, height, width, c)), generator, 0.05).astype(dtype)
    out = np.full((n, new_height, new_width, c), 7, dtype)
    return Arguments([x, out, taps(height, new_height), taps(width, new_width)], [1])


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


def rows_looked_up(generator: np.random.Generator, dtype: str) -> Arguments:
    length, n, c = (int(n) for n in generator.integers(1, 9, 3))
    table = special(generator.normal(size=(length, c)), generator, 0.1).astype(dtype)
    # One too far in either direction now and then.
    places = generator.integers(-length - 1, length + 1, n)
    places = places.astype(generator.choice(["int32", "int64"]))
    return Arguments([table, places, np.full((n, c), 7, dtype), np.zeros(1, np.int64)], [2, 3])


def rows_met_twice(generator: np.random.Generator, dtype: str) -> Arguments:
    before, n, after, length = (int(n) for n in generator.integers(1, 6, 4))
    added = special(generator.normal(size=(before, n, after)), generator, 0.1).astype(dtype)
    places = generator.integers(-length, length, n).astype(generator.choice(["int32", "int64"]))
    return Arguments([added, places, np.full((before, length, after), 7, dtype)], [2])


def columns_joined(generator: np.random.Generator, dtype: str) -> Arguments:
    n, c, d, at, beyond = (int(n) for n in generator.integers(0, 6, 5))
    x, y = (
        special(generator.normal(size=(n, columns)), generator, 0.1).astype(dtype)
        for columns in (c, d)
    )
    return Arguments([x, y, at, np.full((n, at + c + d + beyond), 7, dtype)], [3])


def surrounded(generator: np.random.Generator, dtype: str) -> Arguments:
    lengths, low = generator.integers(0, 4, 4), generator.integers(0, 3, 3)
    high = generator.integers(0, 3, 3)
    x = special(generator.normal(size=lengths), generator, 0.1).astype(dtype)
    out = np.full((lengths[0], *(lengths[1:] + low + high)), 7, dtype)
    return Arguments([x, tuple(map(int, low)), x.dtype.type(2.5), out], [3])


def copied(generator: np.random.Generator, dtype: str) -> Arguments:
    batch, height, width, *new = (int(n) for n in generator.integers(1, 9, 5))
    channels = int(generator.choice([1, 3, registers.NARROW, 4 * registers.NARROW]))
    x = special(generator.normal(size=(batch, height, width, channels)), generator, 0.01)
    places = [generator.integers(0, n, size) for n, size in zip((height, width), new, strict=True)]
    return Arguments([x.astype(dtype), np.full((batch, *new, channels), 7, dtype), *places], [1])


def multiplied(generator: np.random.Generator, dtype: str) -> Arguments:
    (m, n), depth = generator.integers(1, 80, 2), int(generator.choice([1, 5, 70, 300]))
    left, right = (generator.normal(size=size) for size in ((m, depth), (depth, n)))
    first = generator.normal(size=n + registers.WIDE).astype(dtype)
    left = special(left / depth, generator, 0.01).astype(dtype)
    left_turned, right_turned, rectified = (bool(one) for one in generator.integers(0, 2, 3))
    left = np.ascontiguousarray(left.T) if left_turned else left
    right = np.ascontiguousarray(right.T if right_turned else right, dtype)
    out = np.full((m, n), 7, dtype)
    return Arguments([left, right, first, out, left_turned, right_turned, rectified], [3])


def heads(generator: np.random.Generator, dtype: str) -> tuple[list[Any], list[Any]]:
    """Return queries, keys and values with a scale, and the weights with what is made of them."""
    batch, count, d, e = (int(n) for n in generator.integers(1, 5, 4))
    queries, keys = (int(n) for n in generator.choice([1, 7, 33, 140], 2))
    shapes_of = [(batch, n, count, w) for n, w in ((queries, d), (keys, d), (keys, e))]
    given = [generator.normal(size=shape).astype(dtype) for shape in shapes_of]
    special(given[int(generator.integers(3))], generator, 0.01)
    made = [(batch, count, queries, keys), (batch, queries, count, e)]
    return [*given, np.dtype(dtype).type(0.3)], [np.full(shape, 7, dtype) for shape in made]


def attended(generator: np.random.Generator, dtype: str) -> Arguments:
    given, (weights, out) = heads(generator, dtype)
    wanted = generator.random() < 0.7
    return Arguments([*given, weights if wanted else weights[:0, :0], out], [4, 5])


def attended_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    given, (weights, out) = heads(generator, dtype)
    weights[...] = generator.dirichlet(np.ones(weights.shape[-1]), weights.shape[:-1])
    weights = weights if generator.random() < 0.5 else weights[:0, :0]
    grad = special(generator.normal(size=out.shape), generator, 0.01).astype(dtype)
    return Arguments([grad, *given, weights, *map(np.empty_like, given[:3])], [6, 7, 8])


def projected(generator: np.random.Generator) -> tuple[list[Any], list[Any], list[Any]]:
    """Return inputs, weights, and what attention with all its projections writes."""
    batch, h, d, e, out = (int(n) for n in generator.integers(1, 6, 5))
    q, k = (int(n) for n in generator.choice([1, 3, 17, 70], 2))
    inner = [int(n) for n in generator.integers(1, 40, 3)]
    inputs = [(batch, n, i) for n, i in zip((q, k, k), inner, strict=True)]
    weights: list[Any] = []
    for i, width in zip(inner, (d, d, e), strict=True):
        weights += [(i, h, width), (h, width)]
    weights += [(h, e, out), (out,)]
    kept = [
        (batch, q, h, d),
        (batch, k, h, d),
        (batch, k, h, e),
        (batch, q, h, e),
        (batch, h, q, k),
    ]
    made = [
        [generator.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for shape in shapes_of]
        for shapes_of in (inputs, weights, [*kept, (batch, q, out)])
    ]
    special(made[0][int(generator.integers(3))], generator, 0.003)
    return made[0], made[1], made[2]


def attention_outputs(generator: np.random.Generator, dtype: str) -> Arguments:
    inputs, weights, written = projected(generator)
    return Arguments([np.float32(0.3), *inputs, *weights, *written], list(range(12, 18)))


def attention_gradients(generator: np.random.Generator, dtype: str) -> Arguments:
    inputs, weights, (*kept, grad) = projected(generator)
    kept[-1][...] = generator.dirichlet(np.ones(kept[-1].shape[-1]), kept[-1].shape[:-1])
    for_inputs = [np.empty_like(one) for one in inputs]
    if generator.random() < 0.4:
        for_inputs = [one[:0, :0, :0] for one in for_inputs]
    given = [np.float32(0.3), grad, *inputs, *weights[::2], *kept]
    written = [*for_inputs, *map(np.empty_like, weights)]
    return Arguments([*given, *written], list(range(len(given), len(given) + len(written))))


def finished(generator: np.random.Generator, dtype: str) -> Arguments:
    (x,), (bias,), _ = columns(generator, dtype, 1, 1)
    return Arguments([x, bias], [0])


def finished_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    (grad, y), _, partial = columns(generator, dtype, 2, 0)
    return Arguments([grad, y, np.empty_like(y), partial[:, 0]], [2, 3])


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


def columns(
    generator: np.random.Generator, dtype: str, matrices: int, vectors: int
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return matrices, vectors as long as their rows, and room for sums of parts of them."""
    n, c = (int(k) for k in generator.integers(1, 80, 2))
    found = [special(generator.normal(1, 2, (n, c)), generator, 0.01) for _ in range(matrices)]
    partial = np.full((int(generator.integers(1, 4)), 2, c), 7.0)
    return (
        [x.astype(dtype) for x in found],
        [generator.normal(size=c).astype(dtype) for _ in range(vectors)],
        partial,
    )


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


def moments(generator: np.random.Generator, dtype: str) -> Arguments:
    (x,), (shift,), partial = columns(generator, dtype, 1, 1)
    return Arguments([x, shift, partial], [2])


def moments_to_finish(generator: np.random.Generator, dtype: str) -> Arguments:
    parts, times, n = (int(k) for k in generator.integers(1, 4, 3))
    _, (shift, scale), _ = columns(generator, dtype, 0, 2)
    partial = special(generator.normal(size=(parts, 2, times * len(shift))), generator, 0.02)
    written = [np.empty_like(shift) for _ in range(3)]
    return Arguments([partial, shift, n, scale, 1e-3, *written], [5, 6, 7])


def scaled_columns(generator: np.random.Generator, dtype: str) -> Arguments:
    (x,), vectors, _ = columns(generator, dtype, 1, 3)
    return Arguments([x, *vectors, np.empty_like(x)], [4])


def scaled_columns_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    (grad, x), vectors, partial = columns(generator, dtype, 2, 2)
    return Arguments([grad, x, *vectors, np.empty_like(x), partial], [4, 5])


def column_products(generator: np.random.Generator, dtype: str) -> Arguments:
    (grad, x), (mean,), partial = columns(generator, dtype, 2, 1)
    return Arguments([grad, x, mean, partial], [3])


def standardized_columns_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    (grad, x), vectors, _ = columns(generator, dtype, 2, 4)
    return Arguments([grad, x, *vectors, np.empty_like(x)], [6])


def standardized_rows(generator: np.random.Generator, dtype: str) -> Arguments:
    (x,), vectors, _ = columns(generator, dtype, 1, 2)
    written = np.empty_like(x), np.empty((2, len(x)), dtype)
    return Arguments([x, *vectors, 1e-2, bool(generator.random() < 0.5), *written], [5, 6])


def standardized_rows_gradient(generator: np.random.Generator, dtype: str) -> Arguments:
    (grad, x), (scale,), partial = columns(generator, dtype, 2, 1)
    moments = generator.uniform(0.5, 2, (2, len(x))).astype(dtype)
    centered = bool(generator.random() < 0.5)
    return Arguments([grad, x, scale, centered, moments, np.empty_like(x), partial], [5, 6])


def dropped(generator: np.random.Generator, dtype: str) -> Arguments:
    n = int(generator.choice([0, 1, 50, dropout.BLOCK, 2 * dropout.BLOCK + 9]))
    x = special(generator.normal(size=n), generator, 0.1).astype(dtype)
    keys = generator.integers(0, 2**32, (-(-n // dropout.BLOCK), 2), np.uint32)
    limit, scale = np.uint32(generator.integers(2**32)), np.dtype(dtype).type(1.5)
    return Arguments([x, keys, limit, scale, np.empty_like(x)], [4])


def softmax_arrays(count: int) -> Callable[[np.random.Generator, str], Arguments]:
    """Make what a softmax takes, or a gradient and a softmax."""

    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        arrays, _, _ = columns(generator, dtype, count, 0)
        # The entries of a softmax are not large together.
        arrays[count - 1] *= 4 if count == 1 else np.float32(0.5 / arrays[1].shape[1])
        return Arguments([*arrays, np.empty_like(arrays[0])], [count])

    return make


def summed(generator: np.random.Generator, dtype: str) -> Arguments:
    values = generator.normal(3.0, 2.0, generator.integers(0, 60)).astype(dtype)
    return Arguments(
        [special(values, generator), 2.5, np.empty((generator.integers(1, 5), 5))], [2]
    )


def middle(generator: np.random.Generator, dtype: str) -> tuple[np.ndarray, ...]:
    """Make an array of three axes, and room for what is left without the middle one."""
    shape = tuple(generator.integers(1, (4, 12, 9)))
    x = special(np.round(generator.normal(0, 2, shape)), generator, 0.05).astype(dtype)
    return x, np.empty((shape[0], shape[2]), dtype)


def reduced(generator: np.random.Generator, dtype: str) -> Arguments:
    return Arguments([*middle(generator, dtype)], [1])


def added_up(generator: np.random.Generator, dtype: str) -> Arguments:
    divisor = np.dtype(dtype).type(generator.choice([1, 3]))
    return Arguments([*middle(generator, dtype), divisor], [1])


def handed_on(generator: np.random.Generator, dtype: str) -> Arguments:
    x, out = middle(generator, dtype)
    grad = generator.normal(size=out.shape).astype(dtype)
    return Arguments([grad, x.max(axis=1), x, np.empty_like(x)], [3])


def counted(generator: np.random.Generator, dtype: str) -> Arguments:
    values = generator.normal(0.0, 2.0, generator.integers(0, 60)).astype(dtype)
    counts = np.empty(generator.integers(1, 9, 2), np.int64)
    return Arguments([special(values, generator), -2.0, 3.0, counts], [3])


def class_numbers(backward: bool) -> Callable[[np.random.Generator, str], Arguments]:
    """Make what cross-entropies of class numbers take."""

    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        n, classes = generator.integers(1, 9, 2)
        x = generator.uniform(0.01, 1.0, (n, classes)) / classes
        labels = generator.integers(0, classes, n)
        if generator.random() < 0.2:
            labels[-1] = generator.choice([-1, classes])
        given = [special(x, generator, 0.02).astype(dtype), labels, 0.05]
        if backward:
            return Arguments(
                [float(generator.normal()), *given, np.empty((n, classes), dtype)], [4]
            )
        return Arguments([*given, np.empty(1)], [3])

    return make


def probabilities(backward: bool) -> Callable[[np.random.Generator, str], Arguments]:
    """Make what binary cross-entropies take."""

    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        n = int(generator.integers(1, 30))
        x, target = generator.uniform(size=(2, n)).astype(dtype)
        given = [special(x, generator, 0.02), target, 0.05]
        if backward:
            return Arguments([float(generator.normal()), *given, np.empty(n, dtype)], [4])
        return Arguments([*given, np.empty(1)], [3])

    return make


#: Of functions of every entry that have parameters.
PARAMETERS = {
    "clipped": (-0.5, 0.75),
    "leaky_relu": (0.25,),
    "exponential_unit": (1.5, 0.5, 2.0),
}


def entries(name: str) -> Callable[[np.random.Generator, str], Arguments]:
    """Make what a function of every entry takes, its gradient with a gradient before."""

    def make(generator: np.random.Generator, dtype: str) -> Arguments:
        count = 2 if name.endswith(("_gradient", "added", "multiplied")) else 1
        n = int(generator.integers(0, 60))
        arrays = [special(generator.normal(0, 3, n), generator, 0.1) for _ in range(count)]
        kind = np.dtype(dtype).type
        given = [kind(value) for value in PARAMETERS.get(name.removesuffix("_gradient"), ())]
        return Arguments(
            [*(a.astype(dtype) for a in arrays), np.empty(n, dtype), tuple(given)], [count]
        )

    return make


RATES = (0.1, 1e-3)
#: Loops with constants in single precision.
SINGLE_ONLY = (
    "attend",
    "attend_gradient",
    "attention_gradients",
    "attention_outputs",
    "gelu_gradient",
    "gelu_tanh",
    "gelu_tanh_gradient",
    "softmax_rows",
    "softmax_rows_gradient",
    "log_softmax_rows",
    "log_softmax_rows_gradient",
    "multiply",
)
#: Loops that have a file of tests of their own.
TRIED_ELSEWHERE = {
    "add_up",
    "convolve",
    "correlate",
    "correlate_kernel_gradient",
    "correlate_rows",
    "correlate_rows_kernel_gradient",
    "gru",
    "gru_gradient",
    "kernel_gradient",
    "lay_out_kernel",
    "lstm",
    "lstm_gradient",
    "simple_rnn",
    "simple_rnn_gradient",
    "stack_gradients",
    "stack_outputs",
    "sum_columns",
}
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
    "resize": (resizing.resize, resized),
    "pick": (resizing.pick, copied),
    "sample": (sampling.sample, samples(forward=True)),
    "sample_gradient": (sampling.sample_gradient, samples(forward=False)),
    "standardize_columns": (standardizing.standardize_columns, standardize),
    "standardize_columns_gradient": (
        standardizing.standardize_columns_gradient,
        standardize_gradient,
    ),
    "column_moments": (normalization.column_moments, moments),
    "finish_moments": (normalization.finish_moments, moments_to_finish),
    "scale_columns": (normalization.scale_columns, scaled_columns),
    "scale_columns_gradient": (normalization.scale_columns_gradient, scaled_columns_gradient),
    "column_products": (normalization.column_products, column_products),
    "standardized_columns_gradient": (
        normalization.standardized_columns_gradient,
        standardized_columns_gradient,
    ),
    "standardize_rows": (normalization.standardize_rows, standardized_rows),
    "standardize_rows_gradient": (
        normalization.standardize_rows_gradient,
        standardized_rows_gradient,
    ),
    "drop": (dropout.drop, dropped),
    "mean_sparse": (crossentropy.mean_sparse, class_numbers(backward=False)),
    "mean_sparse_gradient": (crossentropy.mean_sparse_gradient, class_numbers(backward=True)),
    "mean_binary": (crossentropy.mean_binary, probabilities(backward=False)),
    "mean_binary_gradient": (crossentropy.mean_binary_gradient, probabilities(backward=True)),
    "softmax_rows": (softmax.softmax_rows, softmax_arrays(1)),
    "softmax_rows_gradient": (softmax.softmax_rows_gradient, softmax_arrays(2)),
    "log_softmax_rows": (softmax.log_softmax_rows, softmax_arrays(1)),
    "log_softmax_rows_gradient": (softmax.log_softmax_rows_gradient, softmax_arrays(2)),
    "sum_middle": (reductions.sum_middle, added_up),
    "max_middle": (reductions.max_middle, reduced),
    "max_middle_gradient": (reductions.max_middle_gradient, handed_on),
    "summary": (histogram.summary, summed),
    "count": (histogram.count, counted),
    "take_rows": (rows.take_rows, rows_looked_up),
    "sum_rows": (rows.sum_rows, rows_met_twice),
    "multiply": (matrix_product.multiply, multiplied),
    "attend": (attention.attend, attended),
    "attend_gradient": (attention.attend_gradient, attended_gradient),
    "attention_outputs": (projected_attention.attention_outputs, attention_outputs),
    "attention_gradients": (projected_attention.attention_gradients, attention_gradients),
    "surround": (borders.surround, surrounded),
    "join_columns": (rows.join_columns, columns_joined),
    "momentum_update": (updates.momentum_update, update(3, RATES, (0.9, 0.0), (True, False))),
    "rmsprop_update": (
        updates.rmsprop_update,
        update(5, RATES, (0.9,), (0.0, 0.8), (1e-2,), (False, True)),
    ),
    "adam_update": (updates.adam_update, update(4, RATES, (0.9,), (0.999,), (1e-7, 0.1))),
    "amsgrad_update": (updates.amsgrad_update, update(5, RATES, (0.9,), (0.999,), (1e-7,))),
}


LOOPS |= {
    name: (function.loop, entries(name))
    for name, function in vars(activations).items()
    if isinstance(function, (Mapped, MappedPair))
}
for name, found in epilogue.EPILOGUES.items():
    LOOPS[f"{name}_epilogue"] = (found.finish, finished)
    LOOPS[f"{name}_gradient_epilogue"] = (found.back, finished_gradient)


def run(loop: Any, way: str, values: list[Any], tasks: int) -> None:
    """Run a loop as machine code or as plain Python; a shared one in that many tasks."""
    if isinstance(loop, SharedLoop):
        shared: Any = loop if way == "compiled" else partial(loop.py_func, 0)
        shared(tasks, *values)
    else:
        (loop if way == "compiled" else getattr(loop, "py_func", loop))(*values)


def test_every_compiled_loop_has_a_case() -> None:
    assert {loop.__name__ for loop in every_loop()} == set(LOOPS) | TRIED_ELSEWHERE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("way", ["compiled", "python"])
def test_loop_equals_its_reference(name: str, dtype: str, way: str) -> None:
    if dtype == "float64" and name in SINGLE_ONLY:
        pytest.skip("takes single precision only")
    loop, make = LOOPS[name]
    rtol = 1e-5 if dtype == "float32" else 1e-12
    for seed in SEEDS:
        ours = make(np.random.default_rng(seed), dtype)
        theirs = make(np.random.default_rng(seed), dtype)
        with np.errstate(all="ignore"):
            run(loop, way, ours.values, tasks=1 + seed % 4)
            loop.reference(*theirs.values)
        for index, (found, expected) in enumerate(zip(ours.values, theirs.values, strict=True)):
            if isinstance(found, np.ndarray):
                assert found.dtype == expected.dtype
                exact = index not in ours.written
                np.testing.assert_allclose(
                    found, expected, rtol=0 if exact else rtol, atol=rtol, err_msg=f"seed {seed}"
                )


@pytest.mark.parametrize("name", sorted(set(LOOPS) - set(FINITE_ONLY)))
def test_special_values_reach_the_result(name: str) -> None:
    def has_nan(seed: int) -> bool:
        loop, make = LOOPS[name]
        given = make(np.random.default_rng(seed), "float32" if name in SINGLE_ONLY else "float64")
        with np.errstate(all="ignore"):
            run(loop, "compiled", given.values, tasks=1)
        written = [given.values[index] for index in given.written]
        return any(np.isnan(one).any() for one in written if one.dtype.kind == "f")

    assert any(has_nan(seed) for seed in SEEDS)
