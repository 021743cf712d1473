"""Derivatives of functions, without a tape in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.autodiff.gradient_tape import GradientTape
from layerscope.tape import is_recording
from layerscope.tensor import Tensor

Function = Callable[..., Any]


def _require_scalar(value: Any) -> None:
    shape = np.shape(getattr(value, "value", value))
    if shape not in ((), (1,)):
        raise ValueError(
            "Only a scalar can be differentiated this way; sum or average the result first. "
            f"Received a result of shape {shape}."
        )


def _plain(value: Any) -> Any:
    """Return a value without its history, unless an outer tape wants it."""
    return value.value if isinstance(value, Tensor) and not is_recording() else value


def _or_zeros(gradient: Any, source: Any) -> Any:
    """Return a gradient, zeros where there is none."""
    return np.zeros(source.shape, source.dtype) if gradient is None else gradient


def _with_watched(
    tape: GradientTape, args: Sequence[Any], argnums: int | Sequence[int]
) -> tuple[list[Any], list[Any]]:
    """Return all arguments with those to differentiate watched, and these alone."""
    full = list(args)
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for position in positions:
        full[position] = tape.watch(full[position])
    return full, [full[position] for position in positions]


def value_and_grad(
    function: Function, argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that gives the value of `function` and its gradient.

    Parameters
    ----------
    function : maps arrays to a scalar.
    argnums : position of the argument(s) to differentiate.
    """

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with GradientTape() as tape:
            full, watched = _with_watched(tape, args, argnums)
            value = function(*full, **kwargs)
        _require_scalar(value)
        grads = tuple(map(_or_zeros, tape.gradient(value, watched), watched))
        return _plain(value), grads[0] if isinstance(argnums, int) else grads

    return differentiated


def grad(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that gives the gradient of `function`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.grad(lambda x: ls.ops.sum(x**3))(2.0))
    12.0
    """
    differentiated = value_and_grad(function, argnums)
    return lambda *args, **kwargs: differentiated(*args, **kwargs)[1]


def jacobian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that gives every derivative of every entry of `function`'s result.

    Parameters
    ----------
    function : maps arrays to one array.
    argnums : position of the argument(s) to differentiate; there is an array of shape
        ``(*result.shape, *argument.shape)`` for each.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.jacobian(lambda x: x**2)([1.0, 2.0]).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        with GradientTape() as tape:
            full, watched = _with_watched(tape, args, argnums)
            value = function(*full, **kwargs)
        found = tuple(
            np.zeros((*np.shape(value), *source.shape), source.dtype) if one is None else one
            for one, source in zip(tape.jacobian(value, watched), watched, strict=True)
        )
        return found[0] if isinstance(argnums, int) else found

    return differentiated


def hessian(function: Function, argnum: int = 0) -> Function:
    """Return a function that gives the second derivatives of a scalar `function`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.hessian(lambda x: ls.ops.sum(x**3))([1.0, 2.0]).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(function, argnum), argnum)


def vjp(function: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return the value of `function` and what maps its gradient to those of its arguments.

    Examples
    --------
    >>> import layerscope as ls
    >>> value, pull_back = ls.vjp(lambda x: x**2, [1.0, 3.0])
    >>> pull_back([1.0, 10.0])[0].tolist()
    [2.0, 60.0]
    """
    with GradientTape(persistent=True) as tape:
        watched = [tape.watch(primal) for primal in primals]
        value = function(*watched)

    def pull_back(gradient: Any) -> tuple[Any, ...]:
        return tuple(map(_or_zeros, tape.gradient(value, watched, gradient), watched))

    return _plain(value), pull_back


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of `function` and its change along `tangents`.

    What maps gradients back is linear in them, and its own gradient is what maps tangents forward.

    Raises
    ------
    NotImplementedError
        If the gradient of an operation in `function` cannot itself be differentiated.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.jvp(lambda x: x**2, [[1.0, 3.0]], [[1.0, 10.0]])[1].tolist()
    [2.0, 60.0]
    """
    with GradientTape() as tape:
        value, pull_back = vjp(function, *primals)
        gradient = tape.watch(np.zeros(np.shape(getattr(value, "value", value)), value.dtype))
        pulled = pull_back(gradient)
    return _plain(value), _or_zeros(tape.gradient(pulled, gradient, tangents), gradient)


def hvp(function: Function, primals: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    """Return the Hessian of a scalar `function` times `vectors`, without computing the Hessian.

    Parameters
    ----------
    function : maps arrays, or what it closes over, to a scalar.
    primals : where, arrays or variables.
    vectors : one array like each of them.

    Raises
    ------
    NotImplementedError
        If the gradient of an operation in `function` cannot itself be differentiated.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.hvp(lambda x: ls.ops.sum(x**3), [[1.0, 2.0]], [[1.0, 10.0]])[0].tolist()
    [6.0, 120.0]
    """
    with GradientTape() as outer:
        watched = [outer.watch(primal) for primal in primals]
        with GradientTape() as inner:
            value = function(*watched)
        _require_scalar(value)
        grads = inner.gradient(value, watched)
    return tuple(map(_or_zeros, outer.gradient(grads, watched, vectors), watched))
