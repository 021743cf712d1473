"""The same network learns handwritten digits as well as Keras's does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the live comparison needs the `oracle` extra")

import layerscope as ls  # noqa: E402
from layerscope.datasets import digits  # noqa: E402

SPLITS = 5
EPOCHS = 15


def accuracy(library: Any, seed: int) -> float:
    """Train on a random 80 % of the images and return the accuracy on the others."""
    images, labels = digits.load_arrays()
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = np.split(order, [int(0.8 * len(images))])
    library.utils.set_random_seed(seed)
    layers = library.layers
    model = library.Sequential(
        [
            library.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[train], labels[train], epochs=EPOCHS, batch_size=32, verbose=0)
    return float(model.evaluate(images[test], labels[test], verbose=0)[1])


def test_digits_are_learned_as_well_as_by_keras(capsys: pytest.CaptureFixture[str]) -> None:
    ours = [accuracy(ls, seed) for seed in range(SPLITS)]
    theirs = [accuracy(keras, seed) for seed in range(SPLITS)]
    with capsys.disabled():
        print(
            f"\ndigits, mean test accuracy over {SPLITS} splits: "
            f"Layerscope {np.mean(ours):.4f}, Keras {np.mean(theirs):.4f}"
        )
    assert np.mean(ours) > 0.95
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.01
