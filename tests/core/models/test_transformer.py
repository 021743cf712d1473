"""A small transformer learns what needs attention: to write a sequence backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers

LENGTH, SYMBOLS, WIDTH = 6, 8, 16


def sequences(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return symbols and their places, and the symbols backwards."""
    symbols = np.random.default_rng(seed).integers(0, SYMBOLS, (count, LENGTH)).astype("int32")
    places = np.tile(np.arange(LENGTH, dtype="int32"), (count, 1))
    return [symbols, places], symbols[:, ::-1].copy()


def transformer(mixing: type[layers.Layer], *arguments: int) -> ls.Model:
    """Return a model of one block, in which only `mixing` brings places together."""
    symbols, places = (ls.Input((LENGTH,), dtype="int32") for _ in range(2))
    x: Any = layers.add(
        [layers.Embedding(SYMBOLS, WIDTH)(symbols), layers.Embedding(LENGTH, WIDTH)(places)]
    )
    x = layers.LayerNormalization()(layers.add([x, mixing(*arguments)(x, x)]))
    inner = layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, activation="relu")(x))
    x = layers.LayerNormalization()(layers.add([x, inner]))
    outputs = layers.Dense(SYMBOLS, activation="softmax")(x)
    return ls.Model([symbols, places], outputs)


def accuracy(model: ls.Model, seed: int) -> float:
    """Train, and return the share of symbols that are right in other sequences."""
    model.compile(ls.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*sequences(512, seed), epochs=10, verbose=0)
    x, y = sequences(256, seed + 100)
    return float((model.predict(x, verbose=0).argmax(-1) == y).mean())


@pytest.mark.parametrize("seed", range(5))
def test_it_learns_to_reverse(seed: int) -> None:
    ls.utils.set_random_seed(seed)
    mixing, arguments = [
        (layers.MultiHeadAttention, (2, 8)),
        (layers.GroupedQueryAttention, (8, 2, 1)),
    ][seed % 2]
    assert accuracy(transformer(mixing, *arguments), seed) > 0.98


class Apart(layers.Layer):
    """Brings no places together."""

    def call(self, query: Any, value: Any) -> Any:
        return query


def test_without_attention_it_guesses() -> None:
    assert accuracy(transformer(Apart), 0) < 0.25
