"""Where a layer stands in the graph: what it was called on, and what it gave."""

from __future__ import annotations

from typing import Any

from layerscope.graph import Node
from layerscope.tensor import KerasTensor


class Connected:
    """Remembers the symbolic calls of a layer."""

    name: str
    _inbound_nodes: list[Node]
    _build_shapes: Any

    @property
    def input(self) -> Any:
        """Symbolic input of the first call."""
        return self.get_input_at(0) if self._inbound_nodes else self._not_called("input")

    @property
    def output(self) -> Any:
        """Symbolic output of the first call."""
        return self.get_output_at(0) if self._inbound_nodes else self._not_called("output")

    @property
    def input_shape(self) -> Any:
        """Shape of the input, if all calls agree on it."""
        return self._only_shape("input", [_shapes(node.inputs) for node in self._inbound_nodes])

    @property
    def output_shape(self) -> Any:
        """Shape of the output, if all calls agree on it."""
        return self._only_shape("output", [_shapes(node.outputs) for node in self._inbound_nodes])

    def get_input_at(self, node_index: int) -> Any:
        """Return the symbolic input of one call."""
        return _one_or_all(self._node_at(node_index, "input").inputs)

    def get_output_at(self, node_index: int) -> Any:
        """Return the symbolic output of one call."""
        return _one_or_all(self._node_at(node_index, "output").outputs)

    def get_input_shape_at(self, node_index: int) -> Any:
        """Return the shape of the input of one call."""
        return _shapes(self._node_at(node_index, "input").inputs)

    def get_output_shape_at(self, node_index: int) -> Any:
        """Return the shape of the output of one call."""
        return _shapes(self._node_at(node_index, "output").outputs)

    def _node_at(self, index: int, what: str) -> Node:
        nodes = self._inbound_nodes
        if not nodes:
            raise RuntimeError(
                f"The layer {self.name} has never been called and thus has no defined {what}."
            )
        if not -len(nodes) <= index < len(nodes):
            raise ValueError(
                f"Asked to get {what} at node {index}, but the layer has only {len(nodes)} "
                "inbound nodes."
            )
        return nodes[index]

    def _not_called(self, what: str) -> Any:
        raise AttributeError(
            f"The layer {self.name} has never been called and thus has no defined {what}."
        )

    def _only_shape(self, what: str, shapes: list[Any]) -> Any:
        if not shapes:
            if what == "input" and self._build_shapes is not None:
                return self._build_shapes
            self._not_called(f"{what} shape")
        if shapes.count(shapes[0]) < len(shapes):
            raise AttributeError(
                f'The layer "{self.name}" has multiple inbound nodes, with different {what} '
                f'shapes. Hence the notion of "{what} shape" is ill-defined for the layer. Use '
                f"`get_{what}_shape_at(node_index)` instead."
            )
        return shapes[0]


def _shapes(tensors: list[KerasTensor]) -> Any:
    return _one_or_all([tensor.shape for tensor in tensors])


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
