"""What an operation is: a forward function, its shape rule and its vector-Jacobian products.

An operation called on arrays just computes. Called on values of which a tape records the history
it also leaves a record; called on `KerasTensor` it applies its shape rule and allocates nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

import numpy as np

from layerscope.config import float_type_for, floatx
from layerscope.graph import connect
from layerscope.tape import TAPES, Record
from layerscope.tensor import OPERATIONS, KerasTensor, Operators, Shape, Tensor, Variable

P = ParamSpec("P")

#: Gradient with respect to one input: ``(grad_out, out, *inputs, **options) -> grad_input``.
VJP = Callable[..., Any]

#: Type of a result: its name, a rule ``(*inputs, **options) -> name``, or None for promotion.
ResultType = str | Callable[..., str] | None


class Operation(Generic[P]):
    """A differentiable function of arrays; made by the `operation` decorator."""

    def __init__(
        self,
        forward: Callable[P, Any],
        shape: Callable[..., Any],
        inputs: int | None,
        dtype: ResultType,
    ) -> None:
        functools.update_wrapper(self, forward)
        self.name = forward.__name__.strip("_")
        self.forward: Callable[..., Any] = forward
        self.output_shape = shape
        self.output_dtype = dtype
        self.n_inputs = inputs
        self.vjps: tuple[VJP | None, ...] = ()
        self.joint_vjp: VJP | None = None
        self.recording_forward: Callable[..., Any] | None = None
        #: The gradient rule of a function of one array that gives one, and keeps nothing for it.
        self.only_rule: VJP | None = None
        #: Whether the joint gradient wants to know which gradients are wanted.
        self.selective = False
        #: Whether the gradient rule computes on plain arrays and cannot itself be differentiated.
        self.first_order_only = False
        self.parameter_names = tuple(inspect.signature(forward).parameters)
        OPERATIONS[self.name] = self

    @property
    def differentiable(self) -> bool:
        """Whether a gradient rule was stated."""
        return bool(self.vjps or self.joint_vjp)

    def gradients(self, *vjps: VJP | None) -> None:
        """State the gradient with respect to each input, None where there is none.

        Each is called as ``vjp(grad_out, out, *inputs, **options)``, plus ``saved`` when a
        recording forward was given. Gradients of broadcast inputs are summed by the tape.
        Written with operators and operations, a rule is itself differentiable.
        """
        self.vjps = vjps
        if len(vjps) == 1 and self.recording_forward is None:
            self.only_rule = vjps[0]

    def joint_gradient(self, vjp: VJP) -> VJP:
        """State one function that returns the gradients of all inputs at once.

        If it has an argument `wanted`, that says for each input whether its gradient is; None may
        stand for the others.

        It is taken to compute on plain arrays; set `first_order_only` to False if it is written
        with operations.
        """
        self.joint_vjp = vjp
        self.selective = "wanted" in inspect.signature(vjp).parameters
        self.first_order_only = True
        return vjp

    def saving(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """State a forward that also returns what the gradient needs: ``-> (out, saved)``."""
        self.recording_forward, self.only_rule = forward, None
        return forward

    def _split(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """Return the array arguments, also those passed by name; move the rest to `options`."""
        inputs = self.n_inputs
        if inputs is None:
            return args
        names = self.parameter_names
        if len(args) < inputs:
            given = [options.pop(name) for name in names[len(args) : inputs] if name in options]
            return (*args, *given)
        if len(args) > len(names):
            raise TypeError(
                f"`{self.name}` takes {', '.join(names)}. Received {len(args)} arguments."
            )
        options.update(zip(names[inputs:], args[inputs:], strict=False))
        return args[:inputs]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Compute on arrays, record on a tape, or follow shapes, by what the inputs hold."""
        inputs: Any = args
        if len(inputs) == 1 == self.n_inputs and type(inputs[0]) is np.ndarray:
            # To look at arguments as if there were several takes as long as most small functions.
            out = self.forward(inputs[0], **kwargs) if kwargs else self.forward(inputs[0])
            if type(out) is np.ndarray and out.itemsize != 8:
                return out
            return _narrowed(out, inputs) if self.output_dtype is None else out
        options: dict[str, Any] = kwargs
        if len(inputs) != self.n_inputs:
            inputs = self._split(inputs, options)
        values = []
        tracked = False
        for value in inputs:
            kind = type(value)
            if kind is np.ndarray:
                values.append(value)
            elif kind is Tensor:
                values.append(value.value)
                tracked = True
            elif kind is Variable:
                values.append(value.value)
                tracked = tracked or value.trainable
            elif kind is KerasTensor:
                return self._symbolic(inputs, options)
            else:
                values.append(_as_operand(value))
        if tracked and (tapes := TAPES.get()):
            return self._record(tapes, inputs, values, options)
        # To unpack no options would take longer than most of this.
        out = self.forward(*values, **options) if options else self.forward(*values)
        if type(out) is np.ndarray and out.itemsize != 8:
            return out
        return _narrowed(out, inputs) if self.output_dtype is None else out

    def _record(
        self,
        tapes: tuple[list[Record], ...],
        inputs: tuple[Any, ...],
        values: list[Any],
        options: dict[str, Any],
    ) -> Any:
        saved = None
        if self.recording_forward is not None:
            out, saved = self.recording_forward(*values, **options)
        else:
            out = self.forward(*values, **options)
        several = False
        if type(out) is np.ndarray and out.itemsize != 8:
            outputs = (Tensor(out),)
        elif several := isinstance(out, (tuple, list)):
            outputs = tuple([Tensor(np.asarray(value)) for value in out])
        else:
            out = _narrowed(out, inputs) if self.output_dtype is None else out
            outputs = (Tensor(np.asarray(out)),)
        if self.vjps or self.joint_vjp is not None:
            record = Record(self, inputs, values, options, outputs, saved)
            for tape in tapes:
                tape.append(record)
        return outputs if several else outputs[0]

    def _symbolic(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        result = self.output_shape(*(_shape_of(value) for value in inputs), **options)
        if callable(self.output_dtype):
            dtype = self.output_dtype(*inputs, **options)
        else:
            dtype = self.output_dtype or _promoted(inputs)
        if isinstance(result, list):
            outputs: Any = tuple(KerasTensor(shape, dtype) for shape in result)
        else:
            outputs = KerasTensor(result, dtype)
        connect(self, inputs, options, outputs)
        return outputs

    def __reduce__(self) -> str:
        # There is one of each: a copy is the operation itself, a pickle its name.
        return self.forward.__name__

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


def _as_operand(value: Any) -> Any:
    """Return `value` as something NumPy combines without widening float32 to float64."""
    if isinstance(value, np.generic):
        # A float64 scalar such as np.sqrt(2) must not widen a float32 network.
        return value.item() if isinstance(value, (np.float64, np.integer)) else value
    if isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, Operators):
        raise TypeError(f"Expected an array, got {value!r}")
    array = np.asarray(value)
    if array.dtype == np.float64 and not isinstance(value, np.ndarray):
        array = array.astype(floatx())
    return array


