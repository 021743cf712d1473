"""Handwritten digits: 1,797 images of 8x8 pixels.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, doi 10.24432/C50P49, CC BY 4.0: the test part, as scikit-learn distributes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def _path() -> Path:
    packaged = Path(__file__).with_name("digits.npz")
    if packaged.exists():
        return packaged
    # In a checkout the file stays among the assets.
    return Path(__file__).parents[3] / "assets" / "digits.npz"


def load_data(
    test_fraction: float = 0.2, seed: int = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return ``(x_train, y_train), (x_test, y_test)``.

    Images are float32 of shape (n, 8, 8, 1) from 0 to 1, labels int32 from 0 to 9.

    Parameters
    ----------
    test_fraction : share of the images to keep for testing.
    seed : fixes which ones.
    """
    images, labels = load_arrays()
    order = np.random.default_rng(seed).permutation(len(images))
    n_test = round(len(images) * test_fraction)
    test, train = order[:n_test], order[n_test:]
    return (images[train], labels[train]), (images[test], labels[test])


def load_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Return all images, float32 (1797, 8, 8, 1) from 0 to 1, and labels, int32."""
    with np.load(_path(), allow_pickle=False) as file:
        images = file["images"].astype(np.float32)[..., None] / 16
        return images, file["labels"].astype(np.int32)
