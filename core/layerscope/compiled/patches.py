"""Gathering the patches a convolution sees, and scattering gradients back to them.

A convolution is one matrix product between patches and kernel; these loops make the patches
(``im2col``) and their transpose. Fewer than three spatial axes are three, the first of length 1.
b batch, p/i/j output plane/row/column, t/u/v kernel plane/row/column, c channel.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _gather_reference(
    x: np.ndarray,
    patches: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    planes, rows, columns, size_t, size_u, size_v = patches.shape[1:7]
    for t, u, v in np.ndindex(size_t, size_u, size_v):
        front, top, left = t * dilation_p, u * dilation_i, v * dilation_j
        patches[:, :, :, :, t, u, v] = x[
            :,
            front : front + stride_p * (planes - 1) + 1 : stride_p,
            top : top + stride_i * (rows - 1) + 1 : stride_i,
            left : left + stride_j * (columns - 1) + 1 : stride_j,
        ]


@compiled(_gather_reference)
def gather_patches(
    x: np.ndarray,
    patches: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Copy every window of a padded volume.

    Shapes: x (b, depth, height, width, c), C-contiguous; patches (b, planes, rows, columns, t, u,
    v, c), written.
    """
    n_batch, planes, rows, columns, size_t, size_u, size_v, channels = patches.shape
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
                                    patches[b, p, i, j, t, u, v, c] = x[b, plane, row, column, c]


def _scatter_reference(
    patches: np.ndarray,
    x: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    planes, rows, columns, size_t, size_u, size_v = patches.shape[1:7]
    for t, u, v in np.ndindex(size_t, size_u, size_v):
        front, top, left = t * dilation_p, u * dilation_i, v * dilation_j
        x[
            :,
            front : front + stride_p * (planes - 1) + 1 : stride_p,
            top : top + stride_i * (rows - 1) + 1 : stride_i,
            left : left + stride_j * (columns - 1) + 1 : stride_j,
        ] += patches[:, :, :, :, t, u, v]


@compiled(_scatter_reference)
def scatter_patches(
    patches: np.ndarray,
    x: np.ndarray,
    stride_p: int,
    stride_i: int,
    stride_j: int,
    dilation_p: int,
    dilation_i: int,
    dilation_j: int,
) -> None:
    """Add every window to where `gather_patches` took it from.

    Shapes: patches (b, planes, rows, columns, t, u, v, c), C-contiguous; x (b, depth, height,
    width, c), added to.
    """
    n_batch, planes, rows, columns, size_t, size_u, size_v, channels = patches.shape
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
                                    x[b, plane, row, column, c] += patches[b, p, i, j, t, u, v, c]
