"""Reverse-mode differentiation: record what was computed, walk it backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Token
from typing import Any, Self

import numpy as np

from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.ops.creation import convert_to_tensor
from layerscope.ops.manipulation import broadcast_to, reshape
from layerscope.ops.reductions import sum as sum_over
from layerscope.tape import TAPES, Record
from layerscope.tensor import Tensor, Variable


class GradientTape:
    """Records operations on trainable variables and watched values, as in TensorFlow.

    Parameters
    ----------
    persistent : whether `gradient` may be called more than once.

    Examples
    --------
    >>> import layerscope as ls
    >>> with ls.GradientTape() as tape:
    ...     x = tape.watch(3.0)
    ...     y = x * x
    >>> float(tape.gradient(y, x))
    6.0
    """

    def __init__(self, persistent: bool = False) -> None:
        self.persistent = persistent
        self._records: list[Record] | None = []
        self._token: Token[tuple[list[Record], ...]] | None = None

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("This tape is already recording.")
        if self._records is None:
            self._records = []
        self._token = TAPES.set((*TAPES.get(), self._records))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        TAPES.reset(self._token)
        self._token = None

    def watch(self, value: Any) -> Tensor:
        """Return `value` as one whose history is recorded; compute with what is returned."""
        if isinstance(value, Tensor):
            return value
        watched = Tensor(convert_to_tensor(value))
        set_keras_mask(watched, get_keras_mask(value))
        return watched

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
    ) -> Any:
        """Differentiate `target` with respect to `sources`.

        Parameters
        ----------
        target : recorded value; one that is not a scalar is summed.
        sources : a variable or watched value, or a list, tuple or dict of them.
        output_gradients : gradient flowing into `target`, ones for None.

        Returns
        -------
        Gradients in the structure of `sources`; None where `target` does not depend on one.

        Raises
        ------
        RuntimeError
            If the tape was used before and is not persistent.
        """
        if self._records is None:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one gradient; create "
                "it with `GradientTape(persistent=True)` to ask for more."
            )
        records = self._records
        flat, pack = _flatten(sources)
        if self.persistent:
            return pack(backward(records, target, flat, output_gradients))
        # Asked inside the block, the walk is not recorded: nobody can ask this tape again.
        self._records = None
        token = TAPES.set(tuple(tape for tape in TAPES.get() if tape is not records))
        try:
            return pack(backward(records, target, flat, output_gradients))
        finally:
            TAPES.reset(token)


def _flatten(sources: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    if isinstance(sources, dict):
        return list(sources.values()), lambda grads: dict(zip(sources, grads, strict=True))
    if isinstance(sources, (list, tuple)):
        return list(sources), type(sources)
    return [sources], lambda grads: grads[0]


def backward(
    records: list[Record], target: Any, sources: Sequence[Any], seed: Any = None
) -> list[Any]:
    """Walk `records` backwards from `target` and return the gradient of each source.

    While an outer tape records, gradients are computed with operations and so can be
    differentiated in turn; otherwise with plain arrays.
    """
    if not isinstance(target, Tensor):
        return [None for _ in sources]
    needed = {id(source) for source in sources}
    # A list of its own: what the walk appends to outer tapes must not prolong it.
    path: list[Record] = []
    for record in records:
        if not needed.isdisjoint(map(id, record.inputs)):
            needed.update(map(id, record.outputs))
            path.append(record)
    if id(target) not in needed:
        return [None for _ in sources]
    nested = bool(TAPES.get())
    if seed is None:
        seed = np.ones_like(target.value)
    grads: dict[int, Any] = {id(target): seed}
    for record in reversed(path):
        incoming = [grads.get(id(output)) for output in record.outputs]
        if all(grad is None for grad in incoming):
            continue
        for value, grad in zip(record.inputs, _pull(record, incoming, needed, nested), strict=True):
            if grad is None or id(value) not in needed:
                continue
            if grad.shape != value.shape:
                grad = _unbroadcast(grad, value.shape)
            known = grads.get(id(value))
            grads[id(value)] = grad if known is None else known + grad
    return [_as_result(grads.get(id(source)), source) for source in sources]


def _as_result(grad: Any, source: Any) -> Any:
    if isinstance(grad, np.ndarray):
        return grad.astype(source.value.dtype, copy=False)
    return grad


def _pull(record: Record, incoming: list[Any], needed: set[int], nested: bool) -> Sequence[Any]:
    """Gradients of one record's inputs."""
    operation = record.operation
    if nested:
        if operation.first_order_only:
            raise NotImplementedError(
                f"The gradient of `{operation.name}` cannot itself be differentiated."
            )
        inputs, outputs = record.inputs, record.outputs
    else:
        inputs = [getattr(value, "value", value) for value in record.inputs]
        outputs = [output.value for output in record.outputs]
    if len(outputs) == 1:
        grad, out = incoming[0], outputs[0]
    else:
        grad = [
            np.zeros(output.shape, output.dtype) if one is None else one
            for one, output in zip(incoming, outputs, strict=True)
        ]
        out = outputs
    options = record.options
    if operation.recording_forward is not None:
        options = {**options, "saved": record.saved}
    if operation.joint_vjp is not None:
        return operation.joint_vjp(grad, out, *inputs, **options)
    return [
        None if vjp is None or id(original) not in needed else vjp(grad, out, *inputs, **options)
        for vjp, original in zip(operation.vjps, record.inputs, strict=True)
    ]


