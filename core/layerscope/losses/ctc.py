"""A loss of sequences whose alignment is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.losses.loss import _FunctionLoss


def ctc(y_true: Any, y_pred: Any) -> Any:
    """Minus the log-probability of a sequence of classes under all alignments with the steps.

    Parameters
    ----------
    y_true : class numbers, (batch, length); zeros, the number of the blank, fill up the end.
    y_pred : values before the softmax over the classes, (batch, steps, classes).

    Raises
    ------
    ValueError
        For other numbers of axes.

    Source: Graves et al. 2006; Keras `ctc`.
    """
    if len(y_true.shape) != 2:
        raise ValueError(
            "Targets `y_true` must be class numbers of shape (batch_size, max_length). Received: "
            f"y_true.shape={tuple(y_true.shape)}"
        )
    if len(y_pred.shape) != 3:
        raise ValueError(
            "Logits `y_pred` must have shape (batch_size, max_length, num_classes). Received: "
            f"y_pred.shape={tuple(y_pred.shape)}"
        )
    target = ops.convert_to_numpy(y_true).astype(np.int64)
    lengths = np.count_nonzero(target, axis=-1)
    steps = np.full(len(target), y_pred.shape[1])
    return ops.ctc_loss(target, y_pred, lengths, steps)


class CTC(_FunctionLoss):
    """Minus the log-probability of a sequence of classes under all alignments with the steps.

    Shapes: targets (batch, length), filled up with zeros, which are the blank; predictions, before
    the softmax, (batch, steps, classes). Source: Graves et al. 2006.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(ctc)
    _defaults: ClassVar[dict[str, Any]] = {"name": "ctc"}
