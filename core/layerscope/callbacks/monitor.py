"""What callbacks share that watch one value."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from layerscope import ops
from layerscope.callbacks.callback import Callback

Mode = Literal["auto", "min", "max"]


class MonitorCallback(Callback):
    """Watches a value and knows what is better.

    Parameters
    ----------
    monitor : name of the value in the logs.
    mode : whether less (``"min"``) or more (``"max"``) is better; ``"auto"`` asks the metric.
    baseline : value to compare the first one with; None: the first is always better.
    min_delta : what is better by no more than this is not.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: Mode = "auto",
        baseline: float | None = None,
        min_delta: float = 0.0,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode {mode!r} is unknown, it is taken as 'auto'; "
                "the others are 'min' and 'max'.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode: Mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        #: `ops.greater` or `ops.less`, once it is known.
        self.monitor_op: Any = None

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        if self.monitor_op is None:
            self._set_monitor_op()
        if reference is None:
            return True
        better: Any = self.monitor_op
        margin = self.min_delta if better is ops.greater else -self.min_delta
        return bool(better(value - margin, reference))

    def _set_monitor_op(self) -> None:
        self.monitor_op = ops.greater if self._more_is_better() else ops.less

    def _more_is_better(self) -> bool:
        """Tell whether more is better.

        Raises
        ------
        ValueError
            If neither `mode` nor the metric says so.
        """
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return False
        for metric in getattr(self.model, "metrics", ()):
            for one in getattr(metric, "metrics", (metric,)):
                direction = getattr(one, "_direction", None)
                if direction and (one.name == name or name.endswith(f"_{one.name}")):
                    return direction == "up"
        raise ValueError(
            f"{type(self).__name__} cannot tell whether more or less of monitor={self.monitor!r} "
            "is better. Pass `mode='max'` or `mode='min'`."
        )

    def _current(self, logs: dict[str, Any] | None, purpose: str) -> Any:
        """Return the watched value, None with a warning if there is none."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{purpose} depends on `{self.monitor}`, which is not available. Available are: "
                f"{', '.join(logs or {})}.",
                stacklevel=3,
            )
        return value