def _unbroadcast(grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which its input was repeated."""
    extra = len(grad.shape) - len(shape)
    if extra > 0:
        grad = sum_over(grad, axis=tuple(range(extra)))
    axes = tuple(
        axis
        for axis, (have, want) in enumerate(zip(grad.shape, shape, strict=False))
        if want == 1 and have != 1
    )
    if axes:
        grad = sum_over(grad, axis=axes, keepdims=True)
    if grad.shape != shape:
        # A rule may return something smaller, such as a scalar constant.
        grad = reshape(grad, shape) if grad.size == _size(shape) else broadcast_to(grad, shape)
    return grad


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that gives the value of `function` and its gradient.

    Parameters
    ----------
    function : maps arrays to a scalar.
    argnums : position of the argument(s) to differentiate.
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with GradientTape() as tape:
            watched = list(args)
            for position in positions:
                if not isinstance(watched[position], Variable):
                    watched[position] = tape.watch(watched[position])
            value = function(*watched, **kwargs)
        if np.shape(getattr(value, "value", value)) not in ((), (1,)):
            raise ValueError(
                "Only a scalar can be differentiated this way; sum or average the result first. "
                f"Received a result of shape {value.shape}."
            )
        grads = tape.gradient(value, [watched[position] for position in positions])
        plain = value.value if isinstance(value, Tensor) and not TAPES.get() else value
        return plain, grads[0] if isinstance(argnums, int) else tuple(grads)

    return differentiated


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of `function`.

    Examples
    --------
    >>> import layerscope as ls
    >>> float(ls.grad(lambda x: ls.ops.sum(x**3))(2.0))
    12.0
    """
    differentiated = value_and_grad(function, argnums)
    return lambda *args, **kwargs: differentiated(*args, **kwargs)[1]


def check_gradients(
    function: Callable[..., Any],
    *inputs: np.ndarray,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    step: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare reverse-mode gradients with central differences in float64.

    Every entry of every input is moved on its own, so keep the inputs small. The output is
    contracted with a fixed random array first, which checks the whole Jacobian.

    Parameters
    ----------
    function : maps arrays to one array.
    inputs : float arrays; converted to float64.
    rtol, atol : tolerances of the comparison.
    step : distance of the central difference.

    Raises
    ------
    AssertionError
        If a gradient differs; the message shows the worst entry.
    """
    points = [np.array(value, dtype=np.float64) for value in inputs]
    with GradientTape() as tape:
        watched = [tape.watch(point.copy()) for point in points]
        out = function(*watched)
    projection = np.random.default_rng(seed).normal(size=out.shape)
    gradients = tape.gradient(out, watched, output_gradients=projection)

    def projected() -> float:
        return float(np.sum(np.asarray(function(*points)) * projection))

    for index, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        expected = np.empty_like(point)
        for position in np.ndindex(point.shape):
            original = point[position]
            point[position] = original + step
            above = projected()
            point[position] = original - step
            below = projected()
            point[position] = original
            expected[position] = (above - below) / (2 * step)
        found = np.zeros_like(point) if gradient is None else gradient
        # Entries far below the largest one are dominated by the difference's rounding.
        scale = max(float(np.abs(expected).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(
            found, expected, rtol=rtol, atol=atol * scale, err_msg=f"gradient of input {index}"
        )
