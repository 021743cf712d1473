"""Convolution of each channel with a kernel of its own, and its two gradients.

Fewer than three spatial axes are three, the first of length 1. b batch, p/i/j output
plane/row/column, t/u/v kernel plane/row/column, c channel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.compiled.jit import compiled


def _views(
    x: np.ndarray, size: tuple[int, ...], out: tuple[int, ...], steps: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield each kernel position with the entries of `x` it meets."""
    strides, dilation = steps[:3], steps[3:]
    for at in np.ndindex(*size):
        starts = [index * step for index, step in zip(at, dilation, strict=True)]
        parts = [
            slice(start, start + stride * (length - 1) + 1, stride)
            for start, stride, length in zip(starts, strides, out, strict=True)
        ]
        yield at, x[:, parts[0], parts[1], parts[2]]


def _depthwise_reference(x: np.ndarray, kernel: np.ndarray, out: np.ndarray, *steps: int) -> None:
    for at, view in _views(x, kernel.shape[:3], out.shape[1:4], steps):
        out += view * kernel[at]


@compiled(_depthwise_reference)
def depthwise(
    x: np.ndarray,
    kernel: np.ndarray,
    out: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Correlate every channel of a padded volume with its kernel.

    Shapes: x (b, depth, height, width, c), kernel (t, u, v, c), both C-contiguous; out (b, planes,
    rows, columns, c), added to.
    """
    n_batch, planes, rows, columns, channels = out.shape
    size_t, size_u, size_v = kernel.shape[:3]
    for b in range(n_batch):
        for p in range(planes):
            for i in range(rows):
                for j in range(columns):
                    for t in range(size_t):
                        for u in range(size_u):
                            for v in range(size_v):
                                plane = p * stride_p + t * dilation_p
                                row = i * stride_i + u * dilation_i
                                column = j * stride_j + v * dilation_j
                                for c in range(channels):
                                    out[b, p, i, j, c] += (
                                        x[b, plane, row, column, c] * kernel[t, u, v, c]
                                    )


def _input_gradient_reference(
    grad_out: np.ndarray, kernel: np.ndarray, grad_x: np.ndarray, *steps: int
) -> None:
    for at, view in _views(grad_x, kernel.shape[:3], grad_out.shape[1:4], steps):
        view += grad_out * kernel[at]


@compiled(_input_gradient_reference)
def depthwise_input_gradient(
    grad_out: np.ndarray,
    kernel: np.ndarray,
    grad_x: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Hand the gradient of `depthwise` back to its padded volume.

    Shapes: grad_out (b, planes, rows, columns, c), kernel (t, u, v, c), both C-contiguous; grad_x
    (b, depth, height, width, c), added to.
    """
    n_batch, planes, rows, columns, channels = grad_out.shape
    size_t, size_u, size_v = kernel.shape[:3]
    for b in range(n_batch):
        for p in range(planes):
            for i in range(rows):
                for j in range(columns):
                    for t in range(size_t):
                        for u in range(size_u):
                            for v in range(size_v):
                                plane = p * stride_p + t * dilation_p
                                row = i * stride_i + u * dilation_i
                                column = j * stride_j + v * dilation_j
                                for c in range(channels):
                                    grad_x[b, plane, row, column, c] += (
                                        grad_out[b, p, i, j, c] * kernel[t, u, v, c]
                                    )


def _kernel_gradient_reference(
    x: np.ndarray, grad_out: np.ndarray, grad_kernel: np.ndarray, *steps: int
) -> None:
    for at, view in _views(x, grad_kernel.shape[1:4], grad_out.shape[1:4], steps):
        grad_kernel[(slice(None), *at)] += (view * grad_out).sum((1, 2, 3))


@compiled(_kernel_gradient_reference)
def depthwise_kernel_gradient(
    x: np.ndarray,
    grad_out: np.ndarray,
    grad_kernel: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Hand the gradient of `depthwise` to its kernel, one sample at a time.

    The samples are left to the caller to sum, so that rounding does not grow with the batch.

    Shapes: x (b, depth, height, width, c), grad_out (b, planes, rows, columns, c), both
    C-contiguous; grad_kernel (b, t, u, v, c), added to.
    """
    n_batch, planes, rows, columns, channels = grad_out.shape
    size_t, size_u, size_v = grad_kernel.shape[1:4]
    for b in range(n_batch):
        for p in range(planes):
            for i in range(rows):
                for j in range(columns):
                    for t in range(size_t):
                        for u in range(size_u):
                            for v in range(size_v):
                                plane = p * stride_p + t * dilation_p
                                row = i * stride_i + u * dilation_i
                                column = j * stride_j + v * dilation_j
                                for c in range(channels):
                                    grad_kernel[b, t, u, v, c] += (
                                        x[b, plane, row, column, c] * grad_out[b, p, i, j, c]
                                    )
