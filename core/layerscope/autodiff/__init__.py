"""Reverse-mode differentiation: record what was computed, walk it backwards."""

from layerscope.autodiff.checking import check_gradients
from layerscope.autodiff.functional import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from layerscope.autodiff.gradient_tape import GradientTape

__all__ = [
    "GradientTape", "check_gradients", "grad", "hessian", "hvp", "jacobian", "jvp",
    "value_and_grad", "vjp",
]  # fmt: skip
