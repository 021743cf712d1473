"""Arrays large enough for the compiled loop are padded as NumPy pads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerscope import ops

WIDTHS = [
    ((4, 60, 60, 16), ((0, 0), (1, 2), (0, 3), (0, 0))),
    ((300, 300), 2),
    ((50, 50, 50), ((1, 0), (2, 3), (0, 4))),
    ((3, 30, 40, 50), ((0, 0), (1, 0), (0, 0), (0, 4))),
    ((2, 3, 4, 50, 60), 1),
    ((70000,), ((3, 4),)),
    ((3, 2, 200, 100), 0),
]


@pytest.mark.parametrize(("shape", "widths"), WIDTHS)
@pytest.mark.parametrize("value", [None, -2.5])
def test_large_arrays_are_padded_as_by_numpy(
    shape: tuple[int, ...], widths: Any, value: float | None
) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    for given in (x, x[::-1], x.T):
        turned = widths[::-1] if given.shape != shape and isinstance(widths, tuple) else widths
        expected = np.pad(given, turned, constant_values=value or 0)
        np.testing.assert_array_equal(ops.pad(given, turned, constant_values=value), expected)


def test_a_large_array_cannot_be_padded_by_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="negative"):
        ops.pad(np.zeros((300, 300), "float32"), ((-1, 0), (0, 0)))
