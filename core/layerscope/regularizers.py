"""Penalties on weights or outputs, added to the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.configurable import Configurable, field
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify


class Regularizer(Configurable):
    """Base class: define ``__call__(x)`` with `layerscope.ops` and list arguments as fields.

    Attributes
    ----------
    formula : LaTeX of the penalty.
    """

    kind: ClassVar[str] = "regularizer"
    keras_module: ClassVar[str] = "keras.regularizers"
    formula: ClassVar[str] = ""

    def __call__(self, x: Any) -> Any:
        """Return the penalty of `x`, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(x)`.")


RegularizerLike = (
    str | Regularizer | Callable[[Any], Any] | dict[str, Any] | type[Regularizer] | None
)


class L1(Regularizer):
    """Sum of absolute values: ``l1 * sum(|x|)``. Drives weights to exactly zero."""

    formula = r"\lambda_1 \sum |x|"

    l1: float = field(default=0.01, ge=0, help="Weight of the penalty.", slider=(0, 0.1))

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x))


class L2(Regularizer):
    """Sum of squares: ``l2 * sum(x**2)``. Shrinks weights in proportion to their size."""

    formula = r"\lambda_2 \sum x^2"

    l2: float = field(default=0.01, ge=0, help="Weight of the penalty.", slider=(0, 0.1))

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))


class L1L2(Regularizer):
    """Both penalties: ``l1 * sum(|x|) + l2 * sum(x**2)``."""

    aliases = ("l1_l2",)
    formula = r"\lambda_1 \sum |x| + \lambda_2 \sum x^2"

    l1: float = field(default=0.0, ge=0, help="Weight of the absolute values.", slider=(0, 0.1))
    l2: float = field(default=0.0, ge=0, help="Weight of the squares.", slider=(0, 0.1))

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x)) + self.l2 * ops.sum(ops.square(x))


class OrthogonalRegularizer(Regularizer):
    """Mean absolute cosine between the rows of a matrix, or its columns, times `factor`.

    Drives them to right angles. One row alone costs nothing.
    """

    formula = r"\lambda \, \frac{2}{n (n - 1)} \sum_{i < j} |\cos(x_i, x_j)|"

    factor: float = field(default=0.01, ge=0, help="Weight of the penalty.", slider=(0, 0.1))
    mode: Literal["rows", "columns"] = field(
        default="rows",
        help="What is driven to right angles.",
        refusal='Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. '
        "Received: mode={value}",
    )

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            raise ValueError(
                "Inputs to OrthogonalRegularizer must have rank 2. Received: "
                f"inputs.shape={tuple(x.shape)}"
            )
        rows = x if self.mode == "rows" else ops.transpose(x)
        number = rows.shape[0]
        rows = ops.normalize(rows, axis=1)
        cosines = ops.matmul(rows, ops.transpose(rows))
        others = ops.abs(cosines * (1 - np.eye(number, dtype=str(cosines.dtype))))
        return self.factor * ops.sum(others) / max(number * (number - 1), 1)


l1, l2, l1_l2 = L1, L2, L1L2
orthogonal_regularizer = OrthogonalRegularizer


def get(identifier: RegularizerLike) -> Any:
    """Return the regularizer meant by a name, class, config, instance or callable.

    The name ``"l1_l2"``, which Keras 3 dropped, means what it did in Keras 2: 0.01 for both.
    """
    if identifier == "l1_l2":
        return L1L2(l1=0.01, l2=0.01)
    return identify(Regularizer, identifier)


def serialize(regularizer: Regularizer) -> dict[str, Any]:
    """Return the config of a regularizer."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Regularizer:
    """Return the regularizer a config describes."""
    return deserialize_as(Regularizer, config, custom_objects)
