"""Real Keras, its numbers and gradients, and the randomness of the comparison."""

from __future__ import annotations

import importlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from layerscope.structure import leaves, map_structure

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")

#: Random configurations of each layer.
COUNT = int(os.environ.get("LAYERSCOPE_CONFIGURATIONS", "30"))
#: Where they start; CI takes another each time and prints it.
SEED = int(os.environ.get("LAYERSCOPE_SEED", "0"))

ON_TORCH = keras.backend.backend() == "torch"

#: What Keras 3.15 gets wrong on torch 2.13, right on JAX, and so is compared there.
WRONG_ON_TORCH = {
    **{f"AveragePooling{rank}D": "counts the padding" for rank in (1, 2, 3)},
    **{f"Conv{rank}D": "is wrong for some strides over one channel" for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": "has no gradient for some layouts" for rank in (1, 2, 3)},
    "LayerNormalization": "only normalizes the last axes",
    "Resizing": "resizes with other weights",
    "ScheduleFreeAdamW": "takes the new weights for the old ones",
    "UpSampling2D": "resizes with other weights",
}


def only_right_on_jax(name: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test whose reference is Keras on JAX, none for other layers."""
    if name not in WRONG_ON_TORCH:
        return []
    reason = f"Keras's {name} {WRONG_ON_TORCH[name]} on torch; run with KERAS_BACKEND=jax"
    return [pytest.mark.on_jax, pytest.mark.skipif(ON_TORCH, reason=reason)]


@contextmanager
def double_precision() -> Iterator[None]:
    """Let Keras answer float64 in float64: elsewhere than on TensorFlow it makes it float32."""
    narrowed: dict[str, str] = keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE
    before = narrowed["float64"]
    narrowed["float64"] = "float64"
    try:
        yield
    finally:
        narrowed["float64"] = before


def generator_of(name: str, index: int = 0) -> np.random.Generator:
    """Return the randomness of one configuration, the same wherever it is drawn."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode()), index])


def choose(generator: np.random.Generator, *values: Any) -> Any:
    """Return one of `values`."""
    return values[generator.integers(len(values))]


def numbers(generator: np.random.Generator, low: int, high: int, count: int) -> tuple[int, ...]:
    """Return whole numbers from `low`, below `high`."""
    return tuple(int(n) for n in generator.integers(low, high, count))


def low_rank(generator: np.random.Generator, factor: bool = True) -> dict[str, Any]:
    """Return arguments for low-rank adaptation, or none of them."""
    if generator.random() < 0.7:
        return {}
    options: dict[str, Any] = {"lora_rank": int(generator.integers(1, 4))}
    return options | ({"lora_alpha": choose(generator, 1.0, 3.0)} if factor else {})


def numpy_of(values: Any) -> Any:
    """Return what Keras computed as arrays."""
    return map_structure(
        lambda value: None if value is None else np.asarray(keras.ops.convert_to_numpy(value)),
        values,
    )


def close(found: Any, expected: Any, rtol: float = 2e-5, atol: float = 5e-6) -> None:
    """Compare arrays, or structures of them, as far as float32 reaches.

    `atol` is in units of an array's largest entry, if that is above one.
    """
    found, expected = leaves(found), leaves(numpy_of(expected))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        scale = max(float(np.abs(np.nan_to_num(other)).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * scale)


def gradients_of(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Differentiate a scalar function of arrays that Keras computes."""
    if ON_TORCH:
        torch: Any = importlib.import_module("torch")
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        return _numbers_of(
            torch.autograd.grad(function(*tensors), tensors, allow_unused=True), tensors
        )
    jax: Any = importlib.import_module("jax")
    return [np.asarray(one) for one in jax.grad(function, tuple(range(len(arrays))))(*arrays)]


def layer_gradients(
    layer: Any, inputs: Any, total: Callable[[list[Any]], Any], **options: Any
) -> list[np.ndarray]:
    """Differentiate what `total` makes of a layer's outputs: real inputs first, then weights.

    A tuple of inputs holds several arguments of the layer, anything else is one.
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    flat = leaves(inputs)
    real = [index for index, value in enumerate(flat) if value.dtype.kind == "f"]

    def refilled(values: Any) -> Any:
        full = list(flat)
        for index, value in zip(real, values, strict=True):
            full[index] = value
        waiting = iter(full)
        return map_structure(lambda _: next(waiting), inputs)

    weights = [variable.value for variable in layer.trainable_variables]
    if ON_TORCH:
        torch: Any = importlib.import_module("torch")
        tensors = [torch.tensor(flat[index], requires_grad=True) for index in real]
        sources = [*tensors, *weights]
        value = total(leaves(layer(*refilled(tensors), **options)))
        return _numbers_of(torch.autograd.grad(value, sources, allow_unused=True), sources)
    jax: Any = importlib.import_module("jax")
    state = [variable.value for variable in layer.non_trainable_variables]

    def value_of(values: Any, weights: Any) -> Any:
        outputs, _ = layer.stateless_call(weights, state, *refilled(values), **options)
        return total(leaves(outputs))

    of_inputs, of_weights = jax.grad(value_of, (0, 1))([flat[index] for index in real], weights)
    return [np.asarray(one) for one in (*of_inputs, *of_weights)]


def _numbers_of(gradients: Any, sources: Any) -> list[np.ndarray]:
    """Return gradients as arrays, zeros where there is none."""
    return [
        np.zeros(tuple(source.shape), "float32") if gradient is None else numpy_of(gradient)
        for gradient, source in zip(gradients, sources, strict=True)
    ]
