"""Layerscope: the Keras layers API on NumPy, made to be looked into.

``import layerscope as keras`` runs the layer-level code of a Keras tutorial.
"""

from layerscope import (
    activations,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    utils,
)
from layerscope.autodiff import (
    GradientTape,
    check_gradients,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from layerscope.layers import Input, Layer
from layerscope.models import Model, Sequential
from layerscope.tensor import KerasTensor, Tensor, Variable

__version__ = "0.1.0"

__all__ = [
    "GradientTape",
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "Tensor",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "check_gradients",
    "config",
    "constraints",
    "datasets",
    "grad",
    "hessian",
    "hvp",
    "initializers",
    "jacobian",
    "jvp",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "utils",
    "value_and_grad",
    "vjp",
]
