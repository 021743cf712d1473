"""Several recurrent cells that act as one."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.layers.recurrent_cell import all_steps
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.structure import map_shapes, map_structure
from layerscope.tensor import KerasTensor, Shape


def as_cells(value: Any) -> list[Any]:
    """Return the cells that instances or configs stand for.

    Raises
    ------
    TypeError
        If there is no list of them.
    ValueError
        If one lacks what a cell must have.
    """
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"Argument `cells` must be a list of cells. Received: cells={value!r}")
    cells = [deserialize_keras_object(one) for one in value]
    if not cells:
        raise ValueError(f"Argument `cells` must hold at least one cell. Received: cells={value!r}")
    for cell in cells:
        for attribute, what in (("call", "method"), ("state_size", "attribute")):
            if not hasattr(cell, attribute):
                raise ValueError(
                    f"All cells must have a `{attribute}` {what}. Received cell without a "
                    f"`{attribute}`: {cell}"
                )
    return cells


class StackedRNNCells(Layer):
    """Several recurrent cells that act as one: the output of each is the input of the next.

    The states are a list with an entry per cell. Called without states, the cells start from
    their first ones.

    Shapes: input (batch, in), output that of the last cell; one entry per cell of states.
    Source: Keras `StackedRNNCells`.

    Examples
    --------
    >>> import layerscope as ls
    >>> cells = ls.layers.StackedRNNCells([ls.layers.LSTMCell(3), ls.layers.GRUCell(2)])
    >>> cells.state_size, cells.output_size
    ([[3, 3], 2], 2)
    """

    section: ClassVar[str] = "recurrent"
    formula: ClassVar[str] = r"x^{(i+1)},\ s^{(i)}_t = f_i(x^{(i)},\ s^{(i)}_{t-1})"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            {
                "cells": [
                    {"class_name": "LSTMCell", "config": {"units": 3}},
                    {"class_name": "SimpleRNNCell", "config": {"units": 2}},
                ]
            },
            (2, 4),
        ),
        Example({"cells": [{"class_name": "GRUCell", "config": {"units": 2}}]}, (3, 2)),
    )

    cells: list[Any] = field(converter=as_cells, kind="cells", help="The cells, first to last.")

    def __post_init__(self) -> None:
        self.input_spec = getattr(self.cells[0], "input_spec", None)

    @property
    def state_size(self) -> list[Any]:
        """Length of each cell's state or states."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """Length of the last cell's output."""
        return _output_size(self.cells[-1])

    @property
    def spatial(self) -> bool:
        """Whether states are images, which a size does not describe."""
        return any(getattr(cell, "spatial", False) for cell in self.cells)

    def build(self, input_shape: Shape) -> None:
        shape = input_shape
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            shape, _ = _step_shapes(cell, shape)
        self.input_spec = getattr(self.cells[0], "input_spec", None)

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Return each cell's states before the first step."""

        def zeros(size: int) -> Any:
            return ops.zeros((batch_size, size), dtype=self.compute_dtype)

        return [
            cell.get_initial_state(batch_size=batch_size)
            if hasattr(cell, "get_initial_state")
            else map_structure(zeros, cell.state_size)
            for cell in self.cells
        ]

    def call(self, inputs: Any, states: Any = None, training: Any = False) -> Any:
        if states is None:
            states = self.get_initial_state(inputs.shape[0])
        new_states = []
        for cell, own in zip(self.cells, states, strict=True):
            several = isinstance(own, (list, tuple))
            step: Any = cell if callable(cell) else cell.call
            inputs, new = step(inputs, list(own) if several else [own])
            if not several and isinstance(new, (list, tuple)) and len(new) == 1:
                new = new[0]
            new_states.append(new)
        return inputs, new_states

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        """Take all steps at once, cell after cell, if every cell can."""
        new_states = []
        for cell, own in zip(self.cells, states, strict=True):
            first = list(own) if isinstance(own, (list, tuple)) else [own]
            done = all_steps(cell, sequences, first, mask, go_backwards, training)
            if done is None:
                return None
            sequences, last = done
            new_states.append(last if isinstance(own, (list, tuple)) else last[0])
            # What the first cell gives is in the order the steps are taken.
            go_backwards = False
        return sequences, new_states

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        shape, states = input_shape, []
        for cell in self.cells:
            shape, own = _step_shapes(cell, shape)
            states.append(own)
        return shape, states

    def compute_output_spec(self, inputs: Any, states: Any = None, training: Any = None) -> Any:
        output, states_shape = self.compute_output_shape(inputs.shape)
        new_states = map_shapes(lambda one: KerasTensor(one, self.compute_dtype), states_shape)
        return KerasTensor(output, self.compute_dtype), new_states

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cells": [serialize_keras_object(one) for one in self.cells],
        }


def _step_shapes(cell: Any, input_shape: Shape) -> tuple[Shape, list[Shape]]:
    """Return the shapes of a cell's output and of its states."""
    if getattr(cell, "spatial", False):
        return cell.compute_output_shape(input_shape)
    batch, sizes = input_shape[0], cell.state_size
    states = [(batch, size) for size in ([sizes] if isinstance(sizes, int) else sizes)]
    return (batch, _output_size(cell)), states


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
    return size if isinstance(size, int) else size[0]
