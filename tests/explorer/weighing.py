"""The factors that a layer's inputs are multiplied by, worked out from its weights alone.

Every function takes a layer, the shapes of one sample's input and output, and an index in that
output, and returns the factor of each input index that has one; the bias comes from `bias_of`.
Nothing here calls a layer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Index = tuple[int, ...]
Factors = dict[Index, float]


def array(weight: Any) -> np.ndarray:
    return np.asarray(getattr(weight, "value", weight), np.float64)


def is_first(layer: Any) -> bool:
    return layer.data_format == "channels_first"


def parted(layer: Any, index: Index) -> tuple[Index, int]:
    """Return spatial part and channel of an index."""
    return (index[1:], index[0]) if is_first(layer) else (index[:-1], index[-1])


def joined(layer: Any, spatial: Index, channel: int) -> Index:
    return (channel, *spatial) if is_first(layer) else (*spatial, channel)


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def window(
    layer: Any, lengths: Index, at: Index, size: Any = None
) -> Iterator[tuple[Index, Index]]:
    """Yield offsets in a window and the places they stand at, inside the input."""
    rank = len(lengths)
    sizes = per_axis(layer.kernel_size if size is None else size, rank)
    strides = per_axis(layer.strides or sizes, rank)
    dilations = per_axis(getattr(layer, "dilation_rate", 1), rank)
    befores = []
    for n, k, s, d in zip(lengths, sizes, strides, dilations, strict=True):
        reach = (k - 1) * d + 1
        if layer.padding == "same":
            befores.append(max((-(-n // s) - 1) * s + reach - n, 0) // 2)
        else:
            befores.append(reach - 1 if layer.padding == "causal" else 0)
    for offset in itertools.product(*map(range, sizes)):
        place = tuple(
            o * s + u * d - before
            for o, s, u, d, before in zip(at, strides, offset, dilations, befores, strict=True)
        )
        if all(0 <= p < n for p, n in zip(place, lengths, strict=True)):
            yield offset, place


def dense(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    kernel = array(layer.kernel)
    return {(*index[:-1], c): kernel[c, index[-1]] for c in range(given[-1])}


def conv(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, k = parted(layer, index)
    lengths, _ = parted(layer, given)
    kernel = array(layer.kernel)
    inside = kernel.shape[-2]
    first = k // (layer.filters // layer.groups) * inside
    return {
        joined(layer, place, first + c): kernel[(*offset, c, k)]
        for offset, place in window(layer, lengths, at)
        for c in range(inside)
    }


def depthwise(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, channel = parted(layer, index)
    c, m = divmod(channel, layer.depth_multiplier)
    kernel = array(layer.kernel)
    return {
        joined(layer, place, c): kernel[(*offset, c, m)]
        for offset, place in window(layer, parted(layer, given)[0], at)
    }


def separable(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, k = parted(layer, index)
    lengths, channels = parted(layer, given)
    depth, point = array(layer.depthwise_kernel), array(layer.pointwise_kernel)
    point = point.reshape(-1, point.shape[-1])
    return {
        joined(layer, place, c): sum(
            depth[(*offset, c, m)] * point[c * layer.depth_multiplier + m, k]
            for m in range(layer.depth_multiplier)
        )
        for offset, place in window(layer, lengths, at)
        for c in range(channels)
    }


def transposed(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, k = parted(layer, index)
    lengths, channels = parted(layer, given)
    outs, _ = parted(layer, out)
    kernel = array(layer.kernel)
    found: Factors = {}
    for place in np.ndindex(*lengths):
        for offset in np.ndindex(*layer.kernel_size):
            reached = []
            for i, n, o, u, size, s, d in zip(
                place, lengths, outs, offset, layer.kernel_size, layer.strides,
                per_axis(layer.dilation_rate, len(at)), strict=True,
            ):  # fmt: skip
                surplus = max((n - 1) * s + d * (size - 1) + 1 - o, 0)
                before = surplus // 2 if layer.padding == "same" else 0
                reached.append(i * s + u * d - before)
            if tuple(reached) == tuple(at):
                for c in range(channels):
                    found[joined(layer, place, c)] = kernel[(*offset, k, c)]
    return found


def local(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, k = parted(layer, index)
    lengths, channels = parted(layer, given)
    windows, _ = parted(layer, out)
    kernel = array(layer.kernel)
    number = int(np.ravel_multi_index(at, windows))
    if layer.implementation == 1:
        found = {}
        for offset, place in window(layer, lengths, at):
            u = int(np.ravel_multi_index(offset, layer.kernel_size))
            size = math.prod(layer.kernel_size)
            for c in range(channels):
                entry = c * size + u if is_first(layer) else u * channels + c
                found[joined(layer, place, c)] = kernel[number, entry, k]
        return found
    if layer.implementation == 2:
        places = centred(layer, lengths, at)
        indices = [joined(layer, p, c) for p in places for c in range(channels)]
        return {one: kernel[(*one, *index)] for one in indices}
    order = {}
    for whole in np.ndindex(*out):
        there, _ = parted(layer, whole)
        indices = sorted(
            joined(layer, p, c) for p in centred(layer, lengths, there) for c in range(channels)
        )
        for one in indices:
            order[(whole, one)] = len(order)
    return {one: float(kernel[at]) for (whole, one), at in order.items() if whole == index}


def centred(layer: Any, lengths: Index, at: Index) -> list[Index]:
    """Return the places of a window; padded ones are centred at multiples of the stride."""
    ranges = []
    for o, n, size, stride in zip(at, lengths, layer.kernel_size, layer.strides, strict=True):
        start = o * stride - (size // 2 if layer.padding == "same" else 0)
        ranges.append([p for p in range(start, start + size) if 0 <= p < n])
    return list(itertools.product(*ranges))


def mean_of_window(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    at, c = parted(layer, index)
    places = [place for _, place in window(layer, parted(layer, given)[0], at, layer.pool_size)]
    return {joined(layer, place, c): 1.0 / len(places) for place in places}


def mean_of_all(layer: Any, given: Index, out: Index, index: Index) -> Factors:
    lengths, _ = parted(layer, given)
    c = index[0] if is_first(layer) else index[-1]
    count = math.prod(lengths)
    return {joined(layer, place, c): 1.0 / count for place in np.ndindex(*lengths)}


def bias_of(layer: Any, out: Index, index: Index) -> float:
    if getattr(layer, "bias", None) is None:
        return 0.0
    bias = array(layer.bias)
    at, k = parted(layer, index) if hasattr(layer, "data_format") else ((), index[-1])
    return float(bias[k] if bias.ndim == 1 else bias[(*at, k)])
