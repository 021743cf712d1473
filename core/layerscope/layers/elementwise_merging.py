"""Several inputs combined entry by entry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from layerscope import ops
from layerscope.layers.layer import Example
from layerscope.layers.merging import _Merge
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape

_SAME = Example({}, [(2, 3), (2, 3)])
_BROADCAST = Example({}, [(2, 3, 4), (2, 4), (2, 3, 1)])
_ONE = Example({}, [(2, 3)])


class Add(_Merge):
    """Sum of the inputs, entry by entry.

    Shapes: a list of inputs (batch, ...) that can be broadcast, inputs with fewer axes gaining
    some after the batch; output their common shape. Source: Keras `Add`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Add()([np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")])
    array([[3., 3., 3.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \sum_i x_i"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, _BROADCAST, _ONE)

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return functools.reduce(ops.add, inputs)


class Subtract(_Merge):
    """Difference of two inputs, entry by entry: the second taken from the first.

    Shapes: two inputs (batch, ...) that can be broadcast, the one with fewer axes gaining some
    after the batch; output their common shape. Source: Keras `Subtract`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Subtract()([np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")])
    array([[-1., -1., -1.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = x_1 - x_2"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, Example({}, [(2, 4), (2, 3, 4)]))

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return ops.subtract(*inputs)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        shape = super().compute_output_shape(input_shape)
        if len(input_shape) != 2:
            raise ShapeError(
                "A `Subtract` layer should be called on exactly 2 inputs. "
                f"Received: input_shape={input_shape}"
            )
        return shape


class Average(_Merge):
    """Mean of the inputs, entry by entry.

    Shapes: a list of inputs (batch, ...) that can be broadcast, inputs with fewer axes gaining
    some after the batch; output their common shape. Source: Keras `Average`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Average()([np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")])
    array([[1.5, 1.5, 1.5]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \frac{1}{n} \sum_i x_i"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, _BROADCAST, _ONE)

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return functools.reduce(ops.add, inputs) / len(inputs)


class Multiply(_Merge):
    """Product of the inputs, entry by entry.

    A step that an input's mask leaves out counts as 1; where the masks of all inputs leave it
    out, the product is 0.

    Shapes: a list of inputs (batch, ...) that can be broadcast, inputs with fewer axes gaining
    some after the batch; output their common shape. Source: Keras `Multiply`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Multiply()([np.full((1, 3), 3, "float32"), np.full((1, 3), 2, "float32")])
    array([[6., 6., 6.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \prod_i x_i"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, _BROADCAST, _ONE)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        counting = self._counting(inputs, mask)
        pairs = zip(self._of_one_rank(inputs), counting, strict=True)
        factors = [x if counts is None else ops.where(counts, x, 1) for x, counts in pairs]
        product = functools.reduce(ops.multiply, factors)
        if any(counts is None for counts in counting):
            return product
        return ops.where(functools.reduce(ops.logical_or, counting), product, 0)


class _Extreme(_Merge):
    """Base of the layers that choose one of the inputs for every entry.

    A step that an input's mask leaves out is not chosen, unless all inputs leave it out.
    """

    choice: ClassVar[Callable[[Any, Any], Any]]

    def call(self, inputs: Any, mask: Any = None) -> Any:
        values, counting = self._of_one_rank(inputs), self._counting(inputs, mask)
        best, counts = values[0], counting[0]
        for x, others in zip(values[1:], counting[1:], strict=True):
            candidate = x if others is None else ops.where(others, x, best)
            kept = best if counts is None else ops.where(counts, best, candidate)
            best = type(self).choice(kept, candidate)
            both = counts is not None and others is not None
            counts = ops.logical_or(counts, others) if both else None
        return best


class Maximum(_Extreme):
    """Largest of the inputs, entry by entry.

    A step that an input's mask leaves out does not count, unless all inputs leave it out.

    Shapes: a list of inputs (batch, ...) that can be broadcast, inputs with fewer axes gaining
    some after the batch; output their common shape. Source: Keras `Maximum`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Maximum()([np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")])
    array([[2., 2., 2.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \max_i x_i"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, _BROADCAST, _ONE)
    choice: ClassVar[Callable[[Any, Any], Any]] = ops.maximum


class Minimum(_Extreme):
    """Smallest of the inputs, entry by entry.

    A step that an input's mask leaves out does not count, unless all inputs leave it out.

    Shapes: a list of inputs (batch, ...) that can be broadcast, inputs with fewer axes gaining
    some after the batch; output their common shape. Source: Keras `Minimum`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Minimum()([np.ones((1, 3), "float32"), np.full((1, 3), 2, "float32")])
    array([[1., 1., 1.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y = \min_i x_i"
    examples: ClassVar[tuple[Example, ...]] = (_SAME, _BROADCAST, _ONE)
    choice: ClassVar[Callable[[Any, Any], Any]] = ops.minimum


def add(inputs: Any, **kwargs: Any) -> Any:
    """Return the sum of the inputs, by an `Add` layer."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Return the difference of two inputs, by a `Subtract` layer."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Return the product of the inputs, by a `Multiply` layer."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Return the mean of the inputs, by an `Average` layer."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Return the largest of the inputs, by a `Maximum` layer."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Return the smallest of the inputs, by a `Minimum` layer."""
    return Minimum(**kwargs)(inputs)
