"""Activation functions under Keras's names.

A layer takes one by name, as a function of this module, or as any other function; `Activation` is
the same as a layer of its own.

>>> import layerscope as ls
>>> from layerscope import backend as K
>>> model = ls.Sequential([ls.Input((4,))])
>>> model.add(ls.layers.Dense(8))
>>> model.add(ls.layers.Activation("tanh"))
>>> model.add(ls.layers.Dense(8, activation="tanh"))
>>> model.add(ls.layers.Dense(8, activation=K.tanh))
>>> [layer.activation.__name__ for layer in model.layers[1:]]
['tanh', 'tanh', 'tanh']
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope import ops
from layerscope.custom_objects import custom_object_scope, find_custom_object
from layerscope.ops.dense import FUSED
from layerscope.plain_data import serialize_function

Array = Any
Activation = Callable[[Any], Any]
ActivationLike = str | Activation | dict[str, Any] | None


def celu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit with a smooth slope: ``x`` or ``alpha * (exp(x / alpha) - 1)``."""
    return ops.celu(x, alpha=alpha)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit: ``x`` above zero, ``alpha * (exp(x) - 1)`` below."""
    return ops.elu(x, alpha=alpha)


def exponential(x: Array) -> Array:
    """Exponential: ``exp(x)``."""
    # Infinity is the right answer where the exponential is too large a number.
    with np.errstate(over="ignore"):
        return ops.exp(x)


def gelu(x: Array, approximate: bool = False) -> Array:
    """Gaussian error linear unit: ``x`` times the standard normal distribution function of it."""
    return ops.gelu(x, approximate=approximate)


def glu(x: Array, axis: int = -1) -> Array:
    """Gated linear unit: first half of `axis` times the sigmoid of the second."""
    return ops.glu(x, axis=axis)


def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """Zero up to a distance of `threshold` from zero, ``x`` beyond."""
    return ops.hard_shrink(x, threshold=threshold)


def hard_sigmoid(x: Array) -> Array:
    """Straight-line sigmoid: ``x / 6 + 1 / 2`` limited to [0, 1]."""
    return ops.hard_sigmoid(x)


def hard_silu(x: Array) -> Array:
    """Straight-line gate: ``x * hard_sigmoid(x)``."""
    return ops.hard_silu(x)


def hard_tanh(x: Array) -> Array:
    """Straight-line hyperbolic tangent: ``x`` limited to [-1, 1]."""
    return ops.hard_tanh(x)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """Rectifier that lets a little through: ``x`` above zero, ``negative_slope * x`` below."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def linear(x: Array) -> Array:
    """Identity: ``x``."""
    return x


def log_sigmoid(x: Array) -> Array:
    """Logarithm of the sigmoid: ``-log(1 + exp(-x))``."""
    return ops.log_sigmoid(x)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Logarithm of the softmax over `axis`."""
    return ops.log_softmax(x, axis=axis)


def mish(x: Array) -> Array:
    """Smooth gate: ``x * tanh(softplus(x))``."""
    return ops.mish(x)


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
    if not negative_slope:
        y = ops.threshold(x, threshold, 0.0) if threshold else ops.relu(x)
    elif threshold:
        y = ops.where(x > threshold, x, negative_slope * (x - threshold))
    else:
        y = ops.leaky_relu(x, negative_slope=negative_slope)
    return y if max_value is None else ops.minimum(y, max_value)


def relu6(x: Array) -> Array:
    """Rectified linear unit that ends at six: ``min(max(x, 0), 6)``."""
    return ops.relu6(x)


def selu(x: Array) -> Array:
    """Exponential linear unit scaled so that mean 0 and variance 1 persist."""
    return ops.selu(x)


def sigmoid(x: Array) -> Array:
    """Logistic function: ``1 / (1 + exp(-x))``."""
    return ops.sigmoid(x)


def silu(x: Array) -> Array:
    """Smooth gate, also called swish: ``x * sigmoid(x)``."""
    return ops.silu(x)


def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` moved towards zero by `threshold`, zero where it would cross it."""
    return ops.soft_shrink(x, threshold=threshold)


