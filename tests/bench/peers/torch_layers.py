"""The layers of the cases in torch, from Keras's weights."""

# Types are checked where torch is not installed.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from peers.cases import DENSE_STACK, Case
from peers.prepared import NoCounterpart

#: Weights to differentiate by, and a function of the inputs.
Built = tuple[list[torch.Tensor], Callable[..., torch.Tensor]]
Weights = list[torch.Tensor]

_FUNCTIONS: dict[str | None, Any] = {
    None: lambda x: x,
    "gelu": F.gelu,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softmax": lambda x: F.softmax(x, dim=-1),
    "tanh": torch.tanh,
}

#: Keras's small number in the denominator, and what it keeps of a moving average.
_EPSILON, _MOMENTUM = 1e-3, 0.99


def build(case: Case, weights: list[np.ndarray], channels_last: bool) -> Built:
    """Return a case's layer, weights in the memory layout asked for.

    Raises
    ------
    NoCounterpart
        For layers this file does not have.
    """
    builder = _BUILDERS.get(case.layer)
    if builder is None:
        raise NoCounterpart(f"no {case.layer} was written for torch")
    return builder(case, [torch.from_numpy(array) for array in weights], channels_last)


def learned(weight: torch.Tensor, channels_last: bool = False) -> torch.Tensor:
    """Return a weight to differentiate by, contiguous."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    layout = layouts.get(weight.ndim) if channels_last else None
    return weight.clone(memory_format=layout or torch.contiguous_format).requires_grad_()


def _dense(case: Case, weights: Weights, _: bool) -> Built:
    kernel, bias = learned(weights[0].T), learned(weights[1])
    function = _FUNCTIONS[case.arguments["activation"]]
    return [kernel, bias], lambda x: function(F.linear(x, kernel, bias))


def _dense_stack(case: Case, weights: Weights, channels_last: bool) -> Built:
    layers = [_dense(case, weights[at : at + 2], channels_last) for at in range(0, len(weights), 2)]

    def run(x: torch.Tensor) -> torch.Tensor:
        for _, layer in layers:
            x = layer(x)
        return x

    return [weight for owned, _ in layers for weight in owned], run


def _kernel(weight: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Return a convolution's kernel with filters and channels in front."""
    rank = weight.ndim - 2
    return learned(weight.permute(rank + 1, rank, *range(rank)), channels_last)


def _convolution(case: Case, weights: Weights, channels_last: bool) -> Built:
    kernel, bias = _kernel(weights[0], channels_last), learned(weights[1])
    run: Any = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[kernel.ndim]
    stride = case.arguments.get("strides", 1)
    padding = case.arguments["kernel_size"] // 2 if case.arguments.get("padding") == "same" else 0
    return [kernel, bias], lambda x: run(x, kernel, bias, stride, padding)


def _transposed(case: Case, weights: Weights, channels_last: bool) -> Built:
    kernel, bias = _kernel(weights[0], channels_last), learned(weights[1])
    stride = case.arguments["strides"]
    return [kernel, bias], lambda x: F.conv_transpose2d(x, kernel, bias, stride)


def _depthwise(case: Case, weights: Weights, channels_last: bool) -> Built:
    channels = weights[0].shape[2]
    kernel = learned(weights[0].permute(2, 3, 0, 1), channels_last)
    rest = [learned(weight) for weight in weights[1:]]
    if case.layer == "DepthwiseConv2D":
        return [kernel, *rest], lambda x: F.conv2d(x, kernel, rest[0], 1, 1, 1, channels)
    points, bias = _kernel(weights[1], channels_last), rest[1]

    def separable(x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(x, kernel, None, 1, 1, 1, channels), points, bias)

    return [kernel, points, bias], separable


def _locally_connected(case: Case, weights: Weights, channels_last: bool) -> Built:
    height, width, filters = weights[1].shape
    size = case.arguments["kernel_size"]
    # Windows are unfolded channel by channel.
    kernel = weights[0].reshape(height * width, size * size, -1, filters).transpose(1, 2)
    kernel = learned(kernel.reshape(height * width, -1, filters))
    bias = learned(weights[1].permute(2, 0, 1))

    def run(x: torch.Tensor) -> torch.Tensor:
        windows = F.unfold(x, size)
        return torch.einsum("bkl,lkf->bfl", windows, kernel).unflatten(2, (height, width)) + bias

    return [kernel, bias], run


def _without_weights(function: Callable[..., torch.Tensor]) -> Callable[..., Built]:
    return lambda *_: ([], function)


def _up_sampling(case: Case, weights: Weights, channels_last: bool) -> Built:
    how = case.arguments.get("interpolation", "nearest")
    return [], lambda x: F.interpolate(x, scale_factor=2, mode=how)


def _zero_padding(case: Case, weights: Weights, channels_last: bool) -> Built:
    widths = [case.arguments["padding"]] * 4
    return [], lambda x: F.pad(x, widths)


