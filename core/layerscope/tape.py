"""What a tape holds, and which tapes record at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any


class Record:
    """One executed operation on a tape.

    Attributes
    ----------
    operation, inputs, options : what was called with what.
    values : the arrays in the inputs.
    outputs : the recorded values it gave.
    saved : what the forward kept for the gradient.
    """

    __slots__ = ("inputs", "operation", "options", "outputs", "saved", "values")

    def __init__(
        self,
        operation: Any,
        inputs: Sequence[Any],
        values: Sequence[Any],
        options: dict[str, Any],
        outputs: tuple[Any, ...],
        saved: Any,
    ) -> None:
        self.operation = operation
        self.inputs = inputs
        self.values = values
        self.options = options
        self.outputs = outputs
        self.saved = saved


#: The tapes that record at this moment, outermost first: each is a list of records.
TAPES: ContextVar[tuple[list[Record], ...]] = ContextVar("tapes", default=())


def is_recording() -> bool:
    """Tell whether a tape records at this moment."""
    return bool(TAPES.get())
