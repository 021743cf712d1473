"""The tape: record what is computed, ask for gradients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from typing import Any, Self, TypeVar

import numpy as np

from layerscope.autodiff.backward import backward
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.ops.creation import convert_to_tensor
from layerscope.ops.manipulation import reshape, stack
from layerscope.tape import TAPES, Record
from layerscope.tensor import Tensor, Variable

T = TypeVar("T")


class GradientTape:
    """Records operations on trainable variables and watched values, as in TensorFlow.

    Parameters
    ----------
    persistent : whether gradients may be asked for more than once.
    watch_accessed_variables : whether trainable variables are watched unasked.

    Examples
    --------
    >>> import layerscope as ls
    >>> with ls.GradientTape() as tape:
    ...     x = tape.watch(3.0)
    ...     y = x * x
    >>> float(tape.gradient(y, x))
    6.0

    Under an outer tape, gradients have gradients:

    >>> with ls.GradientTape() as outer:
    ...     x = outer.watch(3.0)
    ...     with ls.GradientTape() as inner:
    ...         y = x**3
    ...     slope = inner.gradient(y, x)
    >>> float(outer.gradient(slope, x))
    18.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self.persistent = persistent
        self.watch_accessed_variables = watch_accessed_variables
        self._watched: list[Variable] = []
        self._records: list[Record] | None = []
        self._token: Token[tuple[list[Record], ...]] | None = None

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("This tape is already recording.")
        if self._records is None:
            self._records = []
        self._token = TAPES.set((*TAPES.get(), self._records))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        TAPES.reset(self._token)
        self._token = None

    def watch(self, value: Any) -> Any:
        """Return `value` as one whose history is recorded; compute with what is returned.

        A trainable variable is returned itself.
        """
        if type(value) is np.ndarray:
            watched = Tensor(value)
        elif isinstance(value, Variable) and value.trainable:
            self._watched.append(value)
            return value
        elif isinstance(value, Tensor):
            return value
        else:
            watched = Tensor(convert_to_tensor(value))
        if (mask := get_keras_mask(value)) is not None:
            set_keras_mask(watched, mask)
        return watched

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the variables whose gradients may be asked for, in the order of their use."""
        found = {id(variable): variable for variable in self._watched}
        if self.watch_accessed_variables:
            for record in self._records or ():
                for value in record.inputs:
                    if isinstance(value, Variable) and value.trainable:
                        found.setdefault(id(value), value)
        return tuple(found.values())

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Leave out what is computed inside, as if it were constant.

        Raises
        ------
        RuntimeError
            If the tape does not record.
        """
        if self._token is None:
            raise RuntimeError("`stop_recording` only makes sense while the tape records.")
        records = self._records
        token = TAPES.set(tuple(tape for tape in TAPES.get() if tape is not records))
        try:
            yield
        finally:
            TAPES.reset(token)

    def reset(self) -> None:
        """Forget what was recorded so far."""
        if self._records is not None:
            self._records.clear()

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
    ) -> Any:
        """Differentiate `target` with respect to `sources`.

        Parameters
        ----------
        target : recorded value, or a list of them, which are summed; one that is not a scalar is
            summed, too.
        sources : a variable or watched value, or a list, tuple or dict of them.
        output_gradients : gradient flowing into `target`, ones for None; a list for a list.

        Returns
        -------
        Gradients in the structure of `sources`; None where `target` does not depend on one.

        Raises
        ------
        RuntimeError
            If the tape was used before and is not persistent.
        ValueError
            If `output_gradients` does not have the shape of `target`.
        """
        targets, seeds = [target], [output_gradients]
        if isinstance(target, (list, tuple)):
            targets = list(target)
            seeds = list(output_gradients or [None] * len(targets))
        flat, pack = _flatten(sources)
        visible = self._visible(flat)
        return pack(self._used(backward, targets, visible, seeds))

    def jacobian(self, target: Any, sources: Any) -> Any:
        """Differentiate every entry of `target` with respect to every entry of `sources`.

        Returns
        -------
        Arrays of shape ``(*target.shape, *source.shape)`` in the structure of `sources`; None where
        `target` does not depend on one.

        Raises
        ------
        RuntimeError
            If the tape was used before and is not persistent.
        """
        flat, pack = _flatten(sources)
        return pack(self._used(_jacobians, target, self._visible(flat)))

    def _used(self, walk: Callable[..., T], *args: Any) -> T:
        """Hand the records, and `args`, to `walk`, for the last time unless persistent."""
        records = self._records
        if records is None:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one gradient; create "
                "it with `GradientTape(persistent=True)` to ask for more."
            )
        if self.persistent:
            return walk(records, *args)
        # Asked inside the block, the walk is not recorded: nobody can ask this tape again.
        self._records = None
        if self._token is None:
            return walk(records, *args)
        token = TAPES.set(tuple(tape for tape in TAPES.get() if tape is not records))
        try:
            return walk(records, *args)
        finally:
            TAPES.reset(token)

    def _visible(self, sources: list[Any]) -> list[Any]:
        """Return the sources, something nobody depends on in place of unwatched variables."""
        if self.watch_accessed_variables:
            return sources
        watched = set(map(id, self._watched))
        return [
            Tensor(np.empty(()))
            if isinstance(source, Variable) and id(source) not in watched
            else source
            for source in sources
        ]


def _jacobians(records: list[Record], target: Any, sources: list[Any]) -> list[Any]:
    if not isinstance(target, Tensor):
        return [None for _ in sources]
    rows = []
    for place in range(target.size):
        seed = np.zeros(target.size, target.dtype)
        seed[place] = 1
        rows.append(backward(records, [target], sources, [seed.reshape(target.shape)]))
    return [
        None
        if any(one is None for one in column)
        else reshape(stack(column), (*target.shape, *source.shape))
        for source, column in zip(sources, zip(*rows, strict=True), strict=True)
    ]


def _flatten(sources: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    if isinstance(sources, dict):
        return list(sources.values()), lambda grads: dict(zip(sources, grads, strict=True))
    if isinstance(sources, (list, tuple)):
        return list(sources), type(sources)
    return [sources], lambda grads: grads[0]
