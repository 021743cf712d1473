"""What the `call` and the `build` of a layer accept."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any


class CallSignature:
    """The arguments of a layer's `call`.

    Attributes
    ----------
    names : of all arguments.
    positional : names of the arguments that may be given by position.
    masks : names of the arguments that take masks.
    training : whether it wants to know the phase.
    """

    def __init__(self, cls: type[Any]) -> None:
        self.layer_class = cls.__name__
        parameters = list(inspect.signature(cls.call).parameters.values())[1:]
        self.names = {parameter.name for parameter in parameters}
        self.positional = [
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ] or ["inputs"]
        self.masks = {name for name in self.names if name == "mask" or name.endswith("_mask")}
        self.training = "training" in self.names

    def check_build(self, arguments: Sequence[str]) -> None:
        """Refuse a `build` with arguments that nothing could be given for.

        Raises
        ------
        ValueError
            If one is not named after an argument of `call`.
        """
        for name in arguments:
            received = (
                "A `build()` with several arguments takes the shapes of the arguments of `call()` "
                "they are named after, as `build(self, query_shape, value_shape)`. For layer "
                f"'{self.layer_class}', received `build()` argument `{name}`"
            )
            if not name.endswith("_shape"):
                raise ValueError(f"{received}, which does not end in `_shape`.")
            if (wanted := name.removesuffix("_shape")) not in self.names:
                raise ValueError(f"{received}, but `call()` does not have argument `{wanted}`.")


@functools.cache
def call_signature(cls: type[Any]) -> CallSignature:
    """Return what the `call` of a layer class accepts."""
    return CallSignature(cls)


@functools.cache
def build_arguments(cls: type[Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a layer class's `build`."""
    return tuple(inspect.signature(cls.build).parameters)[1:]


def as_arguments(cls: type[Any], inputs: Any) -> tuple[Any, ...]:
    """Return the inputs of a layer class, or their shapes, as arguments of `call` or `build`.

    Most layers take several inputs as one list. One whose `build` names them, as
    ``build(query_shape, value_shape)``, takes them one by one.
    """
    return tuple(inputs) if len(build_arguments(cls)) > 1 else (inputs,)
