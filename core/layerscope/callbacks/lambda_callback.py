"""Functions as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.callbacks.callback import HOOKS, Callback


class LambdaCallback(Callback):
    """Calls the functions it is given, named after the hooks; other names become attributes.

    Raises
    ------
    ValueError
        If a name begins like a hook's and there is no such hook.

    Examples
    --------
    >>> import layerscope as ls
    >>> shout = ls.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, "done"))
    >>> shout.on_epoch_end(3, {})
    3 done
    """

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        for name, function in functions.items():
            if name.startswith("on_") and name not in HOOKS:
                raise ValueError(f"Unknown hook {name!r}. Valid hooks: {', '.join(sorted(HOOKS))}.")
            if function is not None:
                setattr(self, name, function)
