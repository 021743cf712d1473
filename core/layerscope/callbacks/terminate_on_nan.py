"""Stopping when the loss is no number any more."""

from __future__ import annotations

import math

from layerscope.callbacks.callback import Callback, Logs


class TerminateOnNaN(Callback):
    """Stops training when the loss is not finite.

    Parameters
    ----------
    raise_error : whether to raise a `RuntimeError` at once; otherwise training ends in order.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}: loss={loss}. Training is over."
            )
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
