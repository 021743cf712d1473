"""What recurrent cells share: arguments, weights, first states and the zeros of their dropout."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from layerscope import activations, constraints, initializers, ops, random, regularizers
from layerscope.configurable import field
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Layer
from layerscope.ops.shapes import ShapeError
from layerscope.plain_data import is_built_in
from layerscope.random import Seed, SeedGenerator, check_seed
from layerscope.structure import leaves, map_shapes
from layerscope.tensor import KerasTensor, Shape

Masks = WeakKeyDictionary[Any, dict[str, Any]]

#: Dropout masks of the cells that are at work; they belong to a call and not to a cell, which
#: several threads may use at once.
_MASKS: ContextVar[Masks | None] = ContextVar("dropout_masks", default=None)


class FreshMasks:
    """Where every cell that is called inside draws its dropout masks once, for all steps.

    To enter a generator instead takes as long as a tenth of a short sequence.
    """

    def __enter__(self) -> None:
        self._token = _MASKS.set(None)

    def __exit__(self, *_: object) -> None:
        _MASKS.reset(self._token)


class MissingError(ShapeError, IndexError):
    """Fewer steps or states than are needed; Keras raises an IndexError."""


def fraction(name: str) -> Callable[[Any], float]:
    """Return a converter to the nearest number in [0, 1], Keras's way with its cells' rates."""

    def convert(value: Any) -> float:
        try:
            return min(1.0, max(0.0, value))
        except TypeError:
            raise TypeError(
                f"Argument `{name}` must be a number from 0 to 1. Received: {name}={value!r}"
            ) from None

    return convert


def seed_field(after: str | None = None) -> Any:
    """Declare the argument that makes a cell's dropout repeatable."""
    return field(
        default=None, converter=check_seed, after=after, help="Makes the dropout repeatable."
    )


class _TwoKernels(Layer):
    """Arguments of every cell that applies kernels to input and state, and of its layer."""

    section: ClassVar[str] = "recurrent"

    activation: activations.Activation = field(
        default="tanh", converter=activations.get, help="Applied to what enters the state."
    )
    use_bias: bool = field(default=True, help="Whether to add a learned offset per unit.")
    kernel_initializer: initializers.Initializer = field(
        default="glorot_uniform",
        converter=initializers.get,
        help="First values of the kernel, which multiplies the input.",
    )
    recurrent_initializer: initializers.Initializer = field(
        default="orthogonal",
        converter=initializers.get,
        help="First values of the recurrent kernel, which multiplies the state.",
    )
    bias_initializer: initializers.Initializer = field(
        default="zeros", converter=initializers.get, help="First values of the bias."
    )
    kernel_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the kernel."
    )
    recurrent_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the recurrent kernel."
    )
    bias_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the bias."
    )
    kernel_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        help="Projection of the kernel after each step of training.",
    )
    recurrent_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        help="Projection of the recurrent kernel after each step of training.",
    )
    bias_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        help="Projection of the bias after each step of training.",
    )
    dropout: float = field(
        default=0.0,
        converter=fraction("dropout"),
        slider=(0, 0.9),
        help="Fraction of the input's entries to zero while training.",
    )
    recurrent_dropout: float = field(
        default=0.0,
        converter=fraction("recurrent_dropout"),
        slider=(0, 0.9),
        help="Fraction of the state's entries to zero while training.",
    )


class _Units(Layer):
    """The argument that cells whose state is a vector begin with."""

    units: int = field(
        ge=1,
        slider=(1, 128),
        help="Length of the output's last axis.",
        refusal=(
            "Received an invalid value for argument `units`, expected a positive integer, "
            "got {value}."
        ),
    )


class _RecurrentArguments(_TwoKernels, _Units):
    """Arguments of the cells whose state is a vector."""


class _Gates(_TwoKernels):
    """The argument that cells with gates have beside."""

    recurrent_activation: activations.Activation = field(
        default="sigmoid",
        converter=activations.get,
        after="activation",
        help="Applied to the gates.",
    )


class _GatedArguments(_Gates, _RecurrentArguments):
    """Arguments of the cells with gates whose state is a vector."""

    #: 1: each gate has dropout masks of its own; 2: they share one, unless there is recurrent
    #: dropout.
    implementation: int = 2

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        self.implementation = unknown.pop("implementation", 2)
        return super()._accept_legacy_arguments(unknown)


