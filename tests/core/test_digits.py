"""The images the package brings."""

from __future__ import annotations

import numpy as np

from layerscope.datasets import digits


def test_all_images_are_there() -> None:
    images, labels = digits.load_arrays()
    assert (images.shape, images.dtype) == ((1797, 8, 8, 1), "float32")
    assert (images.min(), images.max()) == (0, 1)
    assert (labels.dtype, sorted(set(labels.tolist()))) == ("int32", list(range(10)))


def test_every_image_is_for_training_or_for_testing() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data(test_fraction=0.25, seed=1)
    assert (len(x_train), len(x_test)) == (len(y_train), len(y_test)) == (1348, 449)
    images, labels = digits.load_arrays()

    def rows(x: np.ndarray, y: np.ndarray) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([x.reshape(len(x), -1), y]).tolist()))

    together = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert rows(*together) == rows(images, labels)
    again = digits.load_data(test_fraction=0.25, seed=1)
    np.testing.assert_array_equal(again[1][1], y_test)
    assert (digits.load_data(test_fraction=0.25, seed=2)[1][1] != y_test).any()
