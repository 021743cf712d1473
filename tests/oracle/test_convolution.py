"""Convolutions of every kind compute, differentiate and describe themselves as Keras's do."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    comparison_of,
    each_configuration,
)
from oracle.reference import ON_TORCH, choose, close, generator_of, keras, low_rank, numbers

RANKS = {
    f"{kind}Conv{rank}D{ending}": rank
    for kind, ending, ranks in (
        ("", "", (1, 2, 3)),
        ("", "Transpose", (1, 2, 3)),
        ("Separable", "", (1, 2)),
        ("Depthwise", "", (1, 2)),
    )
    for rank in ranks
}


def draw(name: str, generator: np.random.Generator) -> Configuration:
    """Return random arguments for a layer, and the shape of an input for them."""
    rank = RANKS[name]
    per_channel = name.startswith(("Separable", "Depthwise"))
    size = numbers(generator, 1, 5 if rank < 3 else 4, rank)
    strides = dilation = (1,) * rank
    match generator.integers(4):
        case 0 | 1:
            strides = numbers(generator, 1, 4, rank)
        case 2:
            dilation = numbers(generator, 1, 4, rank)
        case _ if per_channel:
            # Only these take both, and Keras on JAX only equal ones.
            strides, dilation = (2,) * rank, numbers(generator, 1, 3, rank)
    paddings = ("valid", "same", "causal") if name == "Conv1D" else ("valid", "same")
    layout = choose(generator, None, "channels_last", "channels_first")
    groups = int(choose(generator, 1, 1, 2, 3)) if name in ("Conv1D", "Conv2D", "Conv3D") else 1
    # Of one channel Keras on torch makes a plain convolution, which is wrong for some strides.
    channels = groups * int(generator.integers(2 if per_channel else 1, 4))
    arguments: Arguments = {
        "kernel_size": size if generator.random() < 0.8 else size[0],
        "strides": strides,
        "padding": choose(generator, *paddings),
        "data_format": layout,
        "dilation_rate": dilation,
        "activation": choose(generator, None, "relu", "tanh", "sigmoid", "softmax"),
        "use_bias": choose(generator, True, True, False),
        "bias_initializer": "uniform",
    }
    if not name.startswith("Depthwise"):
        arguments["filters"] = groups * int(generator.integers(1, 4))
    if groups > 1:
        arguments["groups"] = groups
    if name in ("Conv1D", "Conv2D", "Conv3D"):
        arguments |= low_rank(generator)
    if per_channel:
        arguments["depth_multiplier"] = int(generator.integers(1, 4))
    if name.endswith("Transpose") and generator.random() < 0.5:
        arguments["output_padding"] = tuple(int(generator.integers(0, s)) for s in strides)
    sizes = size if isinstance(arguments["kernel_size"], tuple) else (size[0],) * rank
    spatial = tuple(
        int(d * (k - 1) + 1 + generator.integers(0, 5))
        for d, k in zip(dilation, sizes, strict=True)
    )
    if name.endswith("Transpose"):
        spatial = numbers(generator, 2, 6, rank)
    batch = int(generator.integers(1, 4))
    if layout == "channels_first":
        return arguments, (batch, channels, *spatial)
    return arguments, (batch, *spatial, channels)


CONFIGURATIONS = {name: partial(draw, name) for name in RANKS}


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()
    compared.check_config()


@pytest.mark.on_jax
@pytest.mark.skipif(ON_TORCH, reason="Keras on JAX is the reference for transposed convolution")
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_lengths_and_alignment_of_transposed_convolution(padding: str) -> None:
    generator = generator_of("alignment")
    for n, k, s in itertools.product((1, 3, 4), (1, 2, 3, 4, 5), (1, 2, 3)):
        for extra in (None, *range(s)):
            reach = (n - 1) * s + k + (extra or 0)
            if extra is not None and padding == "same" and reach <= 2 * (k // 2):
                continue
            arguments = {"strides": s, "padding": padding, "output_padding": extra}
            Comparison(
                "Conv1DTranspose",
                {"filters": 2, "kernel_size": k, **arguments},
                (1, n, 2),
                generator,
            ).check_forward()


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_over_volumes_is_a_convolution_in_groups(layout: str, padding: str) -> None:
    options: Arguments = {
        "kernel_size": (2, 3, 1),
        "strides": (2, 1, 1),
        "padding": padding,
        "data_format": layout,
        "bias_initializer": "uniform",
    }
    grouped = keras.layers.Conv3D(6, groups=3, **options)
    ours: Any = ls.layers.DepthwiseConv3D(depth_multiplier=2, **options)
    shape = (2, 4, 5, 3, 3) if layout == "channels_last" else (2, 3, 4, 5, 3)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = grouped(x)
    ours.build(shape)
    kernel, bias = grouped.get_weights()
    ours.set_weights([kernel.reshape(2, 3, 1, 3, 2), bias])
    close(ours(x), expected)


MISTAKES: list[tuple[str, Arguments, tuple[int, ...]]] = [
    ("Conv1D", {"filters": 0, "kernel_size": 2}, (1, 4, 2)),
    ("Conv1D", {"filters": 2, "kernel_size": 0}, (1, 4, 2)),
    ("Conv2D", {"filters": 2, "kernel_size": (2, 2, 2)}, (1, 4, 4, 2)),
    ("Conv2D", {"filters": 2, "kernel_size": 2, "padding": "causal"}, (1, 4, 4, 2)),
    ("Conv2D", {"filters": 2, "kernel_size": 2, "padding": "full"}, (1, 4, 4, 2)),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "strides": 0}, (1, 4, 4, 4, 2)),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "groups": 2}, (1, 4, 4, 4, 2)),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "groups": 2}, (1, 4, 4, 4, 3)),
    ("Conv1D", {"filters": 2, "kernel_size": 5}, (1, 4, 2)),
    ("Conv1D", {"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2}, (1, 4, 2)),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2},
        (1, 4, 4, 2),
    ),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 2, "output_padding": 1}, (1, 4, 2)),
    ("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 0}, (1, 4, 2)),
    ("SeparableConv1D", {"filters": 2, "kernel_size": 2, "padding": "causal"}, (1, 4, 2)),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 5}, (1, 4, 4, 2)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), MISTAKES)
def test_mistakes_raise_the_same_type(
    name: str, arguments: Arguments, shape: tuple[int, ...]
) -> None:
    x = np.zeros(shape, "float32")
    with pytest.raises(Exception) as expected:  # noqa: PT011
        getattr(keras.layers, name)(**arguments)(x)
    with pytest.raises(expected.type):
        getattr(ls.layers, name)(**arguments)(x)
