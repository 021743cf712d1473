"""Entries zeroed at random, by numbers computed from where an entry is instead of being stored.

Every block of entries has two random keys. A number is its place in the block, spread over all
bits by one key and mixed (the last step of MurmurHash3, whose every output bit depends on every
input bit), then mixed again with the other key.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled.jit import native
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, shared

#: Entries of a block.
BLOCK = 1 << 14

_U = np.uint32
#: The golden ratio in 32 bits: successive multiples are far apart.
_GOLDEN = _U(0x9E3779B9)


@native()
def _mixed(bits: Any) -> Any:
    bits = _U(bits ^ _U(bits >> _U(16)))
    bits = _U(bits * _U(0x85EBCA6B))
    bits = _U(bits ^ _U(bits >> _U(13)))
    bits = _U(bits * _U(0xC2B2AE35))
    return _U(bits ^ _U(bits >> _U(16)))


def _drop_reference(
    x: np.ndarray, keys: np.ndarray, limit: Any, scale: Any, out: np.ndarray
) -> None:
    places = np.arange(BLOCK, dtype=np.uint32) * _GOLDEN
    mixed = getattr(_mixed, "py_func", _mixed)
    for k, (first, second) in enumerate(keys):
        block = slice(k * BLOCK, min((k + 1) * BLOCK, x.size))
        bits = mixed(mixed(places[: block.stop - block.start] + first) ^ second)
        np.multiply(x[block], np.where(bits >= limit, scale, x.dtype.type(0)), out=out[block])


@shared(_drop_reference, fastmath={"contract"})
def drop(
    board: int,
    tasks: int,
    x: np.ndarray,
    keys: np.ndarray,
    limit: Any,
    scale: Any,
    out: np.ndarray,
) -> None:
    """Multiply entries by zero where their number is below `limit`, by `scale` elsewhere.

    Shapes: x and out (n,), the latter written; keys (blocks, 2), of type uint32 like `limit`.
    """
    # A plain 0 would make the product one of doubles.
    nothing = x.dtype.type(0)
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(keys), task, tasks), start(len(keys), task + 1, tasks)):
            first, second = keys[k, 0], keys[k, 1]
            values, results = x[k * BLOCK : (k + 1) * BLOCK], out[k * BLOCK : (k + 1) * BLOCK]
            for j in range(values.size):
                bits = _mixed(_U(_U(_U(j) * _GOLDEN) + first))
                bits = _mixed(_U(bits ^ second))
                results[j] = values[j] * (scale if bits >= limit else nothing)
        task = claim(board, task, tasks)
