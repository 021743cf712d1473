"""Whether everybody computes the same, before anything is timed."""

from __future__ import annotations

import numpy as np

from peers.cases import Case
from peers.data import Arrays, Data
from peers.prepared import Prepared

#: Largest difference, in units of the largest entry. Shuffled epochs only agree roughly.
TOLERANCE, SHUFFLED = 2e-3, 0.3


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference in units of the largest entry expected.

    Infinite for another shape.
    """
    if found.shape != expected.shape:
        return float("inf")
    expected = expected.astype("float64")
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    return float(np.abs(found - expected).max(initial=0.0)) / scale


def problem_of(case: Case, data: Data, prepared: Prepared) -> str | None:
    """Return what is wrong with what a driver computes, None if it is what Layerscope does."""
    outputs = prepared.outputs()
    if case.random:
        return _problem_of_dropout(case, data, outputs)
    tolerance = SHUFFLED if case.layer.startswith("epoch") else TOLERANCE
    if problem := _difference("output", outputs, data.outputs, tolerance):
        return problem
    # Those of the weights come after them, in the framework's own layout.
    gradients = prepared.gradients()[: len(data.gradients)]
    return _difference("gradient", gradients, data.gradients, tolerance)


def _difference(what: str, found: Arrays, expected: Arrays, tolerance: float) -> str | None:
    for one, other in zip(found, expected, strict=True):
        if not (apart := distance(one, other)) <= tolerance:
            return f"another {what}: {apart:.2g} apart, shapes {one.shape} and {other.shape}"
    return None


def _problem_of_dropout(case: Case, data: Data, outputs: Arrays) -> str | None:
    rate = case.arguments["rate"]
    kept = outputs[0] != 0
    if abs(kept.mean() - (1 - rate)) > 0.01:
        return f"keeps {kept.mean():.3f} of the values instead of {1 - rate}"
    if not np.allclose(outputs[0][kept], data.inputs[0][kept] / (1 - rate), rtol=1e-4):
        return "does not scale what it keeps"
    return None
