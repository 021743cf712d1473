"""Projections that an optimizer applies to weights after each step.

>>> import numpy as np, layerscope as ls
>>> layer = ls.layers.Dense(
...     2, kernel_constraint=ls.constraints.MaxNorm(2, axis=0), bias_constraint="non_neg"
... )
>>> layer.kernel_constraint(np.array([[3.0, 0.0], [4.0, 1.0]])).round(3)
array([[1.2, 0. ],
       [1.6, 1. ]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from layerscope import ops
from layerscope.config import epsilon
from layerscope.configurable import Configurable, field
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as, identify


class Constraint(Configurable):
    """Base class: define ``__call__(w)`` and list arguments as fields.

    Attributes
    ----------
    formula : LaTeX of the projection.
    """

    kind: ClassVar[str] = "constraint"
    keras_module: ClassVar[str] = "keras.constraints"
    formula: ClassVar[str] = ""

    def __call__(self, w: Any) -> Any:
        """Return the projection of `w`, an array of the same shape; here `w` itself."""
        return w


ConstraintLike = str | Constraint | Callable[[Any], Any] | dict[str, Any] | type[Constraint] | None

Axis = int | tuple[int, ...]


def _axis(value: Any) -> Axis:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(axis, int) for axis in value):
        return tuple(value)
    raise ValueError(
        f"Argument `axis` must be an integer or a tuple of integers. Received: axis={value!r}"
    )


class MaxNorm(Constraint):
    """Scales down columns whose norm is above `max_value`.

    For a Dense kernel ``axis=0`` bounds the incoming weights of each unit; for a Conv2D kernel use
    ``(0, 1, 2)``. Source: Srivastava et al. 2014.
    """

    formula = r"w \cdot \frac{\min(\lVert w \rVert, m)}{\varepsilon + \lVert w \rVert}"

    max_value: float = field(default=2.0, ge=0, help="Largest norm.", slider=(0.1, 4))
    axis: Axis = field(default=0, converter=_axis, help="Axes over which the norm is taken.")

    def __call__(self, w: Any) -> Any:
        norms = ops.norm(w, axis=self.axis, keepdims=True)
        return w * (ops.clip(norms, 0, self.max_value) / (epsilon() + norms))


class NonNeg(Constraint):
    """Sets negative weights to zero."""

    formula = r"\max(w, 0)"

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0)


class UnitNorm(Constraint):
    """Scales columns to norm one."""

    formula = r"\frac{w}{\varepsilon + \lVert w \rVert}"

    axis: Axis = field(default=0, converter=_axis, help="Axes over which the norm is taken.")

    def __call__(self, w: Any) -> Any:
        return w / (epsilon() + ops.norm(w, axis=self.axis, keepdims=True))


class MinMaxNorm(Constraint):
    """Moves the norm of columns into ``[min_value, max_value]``, by a fraction `rate` per step."""

    formula = (
        r"w \cdot \frac{r\,\mathrm{clip}(\lVert w \rVert, a, b) + (1 - r) \lVert w \rVert}"
        r"{\varepsilon + \lVert w \rVert}"
    )

    min_value: float = field(default=0.0, ge=0, help="Smallest norm.", slider=(0, 4))
    max_value: float = field(default=1.0, ge=0, help="Largest norm.", slider=(0.1, 4))
    rate: float = field(default=1.0, help="Share of the way taken each step.", slider=(0, 1))
    axis: Axis = field(default=0, converter=_axis, help="Axes over which the norm is taken.")

    def __call__(self, w: Any) -> Any:
        norms = ops.norm(w, axis=self.axis, keepdims=True)
        desired = (
            self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        )
        return w * (desired / (epsilon() + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier: ConstraintLike) -> Any:
    """Return the constraint meant by a name, class, config, instance or callable."""
    return identify(Constraint, identifier)


def serialize(constraint: Constraint) -> dict[str, Any]:
    """Return the config of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Constraint:
    """Return the constraint a config describes."""
    return deserialize_as(Constraint, config, custom_objects)
