"""Gradients compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.autodiff.gradient_tape import GradientTape


def check_gradients(
    function: Callable[..., Any],
    *inputs: np.ndarray,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    step: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare reverse-mode gradients with central differences in float64.

    Every entry of every input is moved on its own, so keep the inputs small. The output is
    contracted with a fixed random array first, which checks the whole Jacobian.

    Parameters
    ----------
    function : maps arrays to one array.
    inputs : float arrays; converted to float64.
    rtol, atol : tolerances of the comparison.
    step : distance of the central difference.

    Raises
    ------
    AssertionError
        If a gradient differs; the message shows the worst entry.
    """
    points = [np.array(value, dtype=np.float64) for value in inputs]
    with GradientTape() as tape:
        watched = [tape.watch(point.copy()) for point in points]
        out = function(*watched)
    projection = np.random.default_rng(seed).normal(size=out.shape)
    gradients = tape.gradient(out, watched, output_gradients=projection)

    def projected() -> float:
        return float(np.sum(np.asarray(function(*points)) * projection))

    for index, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        expected = np.empty_like(point)
        for position in np.ndindex(point.shape):
            original = point[position]
            point[position] = original + step
            above = projected()
            point[position] = original - step
            below = projected()
            point[position] = original
            expected[position] = (above - below) / (2 * step)
        found = np.zeros_like(point) if gradient is None else gradient
        # Entries far below the largest one are dominated by the difference's rounding.
        scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(
            found, expected, rtol=rtol, atol=atol * scale, err_msg=f"gradient of input {index}"
        )
