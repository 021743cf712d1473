"""Small dense layers one after another in a single call, and the way back.

What a network of a few units computes takes less time than calling a loop for each of its parts.
Inside, matrices have whole panels and blocks for rows, see `products`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from layerscope.compiled import activations, softmax
from layerscope.compiled.jit import compiled, native
from layerscope.compiled.products import (
    aligned,
    beginnings,
    lay_out,
    lay_out_turned,
    multiply_rows,
    panel_columns,
    whole_rows,
)

#: Activations by number: those of which the gradient needs no more than their output.
ACTIVATIONS = (None, "relu", "sigmoid", "tanh", "softmax")
_RELU, _SIGMOID, _TANH, _SOFTMAX = range(1, 5)

_MATRIX, _FLAT, _NUMBERS = "float32[:,::1]", "float32[::1]", "int64[::1]"

_relu, _relu_gradient = activations.relu.function, activations.relu_gradient.function
_sigmoid, _sigmoid_gradient = activations.sigmoid.function, activations.sigmoid_gradient.function
_tanh, _tanh_gradient = activations.tanh.function, activations.tanh_gradient.function
_softmax_rows: Any = getattr(softmax.softmax_rows, "loop", None)
_softmax_rows_gradient: Any = getattr(softmax.softmax_rows_gradient, "loop", None)


def _activated(z: np.ndarray, kind: int) -> np.ndarray:
    if kind == _SOFTMAX:
        powers = np.exp(z - z.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)
    mapped = (None, activations.relu, activations.sigmoid, activations.tanh)[kind]
    return z if mapped is None else mapped.formula(z)


def _before_activation(g: np.ndarray, y: np.ndarray, kind: int) -> np.ndarray:
    if kind == _SOFTMAX:
        return y * (g - (g * y).sum(1, keepdims=True))
    gradients = activations.relu_gradient, activations.sigmoid_gradient, activations.tanh_gradient
    return gradients[kind - 1].formula(g, y) if kind else g


def _parts(rows: int, units: np.ndarray, flat: np.ndarray, kept: np.ndarray) -> Any:
    """Yield kernel, bias and output of each layer as views."""
    at = to = 0
    for before, after in pairwise(units):
        kernel, at = flat[at : at + before * after].reshape(before, after), at + before * after
        bias, at = flat[at : at + after], at + after
        width = panel_columns(after)
        size = whole_rows(rows) * width
        yield kernel, bias, kept[to : to + size].reshape(-1, width)[:rows, :after]
        to += size


def _outputs_reference(
    x: np.ndarray,
    weights: np.ndarray,
    units: np.ndarray,
    kinds: np.ndarray,
    kept: np.ndarray,
    out: np.ndarray,
) -> None:
    layers = _parts(len(x), units, weights, kept)
    for kind, (kernel, bias, output) in zip(kinds, layers, strict=True):
        output[...] = x = _activated(x @ kernel + bias, kind)
    out[...] = x


@native()
def _activate(out: np.ndarray, bias: np.ndarray, kind: int) -> None:
    """Overwrite rows of products by the activation of what they are with the bias."""
    for i in range(len(out)):
        row = out[i]
        if kind == _RELU:
            for c in range(bias.size):
                row[c] = _relu(row[c] + bias[c])
        elif kind == _SIGMOID:
            for c in range(bias.size):
                row[c] = _sigmoid(row[c] + bias[c])
        elif kind == _TANH:
            for c in range(bias.size):
                row[c] = _tanh(row[c] + bias[c])
        else:
            for c in range(bias.size):
                row[c] += bias[c]


@native()
def _deactivate(grad: np.ndarray, y: np.ndarray, kind: int) -> None:
    """Overwrite the gradient of an activation's result y by that of its input; flat."""
    if kind == _RELU:
        for k in range(y.size):
            grad[k] = _relu_gradient(grad[k], y[k])
    elif kind == _SIGMOID:
        for k in range(y.size):
            grad[k] = _sigmoid_gradient(grad[k], y[k])
    elif kind == _TANH:
        for k in range(y.size):
            grad[k] = _tanh_gradient(grad[k], y[k])


