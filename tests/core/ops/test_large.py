"""Arrays large enough for several threads, in single precision, against double precision.

Shapes are such that tasks are not equally long, and that rows are put side by side where columns
are few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerscope import GradientTape, ops
from layerscope.compiled.tasks import LARGE
from layerscope.ops import attention
from layerscope.ops.attention import projected_attention

pytestmark = pytest.mark.usefixtures("shared_when_small")

Call = Callable[..., Any]
PLACES = np.random.default_rng(0).integers(-900, 900, (7, 101))


def first(*given: Any, **options: Any) -> Any:
    """Return what a batch becomes, without its moments."""
    return ops.normalize_batch(*given, **options)[0]


CASES: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    **{
        name: (getattr(ops, name), [(301, 333)])
        for name in (
            "relu", "relu6", "leaky_relu", "hard_sigmoid", "hard_silu", "elu", "selu", "celu",
            "sigmoid", "tanh", "softplus", "softsign", "silu", "mish", "gelu", "exp",
        )
    },
    "gelu exact": (lambda x: ops.gelu(x, approximate=False), [(301, 333)]),
    "clip": (lambda x: ops.clip(x, -0.5, 1.0), [(301, 333)]),
    "transposed": (lambda x: ops.tanh(ops.transpose(x)), [(301, 333)]),
    "softmax": (ops.softmax, [(3, 101, 333)]),
    "log_softmax": (ops.log_softmax, [(3, 101, 333)]),
    "normalize_batch": (first, [(40, 6000), *[(6000,)] * 2]),
    "few channels": (first, [(4, 50, 500, 3), *[(3,)] * 2]),
    "channels first": (
        lambda *given: first(*given, axis=1),
        [(4, 5, 60, 70), *[(5,)] * 2],
    ),
    "batch_normalization": (
        lambda x, mean, factor, offset: ops.batch_normalization(
            x, mean, ops.square(factor), -1, offset, factor
        ),
        [(4, 50, 500, 3), *[(3,)] * 3],
    ),
    "layer_normalization": (ops.layer_normalization, [(1001, 90), *[(90,)] * 2]),
    "rms_normalization": (ops.rms_normalization, [(1001, 90), (90,)]),
    "add": (ops.add, [(301, 333)] * 2),
    "multiply": (ops.multiply, [(301, 333)] * 2),
    "concatenate": (lambda a, b: ops.concatenate([a, b], axis=1), [(30, 70, 40), (30, 5, 40)]),
    "sum": (lambda x: ops.sum(x, axis=1), [(7, 160, 90)]),
    "mean": (lambda x: ops.mean(x, axis=(1, 2)), [(7, 40, 11, 90)]),
    "mean keeping axes": (lambda x: ops.mean(x, axis=-2, keepdims=True), [(7, 160, 90)]),
    "max": (lambda x: ops.max(x, axis=(1, 2)), [(7, 40, 11, 90)]),
    "max keeping axes": (lambda x: ops.max(x, axis=(2, 1), keepdims=True), [(7, 40, 11, 90)]),
    "enlarged": (lambda x: ops.image.resize(x, (61, 50), "nearest"), [(3, 33, 25, 48)]),
    "depthwise": (
        lambda x, kernel: ops.depthwise_conv(x, kernel, padding="same"),
        [(5, 33, 29, 48), (3, 3, 48, 1)],
    ),
    "recurrent": (
        # Larger weights would let roundings grow from step to step.
        lambda x, kernel, recurrent, *more: ops.lstm(x, kernel / 20, recurrent / 20, *more)[0],
        [(33, 40, 100), (100, 256), (64, 256), (256,), (33, 64), (33, 64)],
    ),
    "dense": (
        lambda x, kernel, bias: ops.dense(x, kernel / 20, bias, activation="tanh"),
        [(700, 130), (130, 70), (70,)],
    ),
    "matmul": (ops.matmul, [(700, 130), (130, 70)]),
    "attention": (
        # A bias of the keys changes nothing. Larger scores would make much of their roundings.
        lambda x, query, bias, key, *others: projected_attention(
            x, x, x, query / 40, bias, key / 40, np.zeros_like(bias.value), *others, scale=0.3
        ),
        [(5, 61, 330), (330, 3, 20), (3, 20), *[(330, 3, 20)] * 2, (3, 20), (3, 20, 40), (40,)],
    ),
    "take": (lambda x: ops.take(x, PLACES, axis=0), [(900, 131)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_double_precision(name: str) -> None:
    function, shapes = CASES[name]
    generator = np.random.default_rng(1)
    inputs = [generator.normal(0.3, 1.5, shape) for shape in shapes]
    assert inputs[0].size >= LARGE
    found: dict[str, list[np.ndarray]] = {}
    for dtype in ("float64", "float32"):
        with GradientTape() as tape:
            watched = [tape.watch(x.astype(dtype)) for x in inputs]
            out = function(*watched)
        upstream = np.random.default_rng(2).normal(size=out.shape).astype(dtype)
        found[dtype] = [out.value, *tape.gradient(out, watched, output_gradients=upstream)]
    for single, double in zip(found["float32"], found["float64"], strict=True):
        assert single.dtype == np.float32
        scale = np.abs(double).max()
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=2e-6 * scale)


def test_attention_computes_weights_again_that_it_did_not_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(3)
    given = [generator.normal(size=(2, 70, 3, 20)).astype(np.float32) for _ in range(4)]

    def gradients() -> list[np.ndarray]:
        with GradientTape() as tape:
            watched = [tape.watch(x) for x in given[:3]]
            out = ops.dot_product_attention(*watched)
        return [out.value, *tape.gradient(out, watched, output_gradients=given[3])]

    kept = gradients()
    monkeypatch.setattr(attention, "_WEIGHTS_AGAIN", 0)
    for one, other in zip(gradients(), kept, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
