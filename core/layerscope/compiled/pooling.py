"""Maximum over windows of an image and the way back.

b batch, i/j output row/column, u/v window row/column, c channel.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled


def _max_pool_reference(
    x: np.ndarray,
    out: np.ndarray,
    winner: np.ndarray,
    size_u: int,
    size_v: int,
    stride_i: int,
    stride_j: int,
    top: int,
    left: int,
) -> None:
    n_batch, _, width, channels = x.shape
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            row, column = max(i * stride_i - top, 0), max(j * stride_j - left, 0)
            window = x[:, row : i * stride_i - top + size_u, column : j * stride_j - left + size_v]
            flat = window.reshape(n_batch, -1, channels)
            # argmax returns the first maximum, and the first NaN before any number.
            best = flat.argmax(1)
            out[:, i, j] = np.take_along_axis(flat, best[:, None], 1)[:, 0]
            reach = window.shape[2]
            winner[:, i, j] = (row + best // reach) * width + column + best % reach


@compiled(_max_pool_reference)
def max_pool(
    x: np.ndarray,
    out: np.ndarray,
    winner: np.ndarray,
    size_u: int,
    size_v: int,
    stride_i: int,
    stride_j: int,
    top: int,
    left: int,
) -> None:
    """Maximum of each window and where in the image it was found.

    The first of equal values wins, a NaN wins over any number, padding never wins.

    Shapes: x (b, height, width, c); out (b, rows, columns, c) and winner of the same shape
    (int32, ``row * width + column``), both written. `top` and `left` are the padding before.
    """
    n_batch, height, width, channels = x.shape
    rows, columns = out.shape[1], out.shape[2]
    for b in range(n_batch):
        for i in range(rows):
            first_row = max(i * stride_i - top, 0)
            end_row = min(i * stride_i - top + size_u, height)
            for j in range(columns):
                first_column = max(j * stride_j - left, 0)
                end_column = min(j * stride_j - left + size_v, width)
                for c in range(channels):
                    out[b, i, j, c] = x[b, first_row, first_column, c]
                    winner[b, i, j, c] = first_row * width + first_column
                for row in range(first_row, end_row):
                    for column in range(first_column, end_column):
                        for c in range(channels):
                            value = x[b, row, column, c]
                            best = out[b, i, j, c]
                            if value > best or (value != value and best == best):
                                out[b, i, j, c] = value
                                winner[b, i, j, c] = row * width + column


def _max_pool_gradient_reference(
    grad_out: np.ndarray, winner: np.ndarray, grad_x: np.ndarray
) -> None:
    n_batch, height, width, channels = grad_x.shape
    flat = grad_x.reshape(n_batch, height * width, channels)
    b = np.arange(n_batch)[:, None, None, None]
    c = np.arange(channels)
    np.add.at(flat, (b, winner, c), grad_out)


@compiled(_max_pool_gradient_reference)
def max_pool_gradient(grad_out: np.ndarray, winner: np.ndarray, grad_x: np.ndarray) -> None:
    """Hand each window's gradient to the entry that won it.

    Shapes: grad_out and winner (b, rows, columns, c); grad_x (b, height, width, c), added to.
    """
    n_batch, rows, columns, channels = grad_out.shape
    width = grad_x.shape[2]
    for b in range(n_batch):
        for i in range(rows):
            for j in range(columns):
                for c in range(channels):
                    at = winner[b, i, j, c]
                    grad_x[b, at // width, at % width, c] += grad_out[b, i, j, c]
