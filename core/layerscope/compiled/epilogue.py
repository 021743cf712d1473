"""What follows a product with a kernel: bias and activation in one pass, and the way back.

The product's own memory takes the result, so that it need not be read again later; activations
are those of which the gradient needs no more than their output.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.compiled import activations
from layerscope.compiled.mapping import Formula, Mapped, MappedPair, named, of_one_number, start
from layerscope.compiled.team import claim, shared

#: So many rows are summed in the precision of the input.
_BLOCK = 8


class Epilogue:
    """Bias and one activation, over the columns of matrices of one float type.

    Attributes
    ----------
    finish : loop ``(out, bias)``: out (n, c), C-contiguous, becomes ``function(out + bias)``.
    back : loop ``(grad, y, grad_z, partial)``, all but the last (n, c): of the gradient of the
        result y makes that of the product, and that of the bias as sums of parts of the rows,
        partial (parts, c) in double precision.
    """

    def __init__(
        self,
        function: Formula,
        formula: Formula,
        gradient: Formula,
        gradient_formula: Formula,
    ) -> None:
        self.finish = _finisher(function, formula)
        self.back = _back(gradient, gradient_formula)

    @classmethod
    def of(cls, function: Mapped, gradient: MappedPair) -> Epilogue:
        """Return that of an activation, of which the gradient takes the output."""
        return cls(function.function, function.formula, gradient.function, gradient.formula)


def _finisher(function: Formula, formula: Formula) -> Any:
    def reference(out: np.ndarray, bias: np.ndarray) -> None:
        out[...] = formula(out + bias)

    def loop(board: int, tasks: int, out: np.ndarray, bias: np.ndarray) -> None:
        task = claim(board, -1, tasks)
        while task >= 0:
            for i in range(start(len(out), task, tasks), start(len(out), task + 1, tasks)):
                row = out[i]
                for c in range(row.size):
                    row[c] = function(row[c] + bias[c])
            task = claim(board, task, tasks)

    doc = "Overwrite a product by the activation of what it is with the bias."
    return shared(reference)(named(loop, f"{function.__name__}_epilogue", __name__, doc))


def _back(function: Formula, formula: Formula) -> Any:
    def reference(grad: np.ndarray, y: np.ndarray, grad_z: np.ndarray, partial: np.ndarray) -> None:
        grad_z[...] = formula(grad, y)
        for k in range(len(partial)):
            rows = slice(len(y) * k // len(partial), len(y) * (k + 1) // len(partial))
            partial[k] = grad_z[rows].sum(0, dtype=np.float64)

    def loop(
        board: int,
        tasks: int,
        grad: np.ndarray,
        y: np.ndarray,
        grad_z: np.ndarray,
        partial: np.ndarray,
    ) -> None:
        sums = np.empty_like(y[0]) if len(y) else np.empty(0, y.dtype)
        task = claim(board, -1, tasks)
        while task >= 0:
            for k in range(start(len(partial), task, tasks), start(len(partial), task + 1, tasks)):
                first, last = start(len(y), k, len(partial)), start(len(y), k + 1, len(partial))
                partial[k] = 0.0
                for block in range(first, last, _BLOCK):
                    sums[:] = 0
                    for i in range(block, min(block + _BLOCK, last)):
                        g, row, result = grad[i], y[i], grad_z[i]
                        for c in range(row.size):
                            value = function(g[c], row[c])
                            result[c] = value
                            sums[c] += value
                    for c in range(sums.size):
                        partial[k, c] += sums[c]
            task = claim(board, task, tasks)

    doc = "Write the gradient of a product, and that of the bias as sums of parts of the rows."
    return shared(reference)(named(loop, f"{function.__name__}_epilogue", __name__, doc))


@of_one_number
def _linear(x: Any) -> Any:
    return x


@of_one_number
def _linear_gradient(g: Any, y: Any) -> Any:
    return g


#: By the name of the activation.
EPILOGUES = {
    "linear": Epilogue(_linear, lambda x: x, _linear_gradient, lambda g, y: g),
    "relu": Epilogue.of(activations.relu, activations.relu_gradient),
    "sigmoid": Epilogue.of(activations.sigmoid, activations.sigmoid_gradient),
    "tanh": Epilogue.of(activations.tanh, activations.tanh_gradient),
}
