"""Dense layers in a row, which are computed and differentiated as one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from layerscope import ops
from layerscope.layers import Dense
from layerscope.layers.layer import Layer
from layerscope.masks import get_keras_mask
from layerscope.tensor import Tensor, Variable

Array = Any


class DenseRun(NamedTuple):
    """Several dense layers in a row.

    Attributes
    ----------
    weights : kernel and bias of each.
    activations : of each.
    """

    weights: list[Variable]
    activations: tuple[str | None, ...]

    def takes(self, value: Any) -> bool:
        """Tell whether to such a value the layers do nothing but multiply."""
        kernel = self.weights[0].value
        array = value.value if type(value) is Tensor else value
        return (
            type(array) is np.ndarray
            and array.dtype == kernel.dtype
            and array.ndim > 1
            and array.shape[-1] == len(kernel)
            and get_keras_mask(value) is None
        )

    def __call__(self, inputs: Any) -> Any:
        """Apply the layers."""
        return ops.dense_stack(inputs, *self.weights, activations=self.activations)

    def vjp(self, x: Array) -> tuple[Array, Callable[[Array], Sequence[Array]]]:
        """Return the output for a matrix, and what turns its gradient into that of each weight.

        No tape is needed: who depends on whom is known.
        """
        operation, options = ops.dense_stack, {"activations": self.activations}
        values = [variable.value for variable in self.weights]
        assert operation.recording_forward is not None
        out, saved = operation.recording_forward(x, *values, **options)

        def gradients(g: Array) -> Sequence[Array]:
            assert operation.joint_vjp is not None
            known = {"saved": saved, "wanted": [False] + [True] * len(values), **options}
            return operation.joint_vjp(g, out, x, *values, **known)[1:]

        return out, gradients


def first_run(layers: list[Layer]) -> DenseRun | None:
    """Return the dense layers that come first, if there are several."""
    weights: list[Variable] = []
    activations: list[str | None] = []
    for layer in layers:
        product = layer._product() if isinstance(layer, Dense) else None
        if (
            product is None
            or layer.dtype != layers[0].dtype
            or (weights and weights[-1].shape[0] != product[0].shape[0])
        ):
            break
        kernel, bias, activation = product
        weights += [kernel, bias]
        activations.append(activation)
    return DenseRun(weights, tuple(activations)) if len(activations) > 1 else None
