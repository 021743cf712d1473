"""The walk back through what a tape recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.ops.manipulation import broadcast_to, reshape
from layerscope.ops.reductions import sum as sum_over
from layerscope.tape import TAPES, Record
from layerscope.tensor import Operators, Tensor


def backward(
    records: list[Record], targets: Sequence[Any], sources: Sequence[Any], seeds: Sequence[Any]
) -> list[Any]:
    """Walk `records` backwards from `targets` and return the gradient of each source.

    `seeds` are the gradients that flow into the targets, ones for None. While an outer tape
    records, gradients are computed with operations and so can be differentiated in turn; otherwise
    with plain arrays.
    """
    wanted = {id(source) for source in sources}
    needed = wanted.copy()
    # A list of its own: what the walk appends to outer tapes must not prolong it.
    path: list[Record] = []
    for record in records:
        for value in record.inputs:
            if id(value) in needed:
                needed.update(map(id, record.outputs))
                path.append(record)
                break
    nested = bool(TAPES.get())
    grads: dict[int, Any] = {}

    def add(value: Any, grad: Any) -> None:
        key = id(value)
        grads[key] = grads[key] + grad if key in grads else grad

    for target, seed in zip(targets, seeds, strict=True):
        if isinstance(target, Tensor) and id(target) in needed:
            add(target, _seed_of(target, seed, nested))
    if not grads:
        return [None for _ in sources]
    for record in reversed(path):
        incoming = _taken(grads, record.outputs, wanted)
        if incoming is None:
            continue
        inputs = record.inputs
        needs = [id(value) in needed for value in inputs]
        found = _pull(record, incoming, needs, nested)
        for value, array, grad, need in zip(inputs, record.values, found, needs, strict=True):
            if need and grad is not None:
                add(value, grad if grad.shape == array.shape else _unbroadcast(grad, array.shape))
    return [_as_result(grads.get(id(source)), source) for source in sources]


def _taken(grads: dict[int, Any], outputs: tuple[Any, ...], wanted: set[int]) -> Any:
    """Return the gradient of a record's output, a list for several, None if there is none.

    What nobody wants to know afterwards is forgotten, and so its memory used again.
    """
    if len(outputs) == 1:
        key = id(outputs[0])
        return grads.get(key) if key in wanted else grads.pop(key, None)
    incoming = [
        grads.get(key) if (key := id(output)) in wanted else grads.pop(key, None)
        for output in outputs
    ]
    return None if all(grad is None for grad in incoming) else incoming


def _seed_of(target: Tensor, seed: Any, nested: bool) -> Any:
    """Return the gradient that flows into a target, ones for None."""
    if seed is None:
        # For a single number this is sooner done than by `numpy.ones`.
        value = target.value
        return np.array(1, value.dtype) if value.shape == () else np.ones(value.shape, value.dtype)
    if not (nested and isinstance(seed, Operators)):
        seed = np.asarray(getattr(seed, "value", seed), target.value.dtype)
    if tuple(seed.shape) != target.shape:
        raise ValueError(
            "Argument `output_gradients` must have the shape of the target. Received: "
            f"output_gradients of shape {tuple(seed.shape)} for a target of shape {target.shape}."
        )
    return seed


def _as_result(grad: Any, source: Any) -> Any:
    if isinstance(grad, np.ndarray) and grad.dtype != source.value.dtype:
        return grad.astype(source.value.dtype)
    return grad


def _pull(record: Record, incoming: Any, needs: list[bool], nested: bool) -> Sequence[Any]:
    """Gradients of one record's inputs, of those at least that are needed."""
    operation, out, options = record.operation, record.outputs, record.options
    if nested:
        if operation.first_order_only:
            raise NotImplementedError(
                f"The gradient of `{operation.name}` cannot itself be differentiated: it is "
                "computed outside of operations."
            )
        inputs = record.inputs
    else:
        inputs, out = record.values, [output.value for output in out]
    if len(out) == 1:
        out = out[0]
    else:
        incoming = [
            np.zeros(output.shape, output.dtype) if one is None else one
            for one, output in zip(incoming, out, strict=True)
        ]
    if operation.recording_forward is not None:
        options = {**options, "saved": record.saved}
    if operation.joint_vjp is None:
        return [
            vjp(incoming, out, *inputs, **options) if need and vjp is not None else None
            for vjp, need in zip(operation.vjps, needs, strict=True)
        ]
    if operation.selective:
        options = {**options, "wanted": needs}
    return operation.joint_vjp(incoming, out, *inputs, **options)


def _unbroadcast(grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which its input was repeated."""
    extra = len(grad.shape) - len(shape)
    if extra > 0:
        if type(grad) is np.ndarray and grad.shape[extra:] == shape and grad.size:
            return np.add.reduce(grad.reshape(-1, *shape), 0)
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
    return math.prod(shape)
