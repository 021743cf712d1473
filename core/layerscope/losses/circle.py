"""A loss of embeddings: those of one class near each other, others far away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.losses.loss import _FunctionLoss
from layerscope.masks import set_keras_mask

#: Exponent of a pair that does not count; with minus infinity gradients would be NaN.
_NEVER = -1e30


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> Any:
    """Circle loss of embeddings of length 1.

    Parameters
    ----------
    y_true : class numbers, (n,) or (n, 1).
    y_pred : embeddings, (n, size).
    ref_labels, ref_embeddings : what to compare with, (m,) and (m, size); None for the same.
    remove_diagonal : whether embedding i is not compared with reference i.
    gamma : scale of the distances.
    margin : how far inside its half a distance should be.

    Returns
    -------
    The loss of each embedding, (n,); its mask leaves out those that cost nothing.

    Source: Sun et al. 2020; Keras `circle`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    references = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    distance = ops.maximum(1.0 - ops.matmul(y_pred, ops.transpose(references)), 0.0)
    labels = _labels(y_true)
    others = labels if ref_labels is None else _labels(ref_labels)
    same = labels[:, None] == others[None, :]
    different = ~same
    if remove_diagonal:
        same &= ~np.eye(*same.shape, dtype=bool)
    pull = -gamma * ops.maximum(margin + distance, 0.0) * (margin - distance)
    push = gamma * ops.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    loss = ops.softplus(
        ops.logsumexp(ops.where(same, pull, _NEVER), axis=1)
        + ops.logsumexp(ops.where(different, push, _NEVER), axis=1)
    )
    set_keras_mask(loss, ops.convert_to_numpy(loss) > 0)
    return loss


def _labels(values: Any) -> np.ndarray:
    return ops.convert_to_numpy(values).astype(np.int64).reshape(-1)


class Circle(_FunctionLoss):
    """Pulls embeddings of one class together and pushes those of others apart.

    Shapes: targets are class numbers (n,), predictions embeddings (n, size) of length 1.
    Source: Sun et al. 2020.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(circle)
    _defaults: ClassVar[dict[str, Any]] = {"name": "circle"}

    gamma: float = field(default=80.0, help="Scale of the distances.")
    margin: float = field(default=0.4, help="How far inside its half a distance should be.")
    remove_diagonal: bool = field(
        default=True, help="Whether an embedding is not compared with itself."
    )
