"""Fully connected layer between whichever axes an equation names."""

from __future__ import annotations

import functools
import math
import re
from typing import Any, ClassVar, NamedTuple

from layerscope import activations, constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.layers.low_rank import _LowRankAdapted
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import KerasTensor, Shape

_FORM = re.compile(
    r"(?P<left>\.\.\.)?([a-zA-Z]+)(?P<right>\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"
)


class _Equation(NamedTuple):
    """An equation's terms, without the ellipsis.

    Attributes
    ----------
    inputs, weights, outputs : a letter for each axis.
    left, right : whether an ellipsis stands before or behind the letters of inputs and outputs.
    """

    inputs: str
    weights: str
    outputs: str
    left: bool
    right: bool


@functools.cache
def _parsed(equation: str) -> _Equation:
    """Return the terms of an equation.

    Raises
    ------
    ValueError
        If it is no equation of an input and a kernel, or a letter of its output or its kernel does
        not appear where it would get a length from.
    """
    match = _FORM.fullmatch(equation.replace(" ", ""))
    if match is None or match.group(1, 3) != match.group(5, 7) or all(match.group(1, 3)):
        raise ValueError(
            f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], "
            "...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
        )
    inputs, weights, outputs = match.group(2, 4, 6)
    for letter in outputs:
        if letter not in inputs + weights:
            raise ValueError(
                f"Dimension '{letter}' was specified in the output '{outputs}' of equation "
                f"'{equation}' but is neither in the input '{inputs}' nor in the kernel "
                f"'{weights}'."
            )
    for letter in weights:
        if letter not in inputs + outputs:
            raise ValueError(
                f"Kernel dimension '{letter}' of equation '{equation}' is neither in the input "
                f"'{inputs}' nor in the output '{outputs}', which would tell its length."
            )
    return _Equation(
        inputs, weights, outputs, match["left"] is not None, match["right"] is not None
    )


@functools.cache
def _summed(equation: str) -> int:
    """Return over how many last axes of the input the equation sums as a product of matrices does.

    The kernel then has these axes first, and behind them what stands in their place in the output;
    0 where it does not.
    """
    terms = _parsed(equation)
    summed = "".join(letter for letter in terms.inputs if letter not in terms.outputs)
    free, new = terms.inputs.removesuffix(summed), terms.weights.removeprefix(summed)
    letters = free + summed + new
    is_product = (
        len(set(letters)) == len(letters)
        and terms == _Equation(free + summed, summed + new, free + new, terms.left, False)
    )  # fmt: skip
    return len(summed) if is_product else 0


def _product(x: Any, kernel: Any, bias: Any, summed: int) -> Any:
    """Multiply the last axes of an input by the first of a kernel, and add a bias to the others."""
    if bias is not None:
        return ops.projection(x, kernel, bias, summed=summed)
    rows = ops.reshape(x, (-1, math.prod(kernel.shape[:summed])))
    out = ops.matmul(rows, ops.reshape(kernel, (rows.shape[-1], -1)))
    return ops.reshape(out, (*x.shape[: len(x.shape) - summed], *kernel.shape[summed:]))


def _equation(value: Any) -> Any:
    if isinstance(value, str):
        _parsed(value)
    return value


def partial_shape(value: Any) -> Any:
    """Return the shape that one length or several stand for, of which some may be None.

    Raises
    ------
    ValueError
        If it is none.
    """
    lengths = (value,) if isinstance(value, int) else value
    if not isinstance(lengths, (list, tuple)) or not all(
        one is None or (isinstance(one, int) and one > 0) for one in lengths
    ):
        raise ValueError(
            f"Invalid `output_shape`: {value!r}. It must be a positive integer or a tuple of "
            "positive integers and None."
        )
    return tuple(lengths)


