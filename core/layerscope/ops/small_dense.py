"""Small dense layers on plain arrays: several at once, in less time than BLAS takes to begin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from layerscope.compiled import dense_stack as loops
from layerscope.compiled import jit, products, room

Array = Any

#: With more multiplications BLAS is sooner, unless all kernels are small, and rows neither few nor
#: many.
_MANY = 2**18
_SMALL, _ROWS = 2**12, range(24, 193)
_SINGLE = np.dtype(np.float32)
_NOTHING = np.empty((0, 0), np.float32)


class _Plan(NamedTuple):
    """What loops are told about layers.

    Attributes
    ----------
    units : of the input and of each layer.
    kinds : number of each layer's activation.
    size : entries of the outputs of all layers, with what fills them up.
    """

    units: Array
    kinds: Array
    size: int


class Outputs(NamedTuple):
    """What the gradient needs beside inputs and weights: see `loops.stack_outputs`."""

    plan: _Plan
    weights: Array
    kept: Array


@functools.lru_cache(256)
def _plan(rows: int, units: tuple[int, ...], activations: tuple[str | None, ...]) -> _Plan:
    kinds = [loops.ACTIVATIONS.index(one) for one in activations]
    columns = sum(map(products.panel_columns, units[1:]))
    return _Plan(np.array(units), np.array(kinds), products.whole_rows(rows) * columns)


def _plan_for(x: Array, weights: Sequence[Array], activations: Sequence[str | None]) -> _Plan:
    units = (x.shape[1], *[bias.size for bias in weights[1::2]])
    return _plan(len(x), units, tuple(activations))


def fits(x: Array, weights: Sequence[Array]) -> bool:
    """Tell whether layers are small, and all arrays what loops take.

    Parameters
    ----------
    x : (n, in).
    weights : kernel (in, units) and bias (units,) of each layer.
    """
    if not jit.ENABLED or type(x) is not np.ndarray or x.ndim != 2 or x.dtype != _SINGLE:
        return False
    most = left = _MANY // max(len(x), 1)
    largest, columns = 0, x.shape[1]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        if not (
            type(kernel) is type(bias) is np.ndarray
            and kernel.dtype == bias.dtype == _SINGLE
            and kernel.shape == (columns, bias.size)
            and bias.ndim == 1
        ):
            return False
        columns, left = bias.size, left - kernel.size
        largest = max(largest, kernel.size)
    small = len(x) in _ROWS and largest <= min(_SMALL, most)
    return (left >= 0 or small) and x.size > 0 < columns


def outputs(
    x: Array, weights: Sequence[Array], activations: Sequence[str | None]
) -> tuple[Array, Outputs]:
    """Return the last layer's output, and what `gradients` needs, of what `fits`."""
    plan = _plan_for(x, weights, activations)
    flat = np.concatenate([weight.reshape(-1) for weight in weights])
    kept = np.empty(plan.size, np.float32)
    out = room.empty((len(x), weights[-1].size))
    loops.stack_outputs(np.ascontiguousarray(x), flat, plan.units, plan.kinds, kept, out)
    return out, Outputs(plan, flat, kept)


def gradients(g: Array, x: Array, known: Outputs, for_x: bool) -> list[Array | None]:
    """Return the gradients of the input, if it is wanted, and of each layer's kernel and bias."""
    plan, flat, kept = known
    found = np.empty(flat.size, np.float32)
    grad_x = room.empty(x.shape) if for_x else _NOTHING
    g, x = np.ascontiguousarray(g, np.float32), np.ascontiguousarray(x)
    loops.stack_gradients(g, x, flat, plan.units, plan.kinds, kept, found, grad_x)
    results: list[Array | None] = [grad_x if for_x else None]
    units, begin = plan.units.tolist(), 0
    for before, after in pairwise(units):
        middle = begin + before * after
        results.append(found[begin:middle].reshape(before, after))
        results.append(found[middle : middle + after])
        begin = middle + after
    return results
