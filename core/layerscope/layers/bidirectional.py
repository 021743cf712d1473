"""A recurrent layer led through its sequence in both directions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.configurable import field
from layerscope.graph import unconnected
from layerscope.layers.layer import Example, Layer
from layerscope.layers.masked import follows
from layerscope.ops.shapes import ShapeError
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.structure import leaves
from layerscope.tensor import Shape

#: What both directions must agree on.
_COMMON = ("stateful", "return_sequences", "return_state")


def _as_layer(value: Any, problem: str) -> Layer:
    found = deserialize_keras_object(value)
    if not isinstance(found, Layer):
        raise ValueError(f"{problem} Received: {value!r}")
    return found


def _copied(layer: Layer, name: str, **changes: Any) -> Layer:
    """Return a new layer with the same arguments but for `changes`."""
    return type(layer).from_config({**layer.get_config(), **changes, "name": name})


def _forward(value: Any) -> Layer:
    """Return the layer for the forward direction, which shares nothing with `value`."""
    problem = "Please initialize `Bidirectional` layer with a `Layer` instance."
    layer = _as_layer(value, problem)
    return _copied(layer, f"forward_{layer.name.removeprefix('forward_')}")


def _backward(value: Any) -> Layer | None:
    if value is None:
        return None
    return _as_layer(value, "`backward_layer` needs to be a `Layer` instance.")


class Bidirectional(Layer):
    """Leads a copy of a recurrent layer forwards and one backwards, and merges what they give.

    The outputs of the backward copy are turned round, so that those of the same step meet.
    States, given or returned, are those of the forward copy, then those of the backward one.

    Shapes: input as the inner layer's; output twice as long with ``"concat"``, otherwise as the
    inner layer's; two outputs for None. Source: Schuster & Paliwal 1997; Keras `Bidirectional`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.Bidirectional(ls.layers.LSTM(4, return_sequences=True))
    >>> layer.compute_output_shape((None, 10, 3))
    (None, 10, 8)
    """

    section: ClassVar[str] = "wrapper"
    formula: ClassVar[str] = (
        r"y = [\overrightarrow{f}(x),\ \mathrm{reverse}(\overleftarrow{f}(\mathrm{reverse}(x)))]"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            {
                "layer": {
                    "class_name": "LSTM",
                    "config": {"units": 2, "return_sequences": True, "name": "lstm"},
                }
            },
            (2, 3, 4),
        ),
        Example(
            {
                "layer": {"class_name": "GRU", "config": {"units": 2, "return_state": True}},
                "merge_mode": None,
            },
            (2, 3, 2),
        ),
        Example(
            {
                "layer": {"class_name": "SimpleRNN", "config": {"units": 3}},
                "merge_mode": "mul",
                "backward_layer": {
                    "class_name": "LSTM",
                    "config": {"units": 3, "go_backwards": True},
                },
            },
            (2, 3, 2),
        ),
    )

    layer: Layer = field(converter=_forward, help="What to lead in both directions.")
    merge_mode: Literal["sum", "mul", "ave", "concat"] | None = field(
        default="concat",
        help="How to merge the outputs; None returns both.",
        refusal=(
            "Invalid merge mode. Received: {value}. Merge mode should be one of "
            '{{"sum", "mul", "ave", "concat", None}}'
        ),
    )
    weights: Any = field(default=None, help="First values of the weights, forwards then backwards.")
    backward_layer: Layer | None = field(
        default=None,
        converter=_backward,
        help="What to lead backwards; None: the same as forwards.",
    )

    def __post_init__(self) -> None:
        self.forward_layer = self.layer
        if self.backward_layer is None:
            bare = self.layer.name.removeprefix("forward_")
            self.backward_layer = _copied(self.layer, f"backward_{bare}", go_backwards=True)
        self._check_directions()
        for one in self._directions:
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences
        self.stateful, self.return_sequences, self.return_state = (
            getattr(self.layer, name) for name in _COMMON
        )
        self.supports_masking = True
        self.input_spec = self.layer.input_spec

    @property
    def _directions(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def _check_directions(self) -> None:
        forward, backward = self._directions
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. "
                f"Received: forward_layer.go_backwards={forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in _COMMON:
            one, other = getattr(forward, name), getattr(backward, name)
            if one != other:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for "
                    f'attribute "{name}", got "{one}" for forward layer and "{other}" for '
                    "backward layer"
                )

    # --- weights and states ----------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        for layer in self._directions:
            if not layer.built:
                layer.build(input_shape)
        self.input_spec = self.forward_layer.input_spec
        # The argument, which has the name of what the layer computes.
        given, self._weights = self._weights, None
        if given is not None:
            self.set_weights(given)

    @property
    def states(self) -> tuple[Any, ...] | None:
        """Variables that keep the states of both directions, None if there are none."""
        forward, backward = (layer.states for layer in self._directions)
        return (*forward, *backward) if forward and backward else None

    def reset_state(self) -> None:
        """Make the kept states zero.

        Raises
        ------
        AttributeError
            If none are kept.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        for layer in self._directions:
            layer.reset_state()

    def reset_states(self) -> None:
        """Make the kept states zero: the older name of `reset_state`."""
        self.reset_state()

    # --- calling ---------------------------------------------------------------------------

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> Any:
        options = {} if mask is None else {"mask": mask}
        results = []
        for layer, states in zip(self._directions, self._halves(initial_state), strict=True):
            own = options if states is None else {**options, "initial_state": states}
            results.append(layer(sequences, **own))
        states = []
        if self.return_state:
            states = [state for _, *several in results for state in several]
            results = [output for output, *_ in results]
        forward, backward = results
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        output = self._merged(forward, backward)
        if not self.return_state:
            return output
        return (*output, *states) if self.merge_mode is None else (output, *states)

    def _halves(self, states: Any) -> tuple[Any, Any]:
        """Return the first states of each direction."""
        if states is None:
            return None, None
        if not isinstance(states, (list, tuple)) or len(states) % 2:
            raise ShapeError(
                f"Argument `initial_state` of layer '{self.name}' must be a list of the states "
                "forwards, then as many backwards. Received "
                f"{len(leaves(states))} state(s)."
            )
        half = len(states) // 2
        return list(states[:half]), list(states[half:])

    def _merged(self, forward: Any, backward: Any) -> Any:
        match self.merge_mode:
            case "concat":
                return ops.concatenate([forward, backward], axis=-1)
            case "sum":
                return forward + backward
            case "ave":
                return (forward + backward) / 2
            case "mul":
                return forward * backward
        return forward, backward

    # --- shapes and masks ------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        output = self.forward_layer.compute_output_shape(input_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            output, *several = output
            states = (*several, *several)
        if self.merge_mode is None:
            return (output, output, *states)
        if self.merge_mode == "concat":
            output = (*output[:-1], None if output[-1] is None else 2 * output[-1])
        return (output, *states) if self.return_state else output

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        with unconnected():
            return self.call(*args, **kwargs)

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = leaves(previous_mask)[0] if self.return_sequences else None
        # What follows the outputs, states, has none.
        return (mask, mask) if self.merge_mode is None else (mask,)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["weights"]
        return config
