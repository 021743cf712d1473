"""Columns or rows of a matrix brought to mean zero and variance one, and the way back.

Batch normalization sees its input as n rows (all samples and positions) of c channels, layer
normalization as rows of what is normalized together. What is summed over rows is summed in blocks
of rows, and these in double precision: `partial` holds the sums of as many parts of the rows as it
has entries, however many tasks there are, so that results do not depend on these.
"""

from __future__ import annotations

import numpy as np

from layerscope.compiled import vector_math as vm
from layerscope.compiled.folding import sum_distances
from layerscope.compiled.jit import compiled
from layerscope.compiled.mapping import start
from layerscope.compiled.team import claim, half_vectors, shared

#: So many rows are summed in the precision of the input.
_BLOCK = 32


def _parts(x: np.ndarray, count: int) -> list[slice]:
    """Return the rows that each of `count` parts has."""
    return [slice(len(x) * k // count, len(x) * (k + 1) // count) for k in range(count)]


# --- columns --------------------------------------------------------------------------------


def _column_moments_reference(x: np.ndarray, shift: np.ndarray, partial: np.ndarray) -> None:
    for k, rows in enumerate(_parts(x, len(partial))):
        distance = np.subtract(x[rows], shift, dtype=np.float64)
        partial[k] = distance.sum(0), np.square(distance).sum(0)


@shared(_column_moments_reference, fastmath=vm.CONTRACTED)
def column_moments(
    board: int, tasks: int, x: np.ndarray, shift: np.ndarray, partial: np.ndarray
) -> None:
    """Sum the distances of columns from `shift`, and their squares.

    Shapes: x (n, c); shift (c,), near the means so that little is lost; partial (parts, 2, c),
    written.
    """
    sums, squares = np.empty_like(shift), np.empty_like(shift)
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(partial), task, tasks), start(len(partial), task + 1, tasks)):
            first, last = start(len(x), k, len(partial)), start(len(x), k + 1, len(partial))
            partial[k] = 0.0
            for block in range(first, last, _BLOCK):
                rows = x[block : min(block + _BLOCK, last)]
                sum_distances(rows, shift, sums, squares)
                for c in range(shift.size):
                    partial[k, 0, c] += sums[c]
                    partial[k, 1, c] += squares[c]
        task = claim(board, task, tasks)


def _finish_moments_reference(
    partial: np.ndarray,
    shift: np.ndarray,
    rows: int,
    scale: np.ndarray,
    epsilon: float,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
) -> None:
    with np.errstate(invalid="ignore"):
        sums = partial.sum(0).reshape(2, -1, len(shift)).sum(1)
        distance, square = sums / np.float64(rows)
        spread = np.maximum(square - distance * distance, 0)
        mean[:], variance[:] = distance + shift, spread
        factor[:] = scale / np.sqrt(spread + epsilon)


@compiled(_finish_moments_reference)
def finish_moments(
    partial: np.ndarray,
    shift: np.ndarray,
    rows: int,
    scale: np.ndarray,
    epsilon: float,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
) -> None:
    """Make means, (biased) variances and what columns are multiplied by of `column_moments`.

    In single precision the root of a small variance would lose what epsilon adds to it.

    Shapes: partial (parts, 2, times * c), the sums of `rows` rows of which `times` lay side by
    side; all others (c,), the last three written.
    """
    channels = len(shift)
    for c in range(channels):
        distance = square = 0.0
        for part in range(len(partial)):
            for place in range(c, partial.shape[2], channels):
                distance += partial[part, 0, place]
                square += partial[part, 1, place]
        distance /= rows
        spread = square / rows - distance * distance
        # Comparing this way lets a NaN pass.
        spread = 0.0 if spread < 0.0 else spread
        mean[c], variance[c] = distance + shift[c], spread
        factor[c] = scale[c] / np.sqrt(spread + epsilon)


def _scale_columns_reference(
    x: np.ndarray, mean: np.ndarray, factor: np.ndarray, offset: np.ndarray, out: np.ndarray
) -> None:
    np.multiply(x - mean, factor, out=out)
    out += offset


