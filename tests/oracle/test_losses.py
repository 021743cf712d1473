"""Losses give Keras's numbers and gradients, with weights, masks and every reduction."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import registry
from layerscope.masks import set_keras_mask
from oracle.layer_comparison import comparable
from oracle.reference import (
    COUNT,
    choose,
    close,
    generator_of,
    gradients_of,
    keras,
    numbers,
    numpy_of,
)
from oracle.targets import (
    GAMMA,
    LOGITS,
    SMOOTHING,
    Case,
    Generator,
    between,
    binary,
    classes,
    drawn,
    hinges,
    labels_and_predictions,
    normal,
    one_hot_hinge,
    one_of,
    positive,
    regression,
    sparse,
)

#: Arguments that Keras takes, and leaves out of the config.
LOST = {
    "CosineSimilarity": {"axis"},
    "Huber": {"delta"},
    "SparseCategoricalCrossentropy": {"axis"},
}
#: Losses that let some samples not count.
MASKING = ("Circle", "SparseCategoricalCrossentropy")


def generalized(generator: Generator) -> Case:
    labels, p = labels_and_predictions(generator, logits=False)
    p /= p.sum(-1, keepdims=True)
    return drawn(generator, {"q": between(0.05, 0.95)}), labels, p


def regions(**options: Callable[[Generator], Any]) -> Callable[[Generator], Case]:
    def draw(generator: Generator) -> Case:
        shape = numbers(generator, 2, 5, 3)
        found = drawn(generator, {**options, "axis": one_of(None, 1, (1, 2), (0, 2), -1)})
        return found, generator.integers(0, 2, shape), generator.uniform(0.01, 0.99, shape)

    return draw


def embeddings(generator: Generator) -> Case:
    number, size = numbers(generator, 4, 9, 2)
    p = normal(generator, (number, size))
    p /= np.linalg.norm(p, axis=-1, keepdims=True)
    # Gammas as large as by default let float32 overflow where Keras and we round apart.
    found = {"gamma": between(0.5, 20)(generator), "margin": between(0.1, 0.6)(generator)}
    found["remove_diagonal"] = bool(generator.integers(2))
    return found, generator.integers(0, 3, number), p


def sequences(generator: Generator) -> Case:
    batch, length, kinds = numbers(generator, 2, 5, 3)
    labels = generator.integers(1, kinds + 1, (batch, length))
    counted = generator.integers(1, length + 1, batch)
    labels = np.where(np.arange(length) < counted[:, None], labels, 0)
    steps = 2 * length + int(generator.integers(0, 4))
    return {}, labels, normal(generator, (batch, steps, kinds + 1))


CASES: dict[str, Callable[[Generator], Case]] = {
    "MeanSquaredError": regression(),
    "MeanAbsoluteError": regression(),
    "MeanAbsolutePercentageError": positive(),
    "MeanSquaredLogarithmicError": positive(),
    "CosineSimilarity": regression(axis=one_of(-1, 0, 1)),
    "Huber": regression(delta=between(0.1, 3)),
    "LogCosh": regression(),
    "KLDivergence": binary(),
    "Poisson": positive(),
    "Hinge": hinges,
    "SquaredHinge": hinges,
    "CategoricalHinge": one_hot_hinge,
    "BinaryCrossentropy": binary(**LOGITS, **SMOOTHING, axis=one_of(-1, 0)),
    "BinaryFocalCrossentropy": binary(
        **LOGITS, **SMOOTHING, **GAMMA, apply_class_balancing=one_of(True, False)
    ),
    "CategoricalCrossentropy": classes(**SMOOTHING),
    "CategoricalFocalCrossentropy": classes(**SMOOTHING, **GAMMA),
    "SparseCategoricalCrossentropy": sparse,
    "CategoricalGeneralizedCrossEntropy": generalized,
    "Dice": regions(),
    "Tversky": regions(alpha=between(0.1, 0.9), beta=between(0.1, 0.9)),
    "Circle": embeddings,
    "CTC": sequences,
}

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)

each_case = pytest.mark.parametrize(
    ("name", "index"), [(name, index) for name in CASES for index in range(COUNT)]
)


def test_every_loss_is_compared() -> None:
    built_in = {cls.__name__ for cls in registry.subclasses(ls.losses.Loss)}
    assert built_in == {*CASES, "LossFunctionWrapper"}
    theirs = {name for name, cls in vars(keras.losses).items() if inspect.isclass(cls)}
    assert theirs - {"Loss"} <= built_in
    assert {name for name in vars(keras.losses) if name[0] != "_"} <= set(vars(ls.losses))


def weights_for(generator: Generator, values: tuple[int, ...], masked: bool) -> Any:
    """Return weights that fit the losses of samples, in one of the shapes they may have."""
    if not values:
        return choose(generator, None, 0.5)
    # Keras on torch multiplies them by the mask in their own place, which must be large enough.
    shapes = [values, (*values, 1)] if masked else [values, (*values[:-1], 1), (*values, 1)]
    if len(values) > 1 and not masked:
        shapes.append((values[0], *(1,) * (len(values) - 1)))
    weights = generator.uniform(0, 2, choose(generator, *shapes)).astype("float32")
    weights[generator.random(weights.shape) < 0.2] = 0
    return choose(generator, None, None if masked else 0.7, weights, weights)


def with_mask(tensor: Any, mask: Any) -> Any:
    if mask is not None:
        keras.src.backend.set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
    return tensor


@each_case
def test_value_and_gradient(name: str, index: int) -> None:
    generator = generator_of(f"loss {name}", index)
    options, y, p = CASES[name](generator)
    y, p = y.astype(choose(generator, "float32", y.dtype)), p.astype("float32")
    options["reduction"] = choose(generator, *REDUCTIONS)
    ours, theirs = getattr(ls.losses, name)(**options), getattr(keras.losses, name)(**options)
    samples = numpy_of(getattr(keras.losses, name)(**{**options, "reduction": None})(y, p))
    mask = None
    if samples.ndim and generator.random() < 0.4:
        mask = generator.random(samples.shape) < 0.7
    weights = weights_for(generator, samples.shape, mask is not None or name in MASKING)
    factors = generator.normal(size=samples.shape).astype("float32")

    def combined(tensor: Any) -> Any:
        return theirs(
            y, with_mask(tensor, mask), sample_weight=None if weights is None else np.copy(weights)
        )

    def of_theirs(tensor: Any) -> Any:
        found = combined(tensor)
        if not tuple(found.shape):
            return found
        return keras.ops.sum(found * keras.ops.convert_to_tensor(factors))

    def of_ours(tensor: Any) -> Any:
        if mask is not None:
            set_keras_mask(tensor, mask)
        found = ours(y, tensor, weights)
        return ls.ops.sum(found * factors) if found.shape else found

    (wanted,) = gradients_of(of_theirs, p)
    _, slope = ls.value_and_grad(of_ours)(p)
    close(slope, wanted, rtol=2e-4, atol=2e-5)
    masked = p.copy()
    if mask is not None:
        set_keras_mask(masked, mask)
    close(ours(y, masked, weights), combined(keras.ops.convert_to_tensor(p)))


@each_case
def test_configs_go_both_ways(name: str, index: int) -> None:
    generator = generator_of(f"loss {name}", index)
    options = {**CASES[name](generator)[0], "reduction": choose(generator, *REDUCTIONS)}
    ours, theirs = getattr(ls.losses, name)(**options), getattr(keras.losses, name)(**options)
    lost = LOST.get(name, set())
    config = json.loads(json.dumps(ls.losses.serialize(ours)))
    kept = {key: value for key, value in ours.get_config().items() if key not in lost}
    assert comparable(kept) == comparable(theirs.get_config())
    there = keras.saving.deserialize_keras_object(config)
    assert comparable(there.get_config()) == comparable(theirs.get_config())
    back = ls.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(theirs))))
    assert type(back) is type(ours)
    assert comparable(back.get_config()) == comparable(ours.get_config()) or lost


@pytest.mark.parametrize("name", CASES)
def test_other_types(name: str) -> None:
    generator = generator_of(f"loss types {name}")
    options, y, p = CASES[name](generator)
    ours = getattr(ls.losses, name)(dtype="float64", **options)
    theirs = getattr(keras.losses, name)(dtype="float64", **options)
    found = ours(y, p)
    assert np.asarray(found).dtype == np.float64
    close(found, theirs(y, p))


@pytest.mark.parametrize("name", [one for one in ls.losses.FUNCTIONS if hasattr(keras.losses, one)])
def test_functions_and_aliases(name: str) -> None:
    ours, theirs = ls.losses.get(name), getattr(keras.losses, name)
    assert ours is getattr(ls.losses, name)
    assert ours.__name__ == theirs.__name__
    assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]
    serialized = json.loads(json.dumps(keras.losses.serialize(theirs)))
    assert ls.losses.deserialize(serialized) is ours
    there = json.loads(json.dumps(ls.losses.serialize(ours)))
    assert keras.saving.deserialize_keras_object(there) is theirs


def test_extremes() -> None:
    certain = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    y = np.eye(3, dtype="float32")[[1, 1, 2, 0]]
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence"):
        close(getattr(ls.losses, name)()(y, certain), getattr(keras.losses, name)()(y, certain))
    far = 500 * (2 * certain - 1)
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
        ours, theirs = getattr(ls.losses, name), getattr(keras.losses, name)
        close(ours(from_logits=True)(y, far), theirs(from_logits=True)(y, far))
    for name in ("MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "LogCosh"):
        close(getattr(ls.losses, name)()(y, -far), getattr(keras.losses, name)()(y, -far))
    zero = np.zeros((0, 3), "float32")
    close(ls.losses.MeanSquaredError()(zero, zero), keras.losses.MeanSquaredError()(zero, zero))
