"""When something is due that happens every so many steps."""

from __future__ import annotations

from typing import Any, Literal


def check_save_freq(value: Any) -> Any:
    """Return ``"epoch"`` or a positive number of steps.

    Raises
    ------
    ValueError
        If it is neither.
    """
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if value != "epoch" and not whole:
        raise ValueError(
            "Unrecognized save_freq: argument `save_freq` must be 'epoch' or a positive number of "
            f"steps. Received: save_freq={value!r}"
        )
    return value


class StepCounter:
    """Counts steps across epochs.

    Parameters
    ----------
    every : steps between two times; ``"epoch"``: never due after a step.
    """

    def __init__(self, every: Literal["epoch"] | int) -> None:
        self._every = every
        self._waited = 0
        self._last: int | None = None

    def is_due(self, batch: int) -> bool:
        """Count the steps up to `batch` of the epoch and tell whether they are enough."""
        if not isinstance(self._every, int):
            return False
        begun_anew = self._last is None or batch <= self._last
        self._waited += batch + 1 if begun_anew else batch - self._last  # type: ignore[operator]
        self._last = batch
        if self._waited < self._every:
            return False
        self._waited = 0
        return True
