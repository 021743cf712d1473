"""Gathering the patches a convolution sees, and scattering gradients back to them.

A 2-D convolution is one matrix product between patches and kernel; these loops make the patches
(``im2col``) and their transpose. b batch, i/j output row/column, u/v kernel row/column, c channel.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _gather_reference(
    x: np.ndarray,
    patches: np.ndarray,
    stride_i: int,
    stride_j: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    rows, columns, size_u, size_v = patches.shape[1:5]
    for u in range(size_u):
        for v in range(size_v):
            top, left = u * dilation_i, v * dilation_j
            patches[:, :, :, u, v] = x[
                :,
                top : top + stride_i * (rows - 1) + 1 : stride_i,
                left : left + stride_j * (columns - 1) + 1 : stride_j,
            ]


@compiled(_gather_reference)
def gather_patches(
    x: np.ndarray,
    patches: np.ndarray,
    stride_i: int,
    stride_j: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Copy every window of a padded image.

    Shapes: x (b, height, width, c), C-contiguous; patches (b, rows, columns, u, v, c), written.
    """
    n_batch, rows, columns, size_u, size_v, channels = patches.shape
    for b in range(n_batch):
        for i in range(rows):
            for j in range(columns):
                for u in range(size_u):
                    for v in range(size_v):
                        row = i * stride_i + u * dilation_i
                        column = j * stride_j + v * dilation_j
                        for c in range(channels):
                            patches[b, i, j, u, v, c] = x[b, row, column, c]


def _scatter_reference(
    patches: np.ndarray,
    x: np.ndarray,
    stride_i: int,
    stride_j: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    rows, columns, size_u, size_v = patches.shape[1:5]
    for u in range(size_u):
        for v in range(size_v):
            top, left = u * dilation_i, v * dilation_j
            x[
                :,
                top : top + stride_i * (rows - 1) + 1 : stride_i,
                left : left + stride_j * (columns - 1) + 1 : stride_j,
            ] += patches[:, :, :, u, v]


@compiled(_scatter_reference)
def scatter_patches(
    patches: np.ndarray,
    x: np.ndarray,
    stride_i: int,
    stride_j: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Add every window to where `gather_patches` took it from.

    Shapes: patches (b, rows, columns, u, v, c), C-contiguous; x (b, height, width, c), added to.
    """
    n_batch, rows, columns, size_u, size_v, channels = patches.shape
    for b in range(n_batch):
        for i in range(rows):
            for j in range(columns):
                for u in range(size_u):
                    for v in range(size_v):
                        row = i * stride_i + u * dilation_i
                        column = j * stride_j + v * dilation_j
                        for c in range(channels):
                            x[b, row, column, c] += patches[b, i, j, u, v, c]
