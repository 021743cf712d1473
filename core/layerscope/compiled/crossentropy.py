"""Mean cross-entropies of a batch in one call, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import activations
from layerscope.compiled.jit import callable_from_loops, compiled

_clipped = activations.clipped.function


@callable_from_loops()
def _is_class(label: Any, classes: int) -> Any:
    """Tell whether a number, or each of an array, is that of one of so many classes."""
    return (label >= 0) & (label < classes)


@callable_from_loops()
def _total_and_share(row: Any, label: int) -> Any:
    """Return the sum of a row, and the share of one entry; NaN of one that there is not."""
    total = row.dtype.type(0)
    for c in range(row.size):
        total += row[c]
    if not _is_class(label, row.size):
        return total, row.dtype.type(np.nan)
    # What is not finite anywhere in a row has to show.
    return total, row[label] / total + (total - total)


def _share_of(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = x.sum(1)
    there = _is_class(labels, x.shape[1])
    share = x[np.arange(len(x)), np.where(there, labels, 0)] / total + (total - total)
    return total, np.where(there, share, np.nan).astype(x.dtype)


def _mean_sparse_reference(
    x: np.ndarray, labels: np.ndarray, epsilon: float, mean: np.ndarray
) -> None:
    _, share = _share_of(x, labels)
    mean[0] = -np.log(np.clip(share, epsilon, 1 - epsilon)).mean(dtype=np.float64)


@compiled(_mean_sparse_reference)
def mean_sparse(x: np.ndarray, labels: np.ndarray, epsilon: float, mean: np.ndarray) -> None:
    """Write the mean of ``-log(x[label] / sum(x))``, the share limited by epsilon.

    Shapes: x (n, classes); labels (n,); mean (1,), written, in double precision: NaN if there is a
    label that is no class.
    """
    kind = x.dtype.type
    near, far = kind(epsilon), kind(1 - epsilon)
    lost = 0.0
    for i in range(len(x)):
        _, share = _total_and_share(x[i], labels[i])
        lost -= np.log(_clipped(share, near, far))
    mean[0] = lost / len(x)


def _mean_sparse_gradient_reference(
    grad: float, x: np.ndarray, labels: np.ndarray, epsilon: float, grad_x: np.ndarray
) -> None:
    total, share = _share_of(x, labels)
    limited = (share < epsilon) | (share > 1 - epsilon)
    slope = np.where(limited, 0, grad / len(x) / np.where(limited, 1, share * total))
    grad_x[...] = (slope * share)[:, None]
    (there,) = np.nonzero(_is_class(labels, x.shape[1]))
    grad_x[there, labels[there]] -= slope[there]


@compiled(_mean_sparse_gradient_reference)
def mean_sparse_gradient(
    grad: float, x: np.ndarray, labels: np.ndarray, epsilon: float, grad_x: np.ndarray
) -> None:
    """Gradient of `mean_sparse`; grad_x (n, classes) is written, NaN for what is no class."""
    kind = x.dtype.type
    near, far = kind(epsilon), kind(1 - epsilon)
    part = kind(grad / len(x))
    for i in range(len(x)):
        row, result = x[i], grad_x[i]
        total, share = _total_and_share(row, labels[i])
        slope = kind(0) if share < near or share > far else part / (share * total)
        for c in range(row.size):
            result[c] = slope * share
        if _is_class(labels[i], row.size):
            result[labels[i]] -= slope


def _mean_binary_reference(
    x: np.ndarray, target: np.ndarray, epsilon: float, mean: np.ndarray
) -> None:
    p = np.clip(x, epsilon, 1 - epsilon)
    lost = target * np.log(p) + (1 - target) * np.log1p(-p)
    mean[0] = -lost.mean(dtype=np.float64)


@compiled(_mean_binary_reference)
def mean_binary(x: np.ndarray, target: np.ndarray, epsilon: float, mean: np.ndarray) -> None:
    """Write the mean of ``-(target log x + (1 - target) log(1 - x))``, x limited by epsilon.

    Shapes: x and target (n,); mean (1,), written, in double precision.
    """
    kind = x.dtype.type
    near, far = kind(epsilon), kind(1 - epsilon)
    lost = 0.0
    for k in range(x.size):
        p = _clipped(x[k], near, far)
        lost -= target[k] * np.log(p) + (kind(1) - target[k]) * np.log1p(-p)
    mean[0] = lost / x.size


def _mean_binary_gradient_reference(
    grad: float, x: np.ndarray, target: np.ndarray, epsilon: float, grad_x: np.ndarray
) -> None:
    limited = (x < epsilon) | (x > 1 - epsilon)
    distance = np.where(limited, 1, x * (1 - x))
    grad_x[...] = np.where(limited, 0, (x - target) * (grad / x.size / distance))


@compiled(_mean_binary_gradient_reference)
def mean_binary_gradient(
    grad: float, x: np.ndarray, target: np.ndarray, epsilon: float, grad_x: np.ndarray
) -> None:
    """Gradient of `mean_binary`; grad_x (n,) is written."""
    kind = x.dtype.type
    near, far = kind(epsilon), kind(1 - epsilon)
    part = kind(grad / x.size)
    for k in range(x.size):
        p = x[k]
        grad_x[k] = kind(0)
        if not (p < near or p > far):
            grad_x[k] = (p - target[k]) * (part / (p * (kind(1) - p)))
