"""Random targets and predictions of the kinds that losses and metrics are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from oracle.reference import choose, numbers

Generator = np.random.Generator
#: Arguments, targets and predictions.
Case = tuple[dict[str, Any], np.ndarray, np.ndarray]


def shape_of(generator: Generator) -> tuple[int, ...]:
    return numbers(generator, 2, 6, int(generator.integers(2, 4)))


def regression(**options: Callable[[Generator], Any]) -> Callable[[Generator], Case]:
    def draw(generator: Generator) -> Case:
        shape = shape_of(generator)
        y, p = generator.normal(size=shape), generator.normal(size=shape)
        return drawn(generator, options), y, p

    return draw


def positive(**options: Callable[[Generator], Any]) -> Callable[[Generator], Case]:
    def draw(generator: Generator) -> Case:
        shape = shape_of(generator)
        y, p = generator.uniform(0.05, 3, shape), generator.uniform(0.05, 3, shape)
        return drawn(generator, options), y, p

    return draw


def drawn(generator: Generator, options: dict[str, Callable[[Generator], Any]]) -> dict[str, Any]:
    """Return some of the options with random values, the others by default."""
    return {name: make(generator) for name, make in options.items() if generator.random() < 0.6}


def between(low: float, high: float) -> Callable[[Generator], float]:
    return lambda generator: round(float(generator.uniform(low, high)), 3)


def one_of(*values: Any) -> Callable[[Generator], Any]:
    return lambda generator: choose(generator, *values)


def hinges(generator: Generator) -> Case:
    shape = shape_of(generator)
    return (
        {},
        generator.choice(choose(generator, [-1, 1], [0, 1]), shape),
        2 * normal(generator, shape),
    )


def normal(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.normal(size=shape)


def one_hot_hinge(generator: Generator) -> Case:
    shape = shape_of(generator)
    labels = generator.integers(0, shape[-1], shape[:-1])
    return {}, np.eye(shape[-1])[labels], normal(generator, shape)


def binary(**options: Callable[[Generator], Any]) -> Callable[[Generator], Case]:
    def draw(generator: Generator) -> Case:
        shape = shape_of(generator)
        found = drawn(generator, options)
        p = normal(generator, shape)
        if not found.get("from_logits"):
            p = generator.uniform(0.01, 0.99, shape)
        return found, generator.integers(0, 2, shape), p

    return draw


SMOOTHING: dict[str, Any] = {"label_smoothing": between(0, 0.4)}
LOGITS = {"from_logits": one_of(True, False)}
GAMMA: dict[str, Any] = {"gamma": between(0.5, 4), "alpha": between(0.1, 0.9)}


def classes(
    first_axis: int = 0, **options: Callable[[Generator], Any]
) -> Callable[[Generator], Case]:
    """Return a draw of one-hot targets, of which the classes may lie on an axis of their own."""

    def draw(generator: Generator) -> Case:
        found = drawn(generator, {**LOGITS, **options})
        labels, p = labels_and_predictions(generator, bool(found.get("from_logits")))
        y = np.eye(p.shape[-1])[labels]
        # Keras counts the classes to smooth over along the last axis, wherever they are.
        if generator.random() < 0.3 and "label_smoothing" not in found:
            axis = found["axis"] = int(generator.integers(first_axis, p.ndim))
            y, p = np.moveaxis(y, -1, axis), np.moveaxis(p, -1, axis)
        return found, y, p

    return draw


def labels_and_predictions(generator: Generator, logits: bool) -> tuple[np.ndarray, np.ndarray]:
    shape = shape_of(generator)
    p = 2 * normal(generator, shape)
    if not logits:
        # Not of sum 1: it is divided by its sum.
        p = choose(generator, 1.0, 3.0) * np.exp(p) / np.exp(p).sum(-1, keepdims=True)
    return generator.integers(0, shape[-1], shape[:-1]), p


def sparse(generator: Generator) -> Case:
    found = drawn(generator, {**LOGITS, "ignore_class": one_of(-1, 0, 1)})
    labels, p = labels_and_predictions(generator, bool(found.get("from_logits")))
    if found.get("ignore_class") == -1:
        labels = np.where(generator.random(labels.shape) < 0.3, -1, labels)
    return found, labels[..., None] if generator.random() < 0.4 else labels, p
