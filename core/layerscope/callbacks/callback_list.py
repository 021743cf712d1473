"""Several callbacks as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.callbacks.callback import HOOKS, Callback
from layerscope.callbacks.history import History
from layerscope.callbacks.progbar_logger import ProgbarLogger
from layerscope.structure import leaves


class CallbackList(Callback):
    """Calls the hooks of several callbacks in turn.

    Parameters
    ----------
    callbacks : a callback, or nested lists of them.
    add_history, add_progbar : whether to add a `History` and a `ProgbarLogger` if there is none.
    model : given to each callback.
    params : given to each callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = leaves(callbacks) if callbacks else []
        found = (one for one in self.callbacks if isinstance(one, History))
        self.history = next(found, None)
        if self.history is None and add_history:
            self.history = History()
            self.callbacks.append(self.history)
        if add_progbar and not any(isinstance(one, ProgbarLogger) for one in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        self._listen()
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._listen()

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def _listen(self) -> None:
        """Find who listens to what: a hook that nobody listens to costs nothing."""
        self._listeners = {name: self._listening(name) if self.callbacks else [] for name in HOOKS}

    def _listening(self, name: str) -> list[Callable[..., None]]:
        """Return the functions that do something for a hook."""
        older = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}
        return [
            getattr(callback, name)
            for callback in self.callbacks
            if not _is_idle(callback, name) or not _is_idle(callback, older.get(name, name))
        ]


def _is_idle(callback: Any, name: str) -> bool:
    """Tell whether a hook is as the base class has it."""
    function = getattr(callback, name)
    return getattr(function, "__func__", None) is getattr(Callback, name)


def _handing_on(name: str) -> Callable[..., None]:
    """Return a hook that calls those of all callbacks, with logs to read and to add to."""
    numbered = "batch" in name or "epoch" in name

    def hook(self: CallbackList, *args: Any, logs: Any = None) -> None:
        functions = self._listeners[name]
        if not functions:
            return
        if len(args) > numbered:
            logs = args[-1]
        logs = {} if logs is None else logs
        for function in functions:
            function(*args[:numbered], logs)

    hook.__name__ = name
    hook.__doc__ = f"Call `{name}` of each callback."
    return hook


for _name in HOOKS:
    setattr(CallbackList, _name, _handing_on(_name))
