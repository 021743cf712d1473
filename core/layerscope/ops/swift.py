"""Compiled gradients beside rules made of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope.compiled import activations as loops
from layerscope.ops.operation import VJP


def swift(
    gradient: str,
    rule: VJP,
    *,
    of_output: bool = False,
    parameters: Callable[..., tuple[float, ...]] | None = None,
) -> VJP:
    """Return a gradient rule in one pass over memory; where it is recorded, `rule` is.

    Parameters
    ----------
    gradient : name of a compiled one, of the incoming gradient and the input.
    rule : the same with operations, which can be differentiated in turn.
    of_output : whether `gradient` takes the output instead of the input.
    parameters : makes those of `gradient` from the operation's options.
    """

    def vjp(g: Any, out: Any, x: Any, **options: Any) -> Any:
        if type(g) is not np.ndarray or type(out) is not np.ndarray:
            return rule(g, out, x, **options)
        given = parameters(**options) if parameters is not None else ()
        return getattr(loops, gradient)(g, out if of_output else x, *given)

    return vjp