def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Exponentials that sum to one over `axis`."""
    return ops.softmax(x, axis=axis)


def softplus(x: Array) -> Array:
    """Smooth rectifier: ``log(1 + exp(x))``."""
    return ops.softplus(x)


def softsign(x: Array) -> Array:
    """Rational sigmoid: ``x / (1 + abs(x))``."""
    return ops.softsign(x)


def sparse_plus(x: Array) -> Array:
    """Rectifier with a parabola between -1 and 1."""
    return ops.sparse_plus(x)


def sparse_sigmoid(x: Array) -> Array:
    """Straight-line sigmoid: ``(x + 1) / 2`` limited to [0, 1]."""
    return ops.sparse_sigmoid(x)


def sparsemax(x: Array, axis: int = -1) -> Array:
    """Nearest probabilities to ``x`` over `axis`, most of them zero."""
    return ops.sparsemax(x, axis=axis)


def squareplus(x: Array, b: float = 4) -> Array:
    """Smooth rectifier without exponentials: ``(x + sqrt(x**2 + b)) / 2``."""
    return ops.squareplus(x, b=b)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return ops.tanh(x)


def tanh_shrink(x: Array) -> Array:
    """What the hyperbolic tangent leaves: ``x - tanh(x)``."""
    return ops.tanh_shrink(x)


def threshold(x: Array, threshold: float, default_value: float) -> Array:
    """``x`` above `threshold`, `default_value` elsewhere."""
    return ops.threshold(x, threshold, default_value)


#: Functions by the name a config gives them.
ACTIVATIONS: dict[str, Activation] = {
    function.__name__: function
    for function in (
        celu, elu, exponential, gelu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu,
        linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink,
        softmax, softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh,
        tanh_shrink,
    )
}  # fmt: skip


def fused_name(activation: Activation | None) -> str | None:
    """Return the name by which `ops.dense` computes an activation at once, None if it does not."""
    name = getattr(activation, "__name__", None)
    return name if name in FUSED and ACTIVATIONS[name] is activation else None


#: What `get` understands beside: second names, and functions that do not keep the shape or need
#: more than an array, which is why nobody should be offered them for a layer.
_FURTHER: dict[str, Callable[..., Any]] = {
    "glu": glu,
    "hard_swish": hard_silu,
    "swish": silu,
    "threshold": threshold,
}

#: LaTeX of each, for the explorer and the reference.
FORMULAS: dict[str, str] = {
    "celu": r"\max(x, 0) + \min(0, \alpha (e^{x / \alpha} - 1))",
    "elu": r"\begin{cases} x & x > 0 \\ \alpha (e^{x} - 1) & x \le 0 \end{cases}",
    "exponential": r"e^{x}",
    "gelu": r"x \, \Phi(x)",
    "glu": r"a \cdot \sigma(b), \quad [a, b] = x",
    "hard_shrink": r"\begin{cases} x & |x| > \theta \\ 0 & |x| \le \theta \end{cases}",
    "hard_sigmoid": r"\min(\max(x / 6 + 1 / 2, 0), 1)",
    "hard_silu": r"x \min(\max(x / 6 + 1 / 2, 0), 1)",
    "hard_tanh": r"\min(\max(x, -1), 1)",
    "leaky_relu": r"\begin{cases} x & x \ge 0 \\ s x & x < 0 \end{cases}",
    "linear": r"x",
    "log_sigmoid": r"-\ln(1 + e^{-x})",
    "log_softmax": r"x_i - \ln \sum_j e^{x_j}",
    "mish": r"x \tanh(\ln(1 + e^{x}))",
    "relu": r"\max(x, 0)",
    "relu6": r"\min(\max(x, 0), 6)",
    "selu": r"\lambda \begin{cases} x & x > 0 \\ \alpha (e^{x} - 1) & x \le 0 \end{cases}",
    "sigmoid": r"\frac{1}{1 + e^{-x}}",
    "silu": r"\frac{x}{1 + e^{-x}}",
    "soft_shrink": r"\operatorname{sign}(x) \max(|x| - \theta, 0)",
    "softmax": r"\frac{e^{x_i}}{\sum_j e^{x_j}}",
    "softplus": r"\ln(1 + e^{x})",
    "softsign": r"\frac{x}{1 + |x|}",
    "sparse_plus": (
        r"\begin{cases} 0 & x \le -1 \\ (x + 1)^2 / 4 & |x| < 1 \\ x & x \ge 1 \end{cases}"
    ),
    "sparse_sigmoid": r"\min(\max((x + 1) / 2, 0), 1)",
    "sparsemax": r"\max(x_i - \tau, 0), \quad \textstyle\sum_i y_i = 1",
    "squareplus": r"\frac{x + \sqrt{x^2 + b}}{2}",
    "tanh": r"\frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}",
    "tanh_shrink": r"x - \tanh(x)",
    "threshold": r"\begin{cases} x & x > \theta \\ d & x \le \theta \end{cases}",
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
        known = ACTIVATIONS.get(identifier) or _FURTHER.get(identifier)
        found = known or find_custom_object(identifier)
        if found is not None:
            return found
    elif callable(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret activation function identifier: {identifier!r}. "
        f"Valid names: {', '.join(sorted(ACTIVATIONS | _FURTHER))}; or pass a function."
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