class EinsumDense(_LowRankAdapted):
    """Affine map by an einsum equation: ``activation(einsum(equation, x, kernel) + bias)``.

    The first letter of the input, or the ellipsis before it, is the batch. A length of
    `output_shape` may be None where the input has it. With a `lora_rank` the kernel is frozen and a
    product of two small weights is added to it.

    Shapes: input, kernel and output as the three terms of the equation; bias (..., ) along
    `bias_axes`. Source: Keras `EinsumDense`; low-rank adaptation: Hu et al. 2021.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 8), bias_axes="de")
    >>> layer.compute_output_shape((None, 5, 16))
    (None, 5, 2, 8)
    """

    section: ClassVar[str] = "core"
    formula: ClassVar[str] = r"y = \sigma(\mathrm{einsum}(x, W) + b)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "c"}, (4, 5)),
        Example(
            {
                "equation": "abc,cde->abde",
                "output_shape": (None, 2, 3),
                "bias_axes": "de",
                "activation": "tanh",
            },
            (2, 3, 4),
        ),
        Example(
            {"equation": "...x,xy->...y", "output_shape": 2, "bias_axes": "y", "lora_rank": 2},
            (2, 2, 3, 4),
        ),
    )
    _positional: ClassVar[dict[str, str]] = {
        "lora_rank": "bias_constraint",
        "lora_alpha": "lora_rank",
    }

    equation: str = field(
        converter=_equation, help="What is multiplied and summed: input, kernel and output."
    )
    output_shape: tuple[int | None, ...] = field(
        converter=partial_shape, help="Lengths of the output without batch and ellipsis."
    )
    activation: activations.Activation = field(
        default=None, converter=activations.get, help="Applied after the bias."
    )
    bias_axes: str | None = field(
        default=None, help="Letters of the output that the bias has axes for; None: no bias."
    )
    kernel_initializer: initializers.Initializer = field(
        default="glorot_uniform", converter=initializers.get, help="First values of the kernel."
    )
    bias_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the bias."
    )
    kernel_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the kernel."
    )
    bias_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the bias."
    )
    kernel_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the kernel after each step."
    )
    bias_constraint: constraints.Constraint | None = field(
        default=None, converter=constraints.get, help="Projection of the bias after each step."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        outputs = _parsed(self.equation).outputs
        for letter in self.bias_axes or "":
            if letter not in outputs:
                raise ValueError(
                    f"Bias dimension '{letter}' was requested, but is not part of the output "
                    f"'{outputs}' of equation '{self.equation}'. "
                    f"Received: bias_axes={self.bias_axes!r}"
                )

    @property
    def partial_output_shape(self) -> tuple[int | None, ...]:
        """The argument `output_shape`, whose name is that of what the layer computes."""
        return self._output_shape

    def build(self, input_shape: Shape) -> None:
        terms, lengths = _parsed(self.equation), self._lengths(input_shape)
        self._kernel = self.add_weight(
            name="kernel",
            shape=[lengths[letter] for letter in terms.weights],
            initializer=self._scaled_initializer(terms),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.bias_axes:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(terms, lengths, len(input_shape)),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._adapt_when_asked()
        places = range(-len(terms.inputs), 0) if terms.left else range(len(terms.inputs))
        axes = {
            place: lengths[letter]
            for place, letter in zip(places, terms.inputs, strict=True)
            if letter in terms.weights
        }
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def _lengths(self, input_shape: Shape) -> dict[str, int | None]:
        """Return the length of each letter, as far as it is known."""
        terms = _parsed(self.equation)
        # Without an ellipsis before it, the first letter is the batch, which nobody gives.
        start = len(input_shape) - len(terms.inputs) if terms.left else 0
        wanted = self._output_shape if terms.left else (input_shape[0], *self._output_shape)
        if len(wanted) < len(terms.outputs):
            raise self._wrong_output_shape()
        lengths: dict[str, int | None] = dict(zip(terms.inputs, input_shape[start:], strict=False))
        for letter, length in zip(terms.outputs, wanted, strict=False):
            known = lengths.get(letter)
            if None not in (length, known) and length != known:
                raise ShapeError(
                    "Input shape and output shape do not match at shared dimension "
                    f"'{letter}' of equation '{self.equation}'. Input shape is {known}, and output "
                    f"shape is {length}."
                )
            lengths[letter] = length if known is None else known
        return lengths

    def _bias_shape(
        self, terms: _Equation, lengths: dict[str, int | None], rank: int
    ) -> list[int | None]:
        assert self.bias_axes is not None
        first = min(map(terms.outputs.index, self.bias_axes))
        behind = 0 if terms.left else rank - len(terms.inputs)
        return [
            *(lengths[one] if one in self.bias_axes else 1 for one in terms.outputs[first:]),
            *[1] * behind,
        ]

    def _scaled_initializer(self, terms: _Equation) -> Any:
        """Return the kernel's initializer, which may need to know which axes are summed over."""
        own: Any = self.kernel_initializer
        if not hasattr(own, "input_axes") or None not in (own.input_axes, own.output_axes):
            return own
        axes = {
            "input_axes": [at for at, one in enumerate(terms.weights) if one not in terms.outputs],
            "output_axes": [at for at, one in enumerate(terms.weights) if one in terms.outputs],
        }
        return type(own).from_config({**own.get_config(), "seed": own._draw_seed, **axes})

    @property
    def kernel(self) -> Any:
        """The kernel, with what low-rank adaptation adds to it."""
        return self._effective()

    def call(self, inputs: Any) -> Any:
        self._check_rank(inputs.shape)
        summed, kernel, bias = _summed(self.equation), self.kernel, self.bias
        whole_bias = bias is None or bias.shape == kernel.shape[summed:]
        if summed and whole_bias and not isinstance(inputs, KerasTensor):
            return self._activated(_product(inputs, kernel, bias, summed))
        x = ops.einsum(self.equation, inputs, kernel)
        return self._activated(x if bias is None else x + bias)

    def _projection(self, summed: int) -> tuple[Any, Any] | None:
        """Return kernel and bias if a call does `ops.projection` and nothing else."""
        kernel, bias = self._kernel, self.bias
        if (
            type(self) is not EinsumDense
            or _summed(self.equation) != summed
            or bias is None
            or bias.shape != kernel.shape[summed:]
            or self.lora_enabled
            or self.activity_regularizer is not None
            or self.activation not in (None, activations.linear)
        ):
            return None
        return kernel, bias

    def _activated(self, x: Any) -> Any:
        # Some take the activation away from a finished layer.
        return x if self.activation is None else self.activation(x)

    def _check_rank(self, input_shape: Shape) -> None:
        terms = _parsed(self.equation)
        more = len(input_shape) - len(terms.inputs)
        if more < 0 or (more and not (terms.left or terms.right)):
            raise ShapeError(
                f"The input '{terms.inputs}' of equation '{self.equation}' does not have the axes "
                f"of what came. Full shape received: {tuple(input_shape)}"
            )
        if len(self._output_shape) != len(terms.outputs) - (not terms.left):
            raise self._wrong_output_shape()

    def _wrong_output_shape(self) -> ValueError:
        return ValueError(
            "Argument `output_shape` must have a length for each axis of the output of equation "
            f"'{self.equation}', but for the batch. Received: output_shape={self._output_shape}"
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_rank(input_shape)
        terms, lengths = _parsed(self.equation), self._lengths(input_shape)
        named = tuple(lengths[letter] for letter in terms.outputs)
        beside = len(input_shape) - len(terms.inputs)
        if terms.left:
            return (*input_shape[:beside], *named)
        return (*named, *input_shape[len(input_shape) - beside :])
