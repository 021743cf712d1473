"""Products of matrices and tensors."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.ops import shapes
from layerscope.ops.manipulation import expand_dims, reshape, swapaxes, transpose
from layerscope.ops.operation import operation
from layerscope.ops.product import are_matrices, matrix_product, product
from layerscope.tensor import Shape

Array = Any

_LETTERS = string.ascii_letters


@operation(shapes.matmul, inputs=2)
def matmul(x1: Array, x2: Array) -> Array:
    """Matrix product over the last two axes, leading axes broadcast."""
    return product(x1, x2)


def _matmul_left(g: Array, out: Array, a: Array, b: Array) -> Array:
    if are_matrices(g, b):
        return matrix_product(g, b.T)
    if len(a.shape) == 1 and len(b.shape) == 1:
        return g * b
    if len(b.shape) == 1:
        return expand_dims(g, -1) * b
    if len(a.shape) == 1:
        return reshape(matmul(b, expand_dims(g, -1)), b.shape[:-1])
    return matmul(g, swapaxes(b, -1, -2))


def _matmul_right(g: Array, out: Array, a: Array, b: Array) -> Array:
    if are_matrices(a, g):
        return matrix_product(a.T, g)
    if len(a.shape) == 1 and len(b.shape) == 1:
        return g * a
    if len(b.shape) == 1:
        return matmul(reshape(g, (1, -1)), reshape(a, (-1, a.shape[-1])))[0]
    if len(a.shape) == 1:
        return expand_dims(a, -1) * expand_dims(g, -2)
    if len(b.shape) == 2 < len(a.shape):
        # One large product instead of a batch of small ones that are summed afterwards.
        return matmul(transpose(reshape(a, (-1, a.shape[-1]))), reshape(g, (-1, g.shape[-1])))
    return matmul(swapaxes(a, -1, -2), g)


matmul.gradients(_matmul_left, _matmul_right)


def dot(x1: Array, x2: Array) -> Array:
    """NumPy's dot product: a sum over the last axis of `x1` and the second-last of `x2`."""
    if not np.shape(getattr(x1, "value", x1)) or not np.shape(getattr(x2, "value", x2)):
        return x1 * x2
    if len(x2.shape) <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=([len(x1.shape) - 1], [len(x2.shape) - 2]))


def _parse(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Split subscripts into terms, replacing an ellipsis by capital letters."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(
            f"Argument `subscripts` names {len(terms)} operands, {len(ranks)} were given: "
            f"{subscripts!r}"
        )
    extra = max(
        (rank - len(term) + 3 for term, rank in zip(terms, ranks, strict=True) if "..." in term),
        default=0,
    )
    letters = [letter for letter in _LETTERS if letter not in subscripts]
    ellipsis = "".join(letters[:extra])

    def expanded(term: str, rank: int) -> str:
        count = rank - len(term) + 3
        return term.replace("...", ellipsis[len(ellipsis) - count :] if count else "")

    terms = [
        expanded(term, rank) if "..." in term else term
        for term, rank in zip(terms, ranks, strict=True)
    ]
    if not arrow:
        joined = "".join(terms)
        free = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in ellipsis)
        right = ellipsis + "".join(free)
    return terms, right.replace("...", ellipsis)


def _einsum_shape(*operands: Shape, subscripts: str) -> Shape:
    terms, out = _parse(subscripts, [len(operand) for operand in operands])
    lengths: dict[str, int | None] = {}
    for term, operand in zip(terms, operands, strict=True):
        if len(term) != len(operand):
            raise shapes.ShapeError(f"Term {term!r} of {subscripts!r} does not fit shape {operand}")
        for letter, length in zip(term, operand, strict=True):
            known = lengths.get(letter)
            if known in (None, 1):
                lengths[letter] = length if length is not None else known
            elif length not in (None, 1, known):
                raise shapes.ShapeError(
                    f"Axis {letter!r} of {subscripts!r} has lengths {known} and {length}."
                )
    return tuple(lengths[letter] for letter in out)


@operation(_einsum_shape, inputs=None)
def _einsum(*operands: Array, subscripts: str) -> Array:
    return np.einsum(subscripts, *operands, optimize=len(operands) > 1)


@_einsum.joint_gradient
def _einsum_gradient(g: Array, out: Array, *operands: Array, subscripts: str) -> tuple[Any, ...]:
    terms, result = _parse(subscripts, [len(operand.shape) for operand in operands])
    gradients = []
    for position, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        others = [*terms[:position], *terms[position + 1 :]]
        values = [*operands[:position], *operands[position + 1 :]]
        unique, terms_beside, values_beside = _spread(
            term, "".join([result, *terms]), {*result, *"".join(others)}, operand
        )
        gradients.append(
            _einsum(
                g,
                *values,
                *values_beside,
                subscripts=f"{','.join([result, *others, *terms_beside])}->{unique}",
            )
        )
    return tuple(gradients)


_einsum.first_order_only = False


def _spread(
    term: str, taken: str, elsewhere: set[str], operand: Array
) -> tuple[str, list[str], list[np.ndarray]]:
    """Return what brings a gradient to all axes of an operand, as further operands of an einsum.

    Where a term repeats a letter, only the diagonal counts: a unit matrix brings it back. Along an
    axis that is summed away by this operand alone the gradient is the same everywhere: ones spread
    it.

    Returns
    -------
    The term with a letter of its own for each axis, the terms of the further operands, and these.
    """
    free = iter([letter for letter in _LETTERS if letter not in taken])
    letters, terms, operands = "", [], []
    for letter, length in zip(term, operand.shape, strict=True):
        if letter in letters:
            other = next(free)
            terms.append(letter + other)
            operands.append(np.eye(length, dtype=operand.dtype))
            letters += other
            continue
        letters += letter
        if letter not in elsewhere:
            terms.append(letter)
            operands.append(np.ones(length, operand.dtype))
    return letters, terms, operands


def einsum(subscripts: str, *operands: Array) -> Array:
    """Einstein summation, such as ``einsum("bij,bjk->bik", a, b)``."""
    return _einsum(*operands, subscripts=subscripts)


def tensordot(x1: Array, x2: Array, axes: int | Sequence[Any] = 2) -> Array:
    """Sum of products over the given axes of both."""
    n1, n2 = len(x1.shape), len(x2.shape)
    if isinstance(axes, int):
        over1, over2 = tuple(range(n1 - axes, n1)), tuple(range(axes))
    else:
        over1, over2 = (
            shapes.normalize_axes(over, n) for over, n in zip(axes, (n1, n2), strict=True)
        )
    left, right = list(_LETTERS[:n1]), list(_LETTERS[n1 : n1 + n2])
    for axis1, axis2 in zip(over1, over2, strict=True):
        right[axis2] = left[axis1]
    free = [letter for letter in (*left, *right) if (letter in left) != (letter in right)]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(free)}", x1, x2)