def _batch_normalization(case: Case, weights: Weights, channels_last: bool) -> Built:
    gamma, beta = learned(weights[0]), learned(weights[1])
    mean, variance = weights[2].clone(), weights[3].clone()

    def run(x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(
            x, mean, variance, gamma, beta, bool(case.training), 1 - _MOMENTUM, _EPSILON
        )

    return [gamma, beta], run


def _layer_normalization(case: Case, weights: Weights, channels_last: bool) -> Built:
    gamma, beta = learned(weights[0]), learned(weights[1])
    return [gamma, beta], lambda x: F.layer_norm(x, gamma.shape, gamma, beta, _EPSILON)


def _recurrent(case: Case, weights: Weights, channels_last: bool) -> Built:
    kernel, recurrent, bias = weights
    kinds: dict[str, Any] = {
        "SimpleRNN": torch.nn.RNN,
        "LSTM": torch.nn.LSTM,
        "GRU": torch.nn.GRU,
    }
    units = case.arguments["units"]
    module = kinds[case.layer](kernel.shape[0], units, batch_first=True, dtype=kernel.dtype)
    biases = [bias, torch.zeros_like(bias)]
    if case.layer == "GRU":
        # Keras's update gate comes first, torch's second.
        order = torch.cat([torch.arange(units, 2 * units), torch.arange(units)])
        order = torch.cat([order, torch.arange(2 * units, 3 * units)])
        kernel, recurrent, bias = kernel[:, order], recurrent[:, order], bias[:, order]
        biases = [bias[0], bias[1]]
    values = [kernel.T, recurrent.T, *biases]
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.copy_(value)
    return list(module.parameters()), lambda x: module(x)[0]


def _conv_lstm(case: Case, weights: Weights, channels_last: bool) -> Built:
    kernel, recurrent = (_kernel(weight, channels_last) for weight in weights[:2])
    bias = learned(weights[2])
    filters = case.arguments["filters"]

    def run(x: torch.Tensor) -> torch.Tensor:
        batch, steps = x.shape[:2]
        drives = F.conv2d(x.flatten(0, 1), kernel, bias, 1, 1).unflatten(0, (batch, steps))
        shape = (batch, filters, *x.shape[3:])
        hidden, cell = x.new_zeros(shape), x.new_zeros(shape)
        outputs = []
        for step in range(steps):
            gates = drives[:, step] + F.conv2d(hidden, recurrent, None, 1, 1)
            into, forget, value, out = gates.chunk(4, 1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(value)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs, 1)

    return [kernel, recurrent, bias], run


def _embedding(case: Case, weights: Weights, channels_last: bool) -> Built:
    table = learned(weights[0])
    return [table], lambda x: F.embedding(x, table)


def _attention(case: Case, weights: Weights, channels_last: bool) -> Built:
    heads, width = case.arguments["num_heads"], case.arguments["key_dim"]
    # One product for queries, keys and values, as torch's own module does it.
    projection = learned(torch.cat([weights[at].flatten(1).T for at in (0, 2, 4)]))
    offset = learned(torch.cat([weights[at].flatten() for at in (1, 3, 5)]))
    output, bias = learned(weights[6].flatten(0, 1).T), learned(weights[7])

    def run(x: torch.Tensor) -> torch.Tensor:
        parts = F.linear(x, projection, offset).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (heads, width)).transpose(1, 2) for part in parts)
        found = F.scaled_dot_product_attention(query, key, value)
        return F.linear(found.transpose(1, 2).flatten(2), output, bias)

    return [projection, offset, output, bias], run


def _activation(case: Case, weights: Weights, channels_last: bool) -> Built:
    return [], _FUNCTIONS[case.arguments["activation"]]


def _dropout(case: Case, weights: Weights, channels_last: bool) -> Built:
    return [], lambda x: F.dropout(x, case.arguments["rate"], training=True)


_BUILDERS: dict[str, Callable[..., Built]] = {
    "Activation": _activation,
    "Add": _without_weights(torch.add),
    "AveragePooling2D": _without_weights(lambda x: F.avg_pool2d(x, 2)),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _without_weights(lambda *inputs: torch.cat(inputs, dim=-1)),
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv2DTranspose": _transposed,
    "Conv3D": _convolution,
    "ConvLSTM2D": _conv_lstm,
    "Dense": _dense,
    DENSE_STACK: _dense_stack,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _dropout,
    "Embedding": _embedding,
    "GRU": _recurrent,
    "GlobalAveragePooling2D": _without_weights(lambda x: x.mean((2, 3))),
    "GlobalMaxPooling2D": _without_weights(lambda x: x.amax((2, 3))),
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "LocallyConnected2D": _locally_connected,
    "MaxPooling2D": _without_weights(lambda x: F.max_pool2d(x, 2)),
    "MultiHeadAttention": _attention,
    "SeparableConv2D": _depthwise,
    "SimpleRNN": _recurrent,
    "UpSampling2D": _up_sampling,
    "ZeroPadding2D": _zero_padding,
}