@shared(_scale_columns_reference, fastmath=vm.CONTRACTED)
def scale_columns(
    board: int,
    tasks: int,
    x: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    offset: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute ``(x - mean) * factor + offset`` for each column.

    Shapes: x and out (n, c), the latter written; all others (c,).
    """
    half_vectors()
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i]
            for c in range(row.size):
                result[c] = (row[c] - mean[c]) * factor[c] + offset[c]
        task = claim(board, task, tasks)


def _scale_columns_gradient_reference(
    grad: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    grad_x: np.ndarray,
    partial: np.ndarray,
) -> None:
    np.multiply(grad, factor, out=grad_x)
    _column_products_reference(grad, x, mean, partial)


@shared(_scale_columns_gradient_reference, fastmath=vm.CONTRACTED)
def scale_columns_gradient(
    board: int,
    tasks: int,
    grad: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    grad_x: np.ndarray,
    partial: np.ndarray,
) -> None:
    """Compute `column_products`, and ``grad * factor`` in the same pass.

    Shapes: grad, x and grad_x (n, c); mean and factor (c,); partial (parts, 2, c). Of these grad_x
    and partial are written.
    """
    half_vectors()
    sums, products = np.empty_like(mean), np.empty_like(mean)
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(partial), task, tasks), start(len(partial), task + 1, tasks)):
            first, last = start(len(x), k, len(partial)), start(len(x), k + 1, len(partial))
            partial[k] = 0.0
            for block in range(first, last, _BLOCK):
                sums[:] = 0
                products[:] = 0
                for i in range(block, min(block + _BLOCK, last)):
                    row, g, result = x[i], grad[i], grad_x[i]
                    for c in range(row.size):
                        sums[c] += g[c]
                        products[c] += g[c] * (row[c] - mean[c])
                        result[c] = g[c] * factor[c]
                for c in range(mean.size):
                    partial[k, 0, c] += sums[c]
                    partial[k, 1, c] += products[c]
        task = claim(board, task, tasks)


def _column_products_reference(
    grad: np.ndarray, x: np.ndarray, mean: np.ndarray, partial: np.ndarray
) -> None:
    for k, rows in enumerate(_parts(x, len(partial))):
        products = np.multiply(grad[rows], x[rows] - mean, dtype=np.float64)
        partial[k] = grad[rows].sum(0, dtype=np.float64), products.sum(0)


@shared(_column_products_reference, fastmath=vm.CONTRACTED)
def column_products(
    board: int,
    tasks: int,
    grad: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    partial: np.ndarray,
) -> None:
    """Sum gradients, and their products with what they are the gradients of.

    Shapes: grad and x (n, c); mean (c,), subtracted from x; partial (parts, 2, c), written.
    """
    sums, products = np.empty_like(mean), np.empty_like(mean)
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(partial), task, tasks), start(len(partial), task + 1, tasks)):
            first, last = start(len(x), k, len(partial)), start(len(x), k + 1, len(partial))
            partial[k] = 0.0
            for block in range(first, last, _BLOCK):
                sums[:] = 0
                products[:] = 0
                for i in range(block, min(block + _BLOCK, last)):
                    row, g = x[i], grad[i]
                    for c in range(row.size):
                        sums[c] += g[c]
                        products[c] += g[c] * (row[c] - mean[c])
                for c in range(mean.size):
                    partial[k, 0, c] += sums[c]
                    partial[k, 1, c] += products[c]
        task = claim(board, task, tasks)


def _standardized_columns_gradient_reference(
    grad: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    shift: np.ndarray,
    slope: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    np.multiply(grad, factor, out=grad_x)
    grad_x -= shift
    grad_x -= (x - mean) * slope


@shared(_standardized_columns_gradient_reference, fastmath=vm.CONTRACTED)
def standardized_columns_gradient(
    board: int,
    tasks: int,
    grad: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    shift: np.ndarray,
    slope: np.ndarray,
    grad_x: np.ndarray,
) -> None:
    """Compute ``grad * factor - shift - (x - mean) * slope`` for each column.

    Shapes: grad, x and grad_x (n, c), the last written; all others (c,).
    """
    half_vectors()
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, g, result = x[i], grad[i], grad_x[i]
            for c in range(row.size):
                result[c] = g[c] * factor[c] - shift[c] - (row[c] - mean[c]) * slope[c]
        task = claim(board, task, tasks)


# --- rows -----------------------------------------------------------------------------------


def _standardize_rows_reference(
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    epsilon: float,
    centered: bool,
    out: np.ndarray,
    moments: np.ndarray,
) -> None:
    mean, inverse = moments
    mean[:] = x.mean(1) if centered else 0
    distance = x - mean[:, None]
    inverse[:] = 1 / np.sqrt(np.square(distance).mean(1) + x.dtype.type(epsilon))
    np.multiply(distance, inverse[:, None], out=out)
    out *= scale
    out += offset


@shared(_standardize_rows_reference, fastmath=vm.SUMMED)
def standardize_rows(
    board: int,
    tasks: int,
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    epsilon: float,
    centered: bool,
    out: np.ndarray,
    moments: np.ndarray,
) -> None:
    """Divide each row by its standard deviation, then scale and shift its entries.

    The mean is subtracted before, or taken to be zero if not `centered`.

    Shapes: x and out (n, c); scale and offset (c,); moments (2, n), means and one over the
    deviations. The last two are written.
    """
    mean, inverse = moments[0], moments[1]
    task = claim(board, -1, tasks)
    while task >= 0:
        for i in range(start(len(x), task, tasks), start(len(x), task + 1, tasks)):
            row, result = x[i], out[i]
            middle = mean.dtype.type(0)
            if centered:
                for c in range(row.size):
                    middle += row[c]
                middle /= mean.dtype.type(row.size)
            squares = mean.dtype.type(0)
            for c in range(row.size):
                distance = row[c] - middle
                squares += distance * distance
            variance = squares / mean.dtype.type(row.size) + mean.dtype.type(epsilon)
            factor = mean.dtype.type(1) / np.sqrt(variance)
            for c in range(row.size):
                result[c] = (row[c] - middle) * factor * scale[c] + offset[c]
            mean[i], inverse[i] = middle, factor
        task = claim(board, task, tasks)


def _standardize_rows_gradient_reference(
    grad: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    centered: bool,
    moments: np.ndarray,
    grad_x: np.ndarray,
    partial: np.ndarray,
) -> None:
    mean, inverse = moments
    unit = (x - mean[:, None]) * inverse[:, None]
    for k, rows in enumerate(_parts(x, len(partial))):
        products = np.multiply(grad[rows], unit[rows], dtype=np.float64)
        partial[k] = grad[rows].sum(0, dtype=np.float64), products.sum(0)
    scaled = grad * scale
    np.subtract(scaled, unit * np.mean(scaled * unit, 1, keepdims=True), out=grad_x)
    if centered:
        grad_x -= scaled.mean(1, keepdims=True)
    grad_x *= inverse[:, None]


@shared(_standardize_rows_gradient_reference, fastmath=vm.SUMMED)
def standardize_rows_gradient(
    board: int,
    tasks: int,
    grad: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    centered: bool,
    moments: np.ndarray,
    grad_x: np.ndarray,
    partial: np.ndarray,
) -> None:
    """Gradients of `standardize_rows`; of the offset and the scale as sums of parts of the rows.

    Shapes: grad, x and grad_x (n, c); scale (c,); moments (2, n); partial (parts, 2, c). Of these
    grad_x and partial are written.
    """
    mean, inverse = moments[0], moments[1]
    sums, products = np.empty_like(scale), np.empty_like(scale)
    # A plain 0 would make sums of doubles.
    nothing = inverse.dtype.type(0)
    share = inverse.dtype.type(1) / inverse.dtype.type(x.shape[1])
    task = claim(board, -1, tasks)
    while task >= 0:
        for k in range(start(len(partial), task, tasks), start(len(partial), task + 1, tasks)):
            first, last = start(len(x), k, len(partial)), start(len(x), k + 1, len(partial))
            partial[k] = 0.0
            for block in range(first, last, _BLOCK):
                sums[:] = 0
                products[:] = 0
                for i in range(block, min(block + _BLOCK, last)):
                    row, g, result = x[i], grad[i], grad_x[i]
                    middle, factor = mean[i], inverse[i]
                    total, slope = nothing, nothing
                    for c in range(row.size):
                        scaled = g[c] * scale[c]
                        total += scaled
                        slope += scaled * ((row[c] - middle) * factor)
                    for c in range(row.size):
                        sums[c] += g[c]
                        products[c] += g[c] * ((row[c] - middle) * factor)
                    total = total * share if centered else nothing
                    slope *= share
                    for c in range(row.size):
                        unit = (row[c] - middle) * factor
                        result[c] = (g[c] * scale[c] - total - unit * slope) * factor
                for c in range(scale.size):
                    partial[k, 0, c] += sums[c]
                    partial[k, 1, c] += products[c]
        task = claim(board, task, tasks)
