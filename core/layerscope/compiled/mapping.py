"""Functions of every entry of an array, in one pass over memory.

What takes float32 is compiled from a function of one number; other types, and what is no array,
go through a NumPy formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled import room
from layerscope.compiled.jit import callable_from_loops, native
from layerscope.compiled.tasks import tasks_of
from layerscope.compiled.team import alone, claim, half_vectors, shared, whole_vectors

Formula = Callable[..., Any]
Parameters = tuple[np.float32, ...]

_SINGLE = np.dtype(np.float32)


@native(inline="always")
def start(length: int, task: int, tasks: int) -> int:
    """Return where a task begins; the one after the last begins at the end."""
    return length * task // tasks


#: Let compiled loops call a function of one number, inlined.
of_one_number = callable_from_loops(fastmath={"contract", "nsz"})


def named(loop: Formula, name: str, module: str, doc: str) -> Formula:
    """Give a loop a name and the file that makes it, under which its machine code is kept, too."""
    loop.__name__ = loop.__qualname__ = name.strip("_")
    loop.__module__, loop.__doc__ = module, doc
    return loop


def _shared(loop: Formula, reference: Formula, function: Formula) -> Any:
    doc = f"Write `{function.__name__}` of every entry to `out`; arrays are flat."
    return shared(reference)(named(loop, function.__name__, function.__module__, doc))


class Mapped:
    """A function of every entry, called as ``function(x, *parameters)``.

    Parameters
    ----------
    function : of one number and the parameters, in single precision; `of_one_number`.
    formula : the same with NumPy, for arrays of any type.
    """

    def __init__(self, function: Formula, formula: Formula) -> None:
        self.function, self.formula = function, formula

        def reference(x: np.ndarray, out: np.ndarray, parameters: Parameters) -> None:
            out[...] = formula(x, *parameters)

        def loop(
            board: int, tasks: int, x: np.ndarray, out: np.ndarray, parameters: Parameters
        ) -> None:
            task = claim(board, -1, tasks)
            while task >= 0:
                first, last = start(x.size, task, tasks), start(x.size, task + 1, tasks)
                values, results = x[first:last], out[first:last]
                for k in range(values.size):
                    results[k] = function(values[k], *parameters)
                task = claim(board, task, tasks)

        self.loop = _shared(loop, reference, function)
        self._alone = alone(self.loop)

    def __call__(self, x: Any, *parameters: float) -> Any:
        if type(x) is not np.ndarray or x.dtype != _SINGLE:
            return self.formula(x, *parameters)
        given = tuple(map(np.float32, parameters)) if parameters else ()
        tasks = tasks_of(x.size)
        if tasks == 1:
            out = np.empty(x.shape, _SINGLE)
            self._alone(0, 1, x.ravel(), out.ravel(), given)
        else:
            out = room.empty(x.shape)
            self.loop(tasks, x.ravel(), out.ravel(), given)
        return out


class MappedPair:
    """A function of the entries of two arrays, called as ``function(a, b, *parameters)``.

    Most are gradients: of that of the result, and of what was given or is the result.

    Parameters
    ----------
    function : of two numbers and the parameters, in single precision; `of_one_number`.
    formula : the same with NumPy, for arrays of any type.
    light : whether it is so little that a loop waits for memory.
    """

    def __init__(self, function: Formula, formula: Formula, *, light: bool = False) -> None:
        self.function, self.formula = function, formula
        vectors = half_vectors if light else whole_vectors

        def reference(
            g: np.ndarray, x: np.ndarray, out: np.ndarray, parameters: Parameters
        ) -> None:
            out[...] = formula(g, x, *parameters)

        def loop(
            board: int,
            tasks: int,
            g: np.ndarray,
            x: np.ndarray,
            out: np.ndarray,
            parameters: Parameters,
        ) -> None:
            vectors()
            task = claim(board, -1, tasks)
            while task >= 0:
                first, last = start(x.size, task, tasks), start(x.size, task + 1, tasks)
                grads, values, results = g[first:last], x[first:last], out[first:last]
                for k in range(values.size):
                    results[k] = function(grads[k], values[k], *parameters)
                task = claim(board, task, tasks)

        self.loop = _shared(loop, reference, function)
        self._alone = alone(self.loop)

    def __call__(self, a: np.ndarray, b: np.ndarray, *parameters: float) -> np.ndarray:
        if a.dtype != _SINGLE or b.dtype != _SINGLE or a.shape != b.shape:
            return self.formula(a, b, *parameters)
        given = tuple(map(np.float32, parameters)) if parameters else ()
        tasks = tasks_of(a.size)
        if tasks == 1:
            out = np.empty(a.shape, _SINGLE)
            self._alone(0, 1, a.ravel(), b.ravel(), out.ravel(), given)
        else:
            out = room.empty(a.shape)
            self.loop(tasks, a.ravel(), b.ravel(), out.ravel(), given)
        return out
