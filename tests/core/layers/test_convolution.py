"""Convolutions are the sums their formulas say, written out entry by entry."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from layerscope import layers

Pads = tuple[tuple[int, int], ...]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def places(lengths: Any) -> Any:
    return itertools.product(*map(range, lengths))


def correlated(x: np.ndarray, kernel: np.ndarray, strides: Any, dilation: Any, pads: Pads) -> Any:
    """Return the sum over each window of its entries times the kernel, channels last."""
    size = kernel.shape[:-2]
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation, strict=True)
    ]
    y = np.zeros((len(x), *out, kernel.shape[-1]))
    for at, entry in itertools.product(places(out), places(size)):
        source = [i * s + u * d for i, s, u, d in zip(at, strides, entry, dilation, strict=True)]
        y[(slice(None), *at)] += x[(slice(None), *source)] @ kernel[entry]
    return y


def spread(x: np.ndarray, kernel: np.ndarray, strides: Any, dilation: Any, cuts: Pads) -> Any:
    """Return what each entry of `x` times the kernel adds to, without what is cut off the ends."""
    size = kernel.shape[:-2]
    full = [
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation, strict=True)
    ]
    y = np.zeros((len(x), *full, kernel.shape[-2]))
    for at, entry in itertools.product(places(x.shape[1:-1]), places(size)):
        target = [i * s + u * d for i, s, u, d in zip(at, strides, entry, dilation, strict=True)]
        y[(slice(None), *target)] += x[(slice(None), *at)] @ kernel[entry].T
    kept = [slice(before, n - after) for n, (before, after) in zip(full, cuts, strict=True)]
    return y[(slice(None), *kept)]


def called(name: str, arguments: dict[str, Any], x: np.ndarray, layout: str) -> tuple[Any, Any]:
    """Return the layer, with random weights, and what it makes of `x`, channels last."""
    layer = getattr(layers, name)(**arguments, data_format=layout, dtype="float64")
    first = layout == "channels_first"
    x = np.moveaxis(x, -1, 1) if first else x
    layer.build(x.shape)
    layer.set_weights([normal(*one.shape) for one in layer.weights])
    return layer, np.moveaxis(layer(x), 1, -1) if first else layer(x)


each_layout = pytest.mark.parametrize("layout", ["channels_last", "channels_first"])


@each_layout
@pytest.mark.parametrize(
    ("name", "arguments", "shape", "pads"),
    [
        ("Conv1D", {"kernel_size": 3, "strides": 2}, (7,), ((0, 0),)),
        ("Conv1D", {"kernel_size": 2, "padding": "same"}, (5,), ((0, 1),)),
        ("Conv1D", {"kernel_size": 4, "padding": "same"}, (5,), ((1, 2),)),
        ("Conv1D", {"kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (6,), ((4, 0),)),
        ("Conv2D", {"kernel_size": (3, 2), "dilation_rate": (1, 2)}, (4, 5), ((0, 0), (0, 0))),
        (
            "Conv2D",
            {"kernel_size": (3, 2), "strides": (2, 1), "padding": "same"},
            (6, 4),
            ((0, 1), (0, 1)),
        ),
        ("Conv3D", {"kernel_size": (1, 2, 3)}, (2, 3, 4), ((0, 0),) * 3),
    ],
)
def test_convolution(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], pads: Pads, layout: str
) -> None:
    x = normal(2, *shape, 3)
    layer, found = called(name, {"filters": 4, **arguments}, x, layout)
    kernel, bias = layer.get_weights()
    expected = correlated(x, kernel, layer.strides, layer.dilation_rate, pads) + bias
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@each_layout
def test_groups_keep_to_themselves(layout: str) -> None:
    x = normal(2, 4, 5, 4)
    arguments = {"filters": 6, "kernel_size": (2, 3), "groups": 2, "use_bias": False}
    layer, found = called("Conv2D", arguments, x, layout)
    (kernel,) = layer.get_weights()
    for inputs, outputs in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 6))):
        expected = correlated(x[..., inputs], kernel[..., outputs], (1, 1), (1, 1), ((0, 0),) * 2)
        np.testing.assert_allclose(found[..., outputs], expected, rtol=1e-12)


@each_layout
@pytest.mark.parametrize(
    ("name", "arguments", "shape", "cuts"),
    [
        ("Conv1DTranspose", {"kernel_size": 3, "strides": 2}, (3,), ((0, 0),)),
        (
            "Conv1DTranspose",
            {"kernel_size": 3, "strides": 2, "padding": "same"},
            (3,),
            ((0, 1),),
        ),
        (
            "Conv2DTranspose",
            {"kernel_size": (4, 3), "padding": "same"},
            (3, 4),
            ((1, 2), (1, 1)),
        ),
        ("Conv2DTranspose", {"kernel_size": (1, 2), "dilation_rate": 2}, (2, 3), ((0, 0),) * 2),
        ("Conv3DTranspose", {"kernel_size": 2, "strides": (2, 1, 1)}, (2, 1, 3), ((0, 0),) * 3),
    ],
)
def test_transposed_convolution(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], cuts: Pads, layout: str
) -> None:
    x = normal(2, *shape, 3)
    layer, found = called(name, {"filters": 2, **arguments}, x, layout)
    kernel, bias = layer.get_weights()
    expected = spread(x, kernel, layer.strides, layer.dilation_rate, cuts) + bias
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def depthwise(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return every channel filtered by its own kernels, their results standing together."""
    rank = x.ndim - 2
    parts = [
        correlated(x[..., [c]], kernel[..., [c], :], (1,) * rank, (1,) * rank, ((0, 0),) * rank)
        for c in range(x.shape[-1])
    ]
    return np.concatenate(parts, axis=-1)


@each_layout
@pytest.mark.parametrize(("name", "size"), [("1D", (2,)), ("2D", (2, 3)), ("3D", (1, 2, 2))])
def test_depthwise_convolution(name: str, size: tuple[int, ...], layout: str) -> None:
    x = normal(2, *(n + 2 for n in size), 3)
    arguments = {"kernel_size": size, "depth_multiplier": 2}
    layer, found = called(f"DepthwiseConv{name}", arguments, x, layout)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(found, depthwise(x, kernel) + bias, rtol=1e-12)


@each_layout
@pytest.mark.parametrize(("name", "size"), [("1D", (2,)), ("2D", (2, 3))])
def test_separable_convolution(name: str, size: tuple[int, ...], layout: str) -> None:
    x = normal(2, *(n + 2 for n in size), 3)
    arguments = {"filters": 4, "kernel_size": size, "depth_multiplier": 2}
    layer, found = called(f"SeparableConv{name}", arguments, x, layout)
    assert [one.name for one in layer.weights] == ["depthwise_kernel", "pointwise_kernel", "bias"]
    kernel, mixing, bias = layer.get_weights()
    expected = depthwise(x, kernel) @ mixing.reshape(6, 4) + bias
    np.testing.assert_allclose(found, expected, rtol=1e-12)