class _DroppingCell(Layer):
    """Base of cells with dropout, which is drawn once per call of the layer around them.

    Called without states, a cell starts from the first ones.
    """

    seed: Seed
    #: Number of masks to draw at once, None for a single one that is no list.
    dropout_mask_count: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seed = self.seed
        self.seed_generator = seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Return the factors for the input of each step, None without dropout."""
        return self._mask("dropout", step_input)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Return the factors for the state at each step, None without recurrent dropout."""
        return self._mask("recurrent_dropout", step_input)

    def reset_dropout_mask(self) -> None:
        """Forget the factors for the input; needed only where the cell is called by itself."""
        self._masks().pop("dropout", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forget the factors for the state; needed only where the cell is called by itself."""
        self._masks().pop("recurrent_dropout", None)

    def _dropout_masks(self, inputs: Any, state: Any, training: Any) -> tuple[Any, Any]:
        """Return the factors for input and state, None for none."""
        if not training:
            return None, None
        return self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(state)

    def _drops(self, rate: float) -> bool:
        return rate > 0

    def _masks(self) -> dict[str, Any]:
        found = _MASKS.get()
        if found is None:
            found = WeakKeyDictionary()
            _MASKS.set(found)
        return found.setdefault(self, {})

    def _mask(self, name: str, value: Any) -> Any:
        rate = getattr(self, name)
        if not self._drops(rate):
            return None
        masks = self._masks()
        if name not in masks or leaves(masks[name])[0].shape != tuple(value.shape):
            draws = [
                random.dropout_mask(value.shape, str(value.dtype), rate, None, self.seed_generator)
                for _ in range(self.dropout_mask_count or 1)
            ]
            masks[name] = draws[0] if self.dropout_mask_count is None else draws
        return masks[name]

    def process(
        self, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
    ) -> tuple[Any, list[Any]] | None:
        """Take all steps at once, if the arguments allow it.

        Returns
        -------
        The output of every step, in the order they are taken, and the last states; None where
        the steps must be taken one by one.
        """
        return None

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Return the states before the first step."""
        raise NotImplementedError

    def _states(self, inputs: Any, states: Any) -> list[Any]:
        """Return the states as a list, the first ones for None."""
        if states is None:
            return self.get_initial_state(inputs.shape[0])
        return list(states) if isinstance(states, (list, tuple)) else [states]

    def _as_given(self, new_states: list[Any], states: Any) -> Any:
        """Return the only new state bare where the old one was."""
        bare = states is not None and not isinstance(states, (list, tuple))
        return new_states[0] if bare else new_states

    def compute_output_spec(self, inputs: Any, states: Any = None, training: Any = None) -> Any:
        output, states_shape = self.compute_output_shape(inputs.shape)
        new_states = map_shapes(lambda one: KerasTensor(one, self.compute_dtype), states_shape)
        return KerasTensor(output, self.compute_dtype), self._as_given(new_states, states)


class _RecurrentCell(_DroppingCell, _RecurrentArguments):
    """Base of the cells that multiply input and state by a kernel each."""

    #: Number of blocks the kernels consist of.
    gates: ClassVar[int] = 1

    @property
    def state_size(self) -> Any:
        """Length of the state, or of each state."""
        return self.units

    @property
    def output_size(self) -> int:
        """Length of the output."""
        return self.units

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.gates * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(),
                initializer=self._first_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=2, axes={-1: features})

    def _states(self, inputs: Any, states: Any) -> list[Any]:
        found = super()._states(inputs, states)
        wanted = leaves(self.state_size)
        shapes = [tuple(state.shape) for state in found]
        if [shape[-1] for shape in shapes] != wanted:
            kind = MissingError if len(found) < len(wanted) else ShapeError
            raise kind(
                f"Argument `states` of layer '{self.name}' must hold {len(wanted)} state(s) of "
                f"sizes {wanted}. Received shapes: {shapes}"
            )
        return found

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        shapes: Any = [(batch_size, length) for length in leaves(self.state_size)]
        return [ops.zeros(shape, dtype=self.compute_dtype) for shape in shapes]

    def _applied_bias(self) -> Any:
        """Return the bias in the form it is computed with, None without one."""
        return self.bias

    def _fused_bias(self) -> Any:
        bias = self._applied_bias()
        return np.zeros(self._bias_shape(), self.dtype) if bias is None else bias

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        out = (input_shape[0], self.units)
        return out, [out for _ in leaves(self.state_size)]


class _GatedCell(_RecurrentCell, _GatedArguments):
    """Base of the cells whose gates may have dropout masks of their own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recurrent_dropout:
            self.implementation = 1
        self.dropout_mask_count = self.gates if self.implementation == 1 else None

    def _drops(self, rate: float) -> bool:
        # As in Keras, where a cell with gates that would drop everything drops nothing.
        return 0 < rate < 1

    def _fusible(self, training: Any) -> bool:
        """Tell whether the operation that takes all steps computes the same."""
        standard = (activations.tanh, activations.sigmoid)
        dropping = training and (self._drops(self.dropout) or self._drops(self.recurrent_dropout))
        per_gate = dropping and self.implementation == 1
        return (self.activation, self.recurrent_activation) == standard and not per_gate


def fused_inputs(cell: _RecurrentCell, sequences: Any, training: Any) -> Any:
    """Return the sequences after the cell's dropout, which is the same at every step."""
    mask = cell.get_dropout_mask(sequences[:, 0]) if training else None
    return sequences if mask is None else sequences * mask[:, None]


def plus(value: Any, bias: Any) -> Any:
    """Return ``value + bias``, the value itself without a bias."""
    return value if bias is None else value + bias


def all_steps(
    cell: Any, sequences: Any, states: list[Any], mask: Any, go_backwards: bool, training: Any
) -> tuple[Any, list[Any]] | None:
    """Return what the cell's `process` gives, None where the steps must be taken one by one."""
    # A cell of another person's may compute each step in its own way, and a penalty is on each.
    own = is_built_in(type(cell)) and hasattr(cell, "process")
    if not own or cell.activity_regularizer is not None:
        return None
    return cell.process(sequences, states, mask, go_backwards, training)


def project(value: Any, kernel: Any, mask: Any) -> Any:
    """Return ``value @ kernel`` after dropout by `mask`.

    Parameters
    ----------
    mask : factors for the value, None for none, a list for a mask per block of the kernel.
    """
    if mask is None:
        return ops.matmul(value, kernel)
    if not isinstance(mask, list):
        return ops.matmul(value * mask, kernel)
    blocks = ops.split(kernel, len(mask), axis=1)
    parts = [ops.matmul(value * one, block) for one, block in zip(mask, blocks, strict=True)]
    return ops.concatenate(parts, axis=-1)
