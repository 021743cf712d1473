"""Activation functions under Keras's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope import ops
from layerscope.saving.serialization import (
    custom_object_scope,
    find_custom_object,
    serialize_function,
)

Array = Any
Activation = Callable[[Any], Any]
ActivationLike = str | Activation | dict[str, Any] | None


def linear(x: Array) -> Array:
    """Identity: ``x``."""
    return x


def relu(
    x: Array,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    *,
    alpha: float | None = None,
) -> Array:
    """Rectified linear unit.

    ``max_value`` where ``x >= max_value``, ``x`` above ``threshold``, and
    ``negative_slope * (x - threshold)`` below it. Keras 2 calls the slope ``alpha``.
    """
    if alpha is not None:
        negative_slope = alpha
    if not negative_slope and max_value is None and not threshold:
        return ops.relu(x)
    y = ops.where(x > threshold, x, negative_slope * (x - threshold))
    return y if max_value is None else ops.minimum(y, max_value)


def sigmoid(x: Array) -> Array:
    """Logistic function: ``1 / (1 + exp(-x))``."""
    return ops.sigmoid(x)


def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Exponentials that sum to one over `axis`."""
    return ops.softmax(x, axis=axis)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return ops.tanh(x)


#: Functions by the name a config gives them.
ACTIVATIONS: dict[str, Activation] = {
    function.__name__: function for function in (linear, relu, sigmoid, softmax, tanh)
}

#: LaTeX of each, for the explorer and the reference.
FORMULAS: dict[str, str] = {
    "linear": r"x",
    "relu": r"\max(x, 0)",
    "sigmoid": r"\frac{1}{1 + e^{-x}}",
    "softmax": r"\frac{e^{x_i}}{\sum_j e^{x_j}}",
    "tanh": r"\frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}",
}


def get(identifier: ActivationLike) -> Activation:
    """Return the activation meant by a name, a config or a callable; None is `linear`.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        found = ACTIVATIONS.get(identifier) or find_custom_object(identifier)
        if found is not None:
            return found
    elif callable(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret activation function identifier: {identifier!r}. "
        f"Valid names: {', '.join(sorted(ACTIVATIONS))}; or pass a function."
    )


def serialize(activation: Activation) -> str | dict[str, Any]:
    """Return the name of an activation, or a config for a custom one."""
    return serialize_function(activation)


def deserialize(config: str | dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the activation that `serialize` described."""
    with custom_object_scope(custom_objects or {}):
        if isinstance(config, str):
            return get(config)
        registered = config.get("registered_name")
        found = find_custom_object(registered) if registered else None
        inner = config.get("config")
        name = inner if isinstance(inner, str) else config.get("class_name")
        return found or get(str(name))
