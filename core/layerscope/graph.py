"""The graph that symbolic calls leave behind: which operation made which tensor from which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from layerscope.structure import leaves, map_structure
from layerscope.tensor import KerasTensor

_CONNECTING: ContextVar[bool] = ContextVar("connecting", default=True)

#: Is told of a symbolic call: what was called, with what arguments and options, and what it gives.
Witness = Callable[[Any, Any, dict[str, Any], list[KerasTensor]], None]

_WITNESS: ContextVar[Witness | None] = ContextVar("witness", default=None)


class Node:
    """One symbolic call of a layer or an operation.

    Attributes
    ----------
    operation : what was called.
    args, kwargs : what it was called with.
    inputs, outputs : the symbolic tensors among the arguments, and the results, in order.
    """

    __slots__ = ("args", "inputs", "kwargs", "operation", "outputs")

    def __init__(self, operation: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation = operation
        self.args = tuple(args)
        self.kwargs = dict(kwargs)
        self.inputs = [
            value for value in leaves((self.args, self.kwargs)) if isinstance(value, KerasTensor)
        ]
        self.outputs: list[KerasTensor] = leaves(outputs)

    def run(self, value_of: Callable[[KerasTensor], Any], training: bool | None = None) -> Any:
        """Call the operation again with `value_of` each symbolic tensor in its place.

        What it was told about `training` gives way to what is told now, if anything is.
        """

        def fill(value: Any) -> Any:
            return value_of(value) if isinstance(value, KerasTensor) else value

        args = map_structure(fill, self.args)
        kwargs = map_structure(fill, self.kwargs)
        if training is not None and "training" in kwargs:
            kwargs["training"] = training
        return self.operation(*args, **kwargs)


def connect(operation: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> Node | None:
    """Remember a symbolic call in its outputs, unless shapes are only being tried out."""
    if (witness := _WITNESS.get()) is not None:
        witness(operation, args, kwargs, leaves(outputs))
    if not _CONNECTING.get():
        return None
    node = Node(operation, args, kwargs, outputs)
    for index, output in enumerate(node.outputs):
        output.history = (node, index)
    return node


@contextmanager
def witnessed(witness: Witness) -> Iterator[None]:
    """Let symbolic calls inside be told to a witness, those within layers among them."""
    token = _WITNESS.set(witness)
    try:
        yield
    finally:
        _WITNESS.reset(token)


@contextmanager
def unconnected() -> Iterator[None]:
    """Let symbolic calls inside leave no trace."""
    token = _CONNECTING.set(False)
    try:
        yield
    finally:
        _CONNECTING.reset(token)


def nodes_between(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> list[Node]:
    """Return the calls that lead from `inputs` to `outputs`, each after those it needs.

    Raises
    ------
    ValueError
        If an output depends on a tensor that is not among the inputs.
    """
    boundary = {id(tensor) for tensor in inputs}
    ordered: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[KerasTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, expanded = stack.pop()
        if id(tensor) in boundary:
            continue
        if tensor.history is None:
            raise ValueError(
                f"`outputs` are not connected to `inputs`: {tensor!r} is neither an input nor "
                "made from one."
            )
        node = tensor.history[0]
        if id(node) in done:
            continue
        if not node.inputs:
            raise ValueError(f"`outputs` depend on {tensor!r}, which is not among the `inputs`.")
        if expanded:
            done.add(id(node))
            ordered.append(node)
        else:
            stack.append((tensor, True))
            stack.extend((value, False) for value in reversed(node.inputs))
    return ordered
