"""Maximum and mean over windows of a volume and the way back.

Images and sequences are volumes with unit axes. b batch, h/i/j output plane/row/column, c channel;
plane/row/column count in the volume.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled.jit import compiled

Triple = tuple[int, int, int]


def _max_pool_reference(
    x: np.ndarray, out: np.ndarray, winner: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    n_batch, _, height, width, channels = x.shape
    for place in np.ndindex(*out.shape[1:4]):
        corner = [i * s - before for i, s, before in zip(place, stride, low, strict=True)]
        ends = [start + reach for start, reach in zip(corner, size, strict=True)]
        starts = [max(start, 0) for start in corner]
        window = x[:, starts[0] : ends[0], starts[1] : ends[1], starts[2] : ends[2]]
        flat = window.reshape(n_batch, -1, channels)
        # argmax returns the first maximum, and the first NaN before any number.
        best = flat.argmax(1)
        plane, row, column = np.unravel_index(best, window.shape[1:4])
        at = (slice(None), *place)
        out[at] = np.take_along_axis(flat, best[:, None], 1)[:, 0]
        row_in_all = (starts[0] + plane) * height + starts[1] + row
        winner[at] = row_in_all * width + starts[2] + column


@compiled(_max_pool_reference)
def max_pool(
    x: np.ndarray, out: np.ndarray, winner: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    """Maximum of each window and where in the volume it was found.

    The first of equal values wins, a NaN wins over any number, padding never wins.

    Shapes: x (b, depth, height, width, c); out (b, planes, rows, columns, c) and winner of the same
    shape (int32, ``(plane * height + row) * width + column``), both written. `low` is the padding
    before each axis.
    """
    n_batch, depth, height, width, channels = x.shape
    planes, rows, columns = out.shape[1], out.shape[2], out.shape[3]
    for b in range(n_batch):
        for h in range(planes):
            first_plane = max(h * stride[0] - low[0], 0)
            end_plane = min(h * stride[0] - low[0] + size[0], depth)
            for i in range(rows):
                first_row = max(i * stride[1] - low[1], 0)
                end_row = min(i * stride[1] - low[1] + size[1], height)
                for j in range(columns):
                    first_column = max(j * stride[2] - low[2], 0)
                    end_column = min(j * stride[2] - low[2] + size[2], width)
                    first = (first_plane * height + first_row) * width + first_column
                    for c in range(channels):
                        out[b, h, i, j, c] = x[b, first_plane, first_row, first_column, c]
                        winner[b, h, i, j, c] = first
                    for plane in range(first_plane, end_plane):
                        for row in range(first_row, end_row):
                            for column in range(first_column, end_column):
                                at = (plane * height + row) * width + column
                                for c in range(channels):
                                    value = x[b, plane, row, column, c]
                                    best = out[b, h, i, j, c]
                                    if value > best or (value != value and best == best):
                                        out[b, h, i, j, c] = value
                                        winner[b, h, i, j, c] = at


def _max_pool_gradient_reference(
    grad_out: np.ndarray, winner: np.ndarray, grad_x: np.ndarray
) -> None:
    n_batch, channels = grad_x.shape[0], grad_x.shape[4]
    flat = grad_x.reshape(n_batch, -1, channels)
    b = np.arange(n_batch)[:, None, None, None, None]
    c = np.arange(channels)
    np.add.at(flat, (b, winner, c), grad_out)


@compiled(_max_pool_gradient_reference)
def max_pool_gradient(grad_out: np.ndarray, winner: np.ndarray, grad_x: np.ndarray) -> None:
    """Hand each window's gradient to the entry that won it.

    Shapes: grad_out and winner (b, planes, rows, columns, c); grad_x (b, depth, height, width, c),
    C-contiguous, added to.
    """
    n_batch, planes, rows, columns, channels = grad_out.shape
    height, width = grad_x.shape[2], grad_x.shape[3]
    for b in range(n_batch):
        for h in range(planes):
            for i in range(rows):
                for j in range(columns):
                    for c in range(channels):
                        at = winner[b, h, i, j, c]
                        column, row = at % width, at // width
                        plane = row // height
                        grad_x[b, plane, row % height, column, c] += grad_out[b, h, i, j, c]


def _average_pool_reference(
    x: np.ndarray, out: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    for place in np.ndindex(*out.shape[1:4]):
        corner = [i * s - before for i, s, before in zip(place, stride, low, strict=True)]
        ends = [start + reach for start, reach in zip(corner, size, strict=True)]
        starts = [max(start, 0) for start in corner]
        window = x[:, starts[0] : ends[0], starts[1] : ends[1], starts[2] : ends[2]]
        out[(slice(None), *place)] = window.mean(axis=(1, 2, 3))


@compiled(_average_pool_reference)
def average_pool(x: np.ndarray, out: np.ndarray, size: Triple, stride: Triple, low: Triple) -> None:
    """Mean of the entries of each window; padding does not count.

    Shapes: x (b, depth, height, width, c); out (b, planes, rows, columns, c), written. `low` is the
    padding before each axis.
    """
    n_batch, depth, height, width, channels = x.shape
    planes, rows, columns = out.shape[1], out.shape[2], out.shape[3]
    for b in range(n_batch):
        for h in range(planes):
            first_plane = max(h * stride[0] - low[0], 0)
            end_plane = min(h * stride[0] - low[0] + size[0], depth)
            for i in range(rows):
                first_row = max(i * stride[1] - low[1], 0)
                end_row = min(i * stride[1] - low[1] + size[1], height)
                for j in range(columns):
                    first_column = max(j * stride[2] - low[2], 0)
                    end_column = min(j * stride[2] - low[2] + size[2], width)
                    for c in range(channels):
                        out[b, h, i, j, c] = 0
                    for plane in range(first_plane, end_plane):
                        for row in range(first_row, end_row):
                            for column in range(first_column, end_column):
                                for c in range(channels):
                                    out[b, h, i, j, c] += x[b, plane, row, column, c]
                    area = (end_row - first_row) * (end_column - first_column)
                    count = x.dtype.type((end_plane - first_plane) * area)
                    for c in range(channels):
                        out[b, h, i, j, c] /= count


def _average_pool_gradient_reference(
    grad_out: np.ndarray, grad_x: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    for place in np.ndindex(*grad_out.shape[1:4]):
        corner = [i * s - before for i, s, before in zip(place, stride, low, strict=True)]
        ends = [start + reach for start, reach in zip(corner, size, strict=True)]
        starts = [max(start, 0) for start in corner]
        window = grad_x[:, starts[0] : ends[0], starts[1] : ends[1], starts[2] : ends[2]]
        count = grad_x.dtype.type(window.shape[1] * window.shape[2] * window.shape[3])
        window += (grad_out[(slice(None), *place)] / count)[:, None, None, None]


@compiled(_average_pool_gradient_reference)
def average_pool_gradient(
    grad_out: np.ndarray, grad_x: np.ndarray, size: Triple, stride: Triple, low: Triple
) -> None:
    """Hand each window's gradient to its entries in equal parts.

    Shapes: grad_out (b, planes, rows, columns, c); grad_x (b, depth, height, width, c), added to.
    """
    n_batch, depth, height, width, channels = grad_x.shape
    planes, rows, columns = grad_out.shape[1], grad_out.shape[2], grad_out.shape[3]
    for b in range(n_batch):
        for h in range(planes):
            first_plane = max(h * stride[0] - low[0], 0)
            end_plane = min(h * stride[0] - low[0] + size[0], depth)
            for i in range(rows):
                first_row = max(i * stride[1] - low[1], 0)
                end_row = min(i * stride[1] - low[1] + size[1], height)
                for j in range(columns):
                    first_column = max(j * stride[2] - low[2], 0)
                    end_column = min(j * stride[2] - low[2] + size[2], width)
                    area = (end_row - first_row) * (end_column - first_column)
                    count = grad_x.dtype.type((end_plane - first_plane) * area)
                    for plane in range(first_plane, end_plane):
                        for row in range(first_row, end_row):
                            for column in range(first_column, end_column):
                                for c in range(channels):
                                    part = grad_out[b, h, i, j, c] / count
                                    grad_x[b, plane, row, column, c] += part
