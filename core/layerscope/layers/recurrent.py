"""The layer that leads a cell through the steps of a sequence."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field, fields_of
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example, Layer
from layerscope.layers.masked import follows
from layerscope.layers.recurrent_cell import FreshMasks, MissingError, _GatedArguments, all_steps
from layerscope.layers.stacked_rnn_cells import StackedRNNCells
from layerscope.ops.shapes import ShapeError
from layerscope.plain_data import serialize_keras_object
from layerscope.registry import snake_case
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import KerasTensor, Shape, Variable


def as_cell(value: Any) -> Any:
    """Return the cell that an instance, a config or a list of them stands for.

    Raises
    ------
    ValueError
        If it lacks what a cell must have.
    """
    if isinstance(value, dict):
        value = deserialize_keras_object(value)
    if isinstance(value, (list, tuple)):
        return StackedRNNCells(value)
    if not callable(getattr(value, "call", None)):
        raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={value!r}")
    size = getattr(value, "state_size", None)
    if size is None:
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of "
            f"integers, one integer per RNN state). Received: cell={value!r}"
        )
    if not isinstance(size, (int, list, tuple)):
        raise ValueError(
            "`state_size` must be an integer, or a list/tuple of integers (one for each state "
            f"tensor). Received: state_size={size!r} of cell={value!r}"
        )
    return value


class RNN(Layer):
    """Leads a cell through the steps of a sequence, handing each step's states to the next.

    A cell computes ``output, new_states = cell(inputs, states)`` for one step. It has a
    `state_size`, an integer or one per state, and may have an `output_size` and a
    ``get_initial_state(batch_size)``; a list of cells is a `StackedRNNCells`.

    Where a mask is False the states stay as they are, and the output is that of the step before,
    zeros at the start.

    Shapes: input (batch, steps, ...), output (batch, ...) of the last step or (batch, steps, ...)
    of all, in the order they are taken; then the last states if asked for.
    Source: Keras `RNN`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> cells = [ls.layers.GRUCell(3), ls.layers.LSTMCell(2)]
    >>> ls.layers.RNN(cells, return_sequences=True)(np.ones((1, 4, 5), "float32")).shape
    (1, 4, 2)
    """

    section: ClassVar[str] = "recurrent"
    formula: ClassVar[str] = r"y_t,\ s_t = f(x_t,\ s_{t-1})"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"cell": {"class_name": "SimpleRNNCell", "config": {"units": 3}}}, (2, 4, 3)),
        Example(
            {
                "cell": [
                    {"class_name": "LSTMCell", "config": {"units": 3}},
                    {"class_name": "GRUCell", "config": {"units": 2}},
                ],
                "return_sequences": True,
                "return_state": True,
            },
            (2, 3, 4),
        ),
        Example(
            {
                "cell": {"class_name": "GRUCell", "config": {"units": 2}},
                "go_backwards": True,
                "unroll": True,
            },
            (2, 3, 2),
        ),
    )

    cell: Any = field(
        converter=as_cell, kind="cell", help="What computes one step, or a list of such cells."
    )
    return_sequences: bool = field(
        default=False, help="Whether to return the output of every step instead of the last."
    )
    return_state: bool = field(default=False, help="Whether to return the last states as well.")
    go_backwards: bool = field(default=False, help="Whether to begin with the last step.")
    stateful: bool = field(
        default=False, help="Whether a call begins with the states the last one ended with."
    )
    unroll: bool = field(
        default=False, help="Whether to take the steps one by one even if they can be fused."
    )
    zero_output_for_mask: bool = field(
        default=False, help="Whether the output is zero where the mask is False."
    )

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        rest = super()._accept_legacy_arguments(unknown)
        # Keras 2 wrote down that the batch comes first.
        return {
            name: value for name, value in rest.items() if (name, value) != ("time_major", False)
        }

    def __post_init__(self) -> None:
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        #: Variables that keep the states between calls; as in Keras they are no weights.
        self.states: Any = None

    @property
    def state_size(self) -> list[Any]:
        """Length of each of the cell's states."""
        size = self.cell.state_size
        return [size] if isinstance(size, int) else list(size)

    # --- weights and states ----------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        if self.stateful and input_shape[0] is None:
            raise ShapeError(
                "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic "
                f"batch size: sequence.shape={input_shape}"
            )
        if isinstance(self.cell, Layer):
            if not self.cell.built:
                self.cell.build((input_shape[0], *input_shape[2:]))
            spec = self.cell.input_spec
            if isinstance(spec, InputSpec) and spec.axes:
                ndim = None if spec.ndim is None else spec.ndim + 1
                axes = {axis + (axis > 0): length for axis, length in spec.axes.items()}
                self.input_spec = InputSpec(ndim=ndim, min_ndim=3, axes=axes)
        if self.stateful:
            first = self.get_initial_state(input_shape[0])
            self.states = map_structure(
                lambda value: Variable(value, trainable=False, name="rnn_state"), first
            )

    def get_initial_state(self, batch_size: int | None) -> list[Any]:
        """Return the states before the first step, by the cell or zeros."""
        own = getattr(self.cell, "get_initial_state", None)
        if own is None:
            shapes: Any = [(batch_size, size) for size in self.state_size]
            return [ops.zeros(shape, dtype=self.dtype) for shape in shapes]
        return _as_list(own(batch_size=batch_size))

    def reset_state(self) -> None:
        """Make the kept states zero; without effect if there are none."""
        for variable in leaves(self.states or []):
            variable.assign(np.zeros(variable.shape))

    def reset_states(self) -> None:
        """Make the kept states zero: the older name of `reset_state`."""
        self.reset_state()

    def _first_states(self, given: Any, sequences: Any) -> list[Any]:
        batch = sequences.shape[0]
        if self.stateful and batch != (kept := leaves(self.states)[0].shape[0]):
            raise ShapeError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as "
                f"the batch size of the initial state.\n- Expected batch size: {kept}\n- Received "
                f"batch size: {batch}"
            )
        if given is not None:
            return self._given_states(given, batch)
        if self.stateful:
            # Copies, because what is kept changes before the gradients are taken.
            return map_structure(lambda variable: variable.numpy(), self.states)
        return self.get_initial_state(batch)

    def _given_states(self, given: Any, batch: int | None) -> list[Any]:
        """Return the given states in the structure the cell expects."""
        states = _as_list(given)
        wanted = self.state_size
        if len(states) != len(wanted) and len(leaves(states)) == len(leaves(wanted)):
            waiting = iter(leaves(states))
            states = [map_structure(lambda _: next(waiting), _as_list(size)) for size in wanted]
        if len(states) != len(wanted):
            raise MissingError(
                f"Argument `initial_state` of layer '{self.name}' must hold {len(wanted)} state(s) "
                f"of sizes {wanted}. Received {len(states)}."
            )
        shapes = [tuple(state.shape) for state in leaves(states)]
        if any(shape[0] not in (batch, None) for shape in shapes if batch is not None):
            raise ShapeError(
                f"Argument `initial_state` of layer '{self.name}' must have the batch size of the "
                f"sequences, {batch}. Received shapes: {shapes}"
            )
        return map_structure(lambda state: ops.cast(state, self.dtype), states)

    # --- steps -----------------------------------------------------------------------------

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        if sequences.shape[1] == 0:
            raise MissingError(
                f"Layer '{self.name}' needs at least one step. Received an input of shape "
                f"{tuple(sequences.shape)}."
            )
        states = self._first_states(initial_state, sequences)
        kept = None if mask is None else self._kept_steps(mask, sequences)
        with FreshMasks():
            outputs, states = self._process(sequences, states, kept, training)
        if self.stateful:
            for variable, state in zip(leaves(self.states), leaves(states), strict=True):
                variable.assign(state)
        if kept is not None:
            # Before the first step that counts there is no output to repeat.
            shown = kept if self.zero_output_for_mask else np.logical_or.accumulate(kept, axis=1)
            outputs = ops.where(_widened(shown, outputs), outputs, 0.0)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, *states) if self.return_state else output

    def _kept_steps(self, mask: Any, sequences: Any) -> np.ndarray:
        """Return which steps count, (batch, steps) in the order they are taken."""
        kept = np.asarray(getattr(leaves(mask)[0], "value", leaves(mask)[0])) != 0
        if kept.ndim == 3 and kept.shape[-1] == 1:
            kept = kept[..., 0]
        if kept.shape != sequences.shape[:2]:
            raise ShapeError(
                f"Argument `mask` of layer '{self.name}' must be of shape (batch, steps) = "
                f"{tuple(sequences.shape[:2])}. Received: mask.shape={kept.shape}"
            )
        return kept[:, ::-1] if self.go_backwards else kept

    def _process(
        self, sequences: Any, states: list[Any], kept: Any, training: Any
    ) -> tuple[Any, list[Any]]:
        """Return the output of every step and the last states."""
        if not self.unroll:
            done = all_steps(self.cell, sequences, states, kept, self.go_backwards, training)
            if done is not None:
                return done
        steps = ops.unstack(sequences, axis=1)
        outputs: list[Any] = []
        for index, inputs in enumerate(reversed(steps) if self.go_backwards else steps):
            output, new_states = self._step(inputs, states)
            if kept is not None:
                before = outputs[-1] if outputs else ops.zeros_like(output)
                counts = kept[:, index]
                output = ops.where(_widened(counts, output), output, before)
                new_states = _chosen(counts, new_states, states)
            outputs.append(output)
            states = new_states
        return ops.stack(outputs, axis=1), states

    def _step(self, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        # A cell that is a layer finds the phase by itself.
        call: Any = self.cell if callable(self.cell) else self.cell.call
        output, new_states = call(inputs, states)
        return output, _as_list(new_states)

    # --- shapes and masks ------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        batch, steps, *inputs = input_shape
        output, states = self._step_shapes((batch, *inputs))
        if self.return_sequences:
            output = (batch, steps, *output[1:])
        return (output, *states) if self.return_state else output

    def _step_shapes(self, input_shape: Shape) -> tuple[Shape, list[Any]]:
        """Return the shapes of the output of a step and of the states."""
        if getattr(self.cell, "spatial", False):
            # Sizes do not tell how large an image is.
            return self.cell.compute_output_shape(input_shape)
        size = getattr(self.cell, "output_size", None)
        if size is None:
            size = self.state_size[0]
        if not isinstance(size, int):
            raise ValueError(
                f"`output_size` must be an integer. Received: output_size={size!r} of "
                f"cell={self.cell!r}"
            )
        batch = input_shape[0]
        return (batch, size), [_with_batch(batch, one) for one in self.state_size]

    def compute_output_spec(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        if initial_state is not None:
            self._given_states(initial_state, sequences.shape[0])
        shape = self.compute_output_shape(sequences.shape)

        def tensors(shapes: Any) -> Any:
            return map_shapes(lambda one: KerasTensor(one, self.compute_dtype), shapes)

        return tuple(map(tensors, shape)) if self.return_state else tensors(shape)

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = leaves(previous_mask)[0] if self.return_sequences else None
        return [mask, *[None for _ in self.state_size]] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if "cell" in config:
            config["cell"] = serialize_keras_object(self.cell)
        return config


class _OneCellRNN(RNN):
    """Base of the layers that are named after their cell and take its arguments."""

    cell_class: ClassVar[Any]
    #: Made from the other arguments, and therefore none itself.
    cell: Any = None
    _positional: ClassVar[dict[str, str]] = {"activity_regularizer": "bias_regularizer"}

    zero_output_for_mask: bool = field(
        default=False,
        kw_only=True,
        help="Whether the output is zero where the mask is False.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        own = {one.name for one in fields_of(type(self))} - {"name", "activity_regularizer"}
        shared = [one.name for one in fields_of(self.cell_class) if one.name in own]
        arguments = {name: getattr(self, name) for name in shared}
        name = snake_case(self.cell_class.__name__.strip("_"))
        self.cell = self.cell_class(**arguments, **self._cell_options(), name=name)
        self.input_spec = InputSpec(ndim=3)

    def _cell_options(self) -> dict[str, Any]:
        """Return further arguments for the cell."""
        return {}


def _cudnn(value: Any) -> Any:
    if value not in ("auto", True, False):
        raise ValueError(
            "Invalid value received for argument `use_cudnn`. Expected one of {'auto', True, "
            f"False}}. Received: use_cudnn={value!r}"
        )
    return value


class _GatedRNN(_OneCellRNN, _GatedArguments):
    """Base of the layers for whose cells graphics cards have code."""

    use_cudnn: Any = field(
        default="auto",
        converter=_cudnn,
        help="Whether to compute on a graphics card, if one is there.",
    )

    def _cell_options(self) -> dict[str, Any]:
        return {"implementation": self.implementation}

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but Layerscope computes on the processor only. Pass "
                "use_cudnn='auto'."
            )
        return super().call(sequences, initial_state, mask, training)

    def get_config(self) -> dict[str, Any]:
        # As in Keras: it says where to compute and not what.
        return {key: value for key, value in super().get_config().items() if key != "use_cudnn"}


def _as_list(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _with_batch(batch: int | None, size: Any) -> Any:
    if isinstance(size, int):
        return (batch, size)
    return [_with_batch(batch, one) for one in size]


def _widened(kept: np.ndarray, value: Any) -> np.ndarray:
    """Give `kept` unit axes, so that it broadcasts against `value`."""
    return kept.reshape(kept.shape + (1,) * (len(value.shape) - kept.ndim))


def _chosen(kept: np.ndarray, new: list[Any], old: list[Any]) -> list[Any]:
    """Return the new states where the step counts, the old ones elsewhere."""
    before = iter(leaves(old))
    return map_structure(lambda value: ops.where(_widened(kept, value), value, next(before)), new)