@compiled(_outputs_reference, [f"{_MATRIX}, {_FLAT}, {_NUMBERS}, {_NUMBERS}, {_FLAT}, {_MATRIX}"])
def stack_outputs(
    x: np.ndarray,
    weights: np.ndarray,
    units: np.ndarray,
    kinds: np.ndarray,
    kept: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the outputs of dense layers, one after the other; all arrays are C-contiguous.

    Shapes: x (n, units[0]); weights flat, kernel (units before, units) and bias of each layer;
    units of x and of each layer; kinds, a number of `ACTIVATIONS` for each layer; kept, the
    outputs of all layers in whole blocks of rows and panels; out (n, units[-1]) that of the last.
    """
    n = len(x)
    rows, places = whole_rows(n), beginnings(n, x.shape[1])
    given, first, kernel, to = x.reshape(-1), 0, 0, 0
    for layer in range(kinds.size):
        before, after = units[layer], units[layer + 1]
        width, bias = panel_columns(after), kernel + before * after
        panels = aligned(before * width)
        lay_out(panels, weights, kernel, before, after, after)
        multiply_rows(
            given, first, places, n, before, panels, 0, after, kept, to, width * np.arange(rows)
        )
        output = kept[to : to + rows * width].reshape(rows, width)
        _activate(output, weights[bias : bias + after], kinds[layer])
        if kinds[layer] == _SOFTMAX:
            shown = output[:n, :after].copy()
            _softmax_rows(0, 1, shown, shown)
            output[:n, :after] = shown
        if layer == kinds.size - 1:
            out[:] = output[:n, :after]
        given, first, places = kept, to, beginnings(n, width)
        kernel, to = bias + after, to + rows * width


def _gradients_reference(
    grad: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    units: np.ndarray,
    kinds: np.ndarray,
    kept: np.ndarray,
    found: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    layers = list(_parts(len(x), units, weights, kept))
    results = list(_parts(len(x), units, found, kept))
    for layer in range(len(layers) - 1, -1, -1):
        kernel, _, output = layers[layer]
        grad_kernel, grad_bias, _ = results[layer]
        grad = _before_activation(grad, output, kinds[layer])
        grad_kernel[...] = (layers[layer - 1][2] if layer else x).T @ grad
        grad_bias[...] = grad.sum(0)
        if layer or grad_x.size:
            grad = grad @ kernel.T
    if grad_x.size:
        grad_x[...] = grad


@compiled(
    _gradients_reference,
    [f"{_MATRIX}, {_MATRIX}, {_FLAT}, {_NUMBERS}, {_NUMBERS}, {_FLAT}, {_FLAT}, {_MATRIX}"],
)
def stack_gradients(
    grad: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    units: np.ndarray,
    kinds: np.ndarray,
    kept: np.ndarray,
    found: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Gradients of the weights of dense layers, given that of the last output; see `stack_outputs`.

    `found`, like weights, and `grad_x`, like x, are written; an empty `grad_x` is not wanted.
    """
    n, layers = len(x), kinds.size
    rows, kernel, to = whole_rows(n), 0, 0
    for layer in range(layers):
        kernel += (units[layer] + 1) * units[layer + 1]
        to += rows * panel_columns(units[layer + 1])
    after = units[layers]
    g = np.zeros((rows, panel_columns(after)), weights.dtype)
    g[:n, :after] = grad
    for layer in range(layers - 1, -1, -1):
        before, after = units[layer], units[layer + 1]
        width, wide = panel_columns(after), panel_columns(before)
        kernel, to = kernel - (before + 1) * after, to - rows * width
        flat = g.reshape(-1)
        if kinds[layer] == _SOFTMAX:
            inner = g[:n, :after].copy()
            y = kept[to : to + rows * width].reshape(rows, width)[:n, :after].copy()
            _softmax_rows_gradient(0, 1, inner, y, inner)
            g[:n, :after] = inner
        _deactivate(flat, kept[to : to + rows * width], kinds[layer])
        given, first, distance = x.reshape(-1), 0, before
        if layer:
            given, first, distance = kept, to - rows * wide, wide
        panels = aligned(max(n * width, after * wide))
        lay_out(panels, flat, 0, n, width, after)
        product = np.empty((whole_rows(before), width), weights.dtype)
        multiply_rows(
            given, first, beginnings(before, 1), before, n, panels, 0, after,
            product.reshape(-1), 0, width * np.arange(len(product)), distance,
        )  # fmt: skip
        bias = kernel + before * after
        found[kernel:bias].reshape(before, after)[:] = product[:before, :after]
        sums = found[bias : bias + after]
        sums[:] = 0
        for i in range(n):
            for c in range(after):
                sums[c] += g[i, c]
        if layer == 0 and grad_x.size == 0:
            return
        lay_out_turned(panels, weights, kernel, after, before)
        earlier = np.empty((rows, wide), weights.dtype)
        multiply_rows(
            flat, 0, beginnings(n, width), n, after, panels, 0, before,
            earlier.reshape(-1), 0, wide * np.arange(rows),
        )  # fmt: skip
        g = earlier
    grad_x[:] = g[:n, : units[0]]