def _narrowed(out: Any, inputs: tuple[Any, ...]) -> Any:
    """Undo NumPy's widening to 64 bits where no input has them, as Keras does.

    Integers meeting float32 give float32, functions of integers `floatx`, and sums of 32-bit
    integers stay what they are.
    """
    if getattr(out, "itemsize", 0) != 8 or out.dtype.kind not in "fi":
        return out
    types = [np.dtype(value.dtype) for value in inputs if hasattr(value, "dtype")]
    if out.dtype in types:
        return out
    if out.dtype.kind == "i":
        return out.astype(np.int32)
    return out.astype(np.float32 if np.dtype(np.float32) in types else floatx())


def _shape_of(value: Any) -> Shape:
    return value.shape if isinstance(value, Operators) else np.shape(value)


def _promoted(inputs: tuple[Any, ...]) -> str:
    """Type that NumPy gives a combination of `inputs`, narrowed as `_narrowed` does."""
    operands = [
        np.empty((), value.dtype) if isinstance(value, Operators) else _as_operand(value)
        for value in inputs
    ]
    return _narrowed(np.empty((), np.result_type(*operands)), inputs).dtype.name


def same_shape(shape: Shape, *_: Any, **__: Any) -> Shape:
    """Shape rule of operations that keep their first input's shape."""
    return shape


def float_result(x: Any, *_: Any, **__: Any) -> str:
    """Type rule of operations that average: the input's float type, the default for integers."""
    return float_type_for(x.dtype)


def operation(
    shape: Callable[..., Any] = same_shape,
    *,
    inputs: int | None = 1,
    dtype: ResultType = None,
) -> Callable[[Callable[P, Any]], Operation[P]]:
    """Turn a function of arrays into an `Operation`.

    Parameters
    ----------
    shape : rule ``(*input_shapes, **options) -> shape`` (a list of shapes for several outputs).
    inputs : how many leading arguments are arrays; None: all positional ones.
    dtype : type of the result, or a rule for it; None: promoted from the inputs as NumPy does,
        without widening to 64 bits.
    """

    def decorate(forward: Callable[P, Any]) -> Operation[P]:
        return Operation(forward, shape, inputs, dtype)

    return decorate
