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

#: Of a single input: that its gradient is needed.
_ALL = [True]


def backward(
    records: list[Record], targets: Sequence[Any], sources: Sequence[Any], seeds: Sequence[Any]
) -> list[Any]:
    """Walk `records` backwards from `targets` and return the gradient of each source.

    `seeds` are the gradients that flow into the targets, ones for None. While an outer tape
    records, gradients are computed with operations and so can be differentiated in turn; otherwise
    with plain arrays.
    """
    wanted = set(map(id, sources))
    path, needed = _path(records, wanted)
    nested = bool(TAPES.get())
    grads: dict[int, Any] = {}
    for target, seed in zip(targets, seeds, strict=True):
        key = id(target)
        if key in needed and isinstance(target, Tensor):
            seed = _seed_of(target, seed, nested)
            grads[key] = grads[key] + seed if key in grads else seed
    if not grads:
        return [None for _ in sources]
    # Inside this loop a call that is saved counts: networks of next to nothing consist of them.
    for record in reversed(path):
        outputs, inputs = record.outputs, record.inputs
        single = len(outputs) == 1
        if single:
            key = id(outputs[0])
            incoming = grads.get(key) if key in wanted else grads.pop(key, None)
        else:
            incoming = _taken(grads, outputs, wanted)
        if incoming is None:
            continue
        # What has a single input depends on it, or it would not be on the path.
        needs = [id(value) in needed for value in inputs] if len(inputs) > 1 else _ALL
        rule = record.operation.only_rule
        if single and rule is not None and not nested:
            # What most operations are: a function of one array.
            pulled = (rule(incoming, outputs[0].value, *record.values, **record.options),)
        else:
            pulled = _pull(record, incoming, needs, nested)
        for place, grad in enumerate(pulled):
            if grad is not None and needs[place]:
                shape = record.values[place].shape
                if grad.shape != shape:
                    grad = _unbroadcast(grad, shape)
                key = id(inputs[place])
                held = grads.get(key)
                grads[key] = grad if held is None else held + grad
    return [_as_result(grads.get(id(source)), source) for source in sources]


def _path(records: list[Record], sources: set[int]) -> tuple[list[Record], set[int]]:
    """Return the records that depend on the sources, and the identities of all that does."""
    needed = sources.copy()
    # A list of its own: what the walk appends to outer tapes must not prolong it.
    path: list[Record] = []
    for record in records:
        for value in record.inputs:
            if id(value) in needed:
                needed.update(map(id, record.outputs))
                path.append(record)
                break
    return path, needed


def _taken(grads: dict[int, Any], outputs: tuple[Any, ...], wanted: set[int]) -> Any:
    """Return the gradients of a record's several outputs, None if there are none.

    What nobody wants to know afterwards is forgotten, and so its memory used again.
    """
    incoming = [
        grads.get(key) if (key := id(output)) in wanted else grads.pop(key, None)
        for output in outputs
    ]
    return None if all(grad is None for grad in incoming) else incoming


def _seed_of(target: Tensor, seed: Any, nested: bool) -> Any:
    """Return the gradient that flows into a target, ones for None."""
    value = target.value
    if type(seed) is np.ndarray and seed.shape == value.shape and seed.dtype == value.dtype:
        return seed
    if seed is None:
        # For a single number this is sooner done than by `numpy.ones`.
        return np.array(1, value.dtype) if value.shape == () else np.ones(value.shape, value.dtype)
    if not (nested and isinstance(seed, Operators)):
        seed = np.asarray(getattr(seed, "value", seed), value.dtype)
    if tuple(seed.shape) != target.shape:
        raise ValueError(
            "Argument `output_gradients` must have the shape of the target. Received: "
            f"output_gradients of shape {tuple(seed.shape)} for a target of shape {target.shape}."
        )
    return seed


def _as_result(grad: Any, source: Any) -> Any:
    if type(grad) is not np.ndarray:
        return grad
    dtype = source.value.dtype
    # There is one of each type, nearly always.
    return grad if grad.dtype is dtype or grad.dtype == dtype else grad.astype(dtype)


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
        inputs = record.values
    if len(out) == 1:
        out = out[0] if nested else out[0].value
    else:
        out = out if nested else [output.value for output in out]
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
