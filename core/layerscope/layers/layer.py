"""The contract every layer fulfils."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np

from layerscope import regularizers
from layerscope.config import FLOAT_TYPES, standardize_dtype
from layerscope.configurable import Configurable, accepts, field
from layerscope.custom_objects import custom_object_scope
from layerscope.graph import connect, unconnected
from layerscope.html import html_table, sparkline
from layerscope.layers.connected import Connected
from layerscope.layers.input_spec import check_inputs
from layerscope.layers.masked import Masked, keeping_mask, masks_of
from layerscope.layers.signature import build_arguments, call_signature
from layerscope.layers.weight_owner import SCOPE, WeightOwner, inside, is_plain
from layerscope.masks import MASKS_OF_ARRAYS, get_keras_mask, set_keras_mask
from layerscope.ops import cast, convert_to_numpy
from layerscope.ops.shapes import ShapeError
from layerscope.plain_data import serialize_value
from layerscope.registry import snake_case
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tape import is_recording
from layerscope.tensor import KerasTensor, Operators, Shape, Tensor, Variable

E = TypeVar("E", bound=Exception)

#: Value of `training` in the call that is running, None outside of one.
_TRAINING: ContextVar[bool | None] = ContextVar("training", default=None)

#: Whether any layer has ever added to the loss: until then there is nothing to forget.
_losses_were_added = False


def _check_name(value: Any) -> Any:
    if value is not None and (not isinstance(value, str) or "/" in value or not value):
        raise ValueError(
            "Argument `name` must be a string and cannot contain character `/`. "
            f"Received: name={value!r} (of type {type(value).__name__})"
        )
    return value


class Example(NamedTuple):
    """A layer as one might use it, which the tests and the reference run.

    Attributes
    ----------
    arguments : of the constructor, as plain data.
    input_shape : batch first; a list of shapes for a layer with several inputs.
    integers : the input holds whole numbers below this instead of real ones.
    words : the input holds these words instead of numbers.
    """

    arguments: dict[str, Any]
    input_shape: Shape | list[Shape]
    integers: int | None = None
    words: tuple[str, ...] | None = None


class _State:
    """What a layer holds beside its arguments, its weights and its calls."""

    input_spec: Any
    _losses: list[Any]
    _building: int
    #: Of the last inputs: whether they came as one list, type and shape of each, and what else
    #: `call` was given, for calls on their like.
    _ordinary_inputs: tuple[bool, list[tuple[np.dtype, Shape]], dict[str, Any]] | None
    #: Whether the call on those called no other layer; a built layer gets none.
    _calls_nobody: bool
    #: Another object whenever an attribute changes that decides what a call does.
    _state_of_call: object
    _legacy_input_shape: Shape | None
    _named_automatically: bool
    #: The argument `output_shape` of layers that have one; the name is that of what they compute.
    _output_shape: Any
    #: Names in the models the layer is part of.
    _neighbours: frozenset[str]


class Layer(WeightOwner, Masked, Connected, _State, Configurable):
    """Base of all layers.

    A layer declares its arguments as fields (or writes a constructor), creates its weights in
    ``build(input_shape)`` and computes in ``call(inputs)`` with `layerscope.ops` and operators.
    Gradients come from the operations; a layer contains none.

    Called on arrays it returns arrays. Called on a `KerasTensor` it returns one, and the call
    becomes part of a functional model.

    Attributes
    ----------
    section : group of the catalogue the layer belongs to.
    formula : LaTeX of what it computes.
    examples : sample arguments with an input shape each.
    in_keras_3 : whether Keras 3 has a public layer of this name.
    built : whether the weights exist.
    supports_masking : whether the output has a mask, by `compute_mask`; the input's unless a layer
        says otherwise.
    input_spec : what the input's shape must satisfy.
    """

    kind: ClassVar[str] = "layer"
    keras_module: ClassVar[str] = "keras.layers"
    section: ClassVar[str] = "custom"
    formula: ClassVar[str] = ""
    examples: ClassVar[tuple[Example, ...]] = ()
    in_keras_3: ClassVar[bool] = True
    #: Whether `call` runs a function that may call any layer.
    _runs_foreign_code: ClassVar[bool] = False

    activity_regularizer: regularizers.Regularizer | None = field(
        default=None,
        converter=regularizers.get,
        kw_only=True,
        help="Penalty on the layer's output.",
    )
    trainable: bool = field(
        default=True,
        kw_only=True,
        help="Whether training changes the weights.",
        refusal="Expected argument `trainable` to be a boolean. Received: trainable={value!r}",
    )
    dtype: str = field(
        default=None, converter=standardize_dtype, kw_only=True, help="Type of weights and results."
    )
    name: str = field(
        default=None, converter=_check_name, kw_only=True, help="Name within a model."
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _finish_build(cls.build)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer = super().__new__(cls, *args, **kwargs)
        layer.__dict__.update(
            built=_without_weights(cls),
            supports_masking=cls.compute_mask is not Layer.compute_mask,
            input_spec=None,
            _trainable_variables=[],
            _non_trainable_variables=[],
            _tracked={},
            _metrics={},
            _losses=[],
            _inbound_nodes=[],
            _build_shapes=None,
            _building=0,
            _ordinary_inputs=None,
            _calls_nobody=False,
            _state_of_call=object(),
            _legacy_input_shape=None,
            _named_automatically=False,
            _neighbours=frozenset(),
        )
        return layer

    # --- construction -------------------------------------------------------------------

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        rest = {
            name: value
            for name, value in unknown.items()
            if name not in _ABSENT or value != _ABSENT[name]
        }
        if "input_dim" in rest:
            self._legacy_input_shape = (rest.pop("input_dim"),)
        if "input_shape" in rest:
            self._legacy_input_shape = tuple(rest.pop("input_shape"))
        return rest

    def _set_arguments(self, arguments: dict[str, Any]) -> None:
        held, ordinary = self.__dict__, type(self).__setattr__ is Layer.__setattr__
        if not ordinary or "name" in held or held["_tracked"] or held["_metrics"]:
            # Somebody watches, it is constructed once more, or after some attributes were set.
            super()._set_arguments(arguments)
            return
        # There is no call yet that an argument decides about, nor a weight.
        watched = _watched_attributes(type(self))
        for name, value in arguments.items():
            if name in watched or not is_plain(value):
                setattr(self, name, value)
            else:
                held[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _DECISIVE:
            held = self.__dict__
            held["_ordinary_inputs"], held["_state_of_call"] = None, object()
        if name == "name":
            self.__dict__["_named_automatically"] = value is None
            value = snake_case(type(self).__name__) if value is None else value
        super().__setattr__(name, value)

    # --- what subclasses define ----------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights, knowing the input's shape; runs once, at the first call."""
        if not self._building:
            self.__dict__["_build_shapes"] = map_shapes(tuple, input_shape)
            self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; arrays in, arrays out, with `layerscope.ops`."""
        raise NotImplementedError(
            f"Layer {type(self).__name__} does not have a `call` method implemented."
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape for an input's, None for unknown lengths.

        Unless a layer overrides this, its `call` is followed symbolically.
        """
        if type(self).call is Layer.call:
            raise NotImplementedError(
                f"Layer {type(self).__name__} has no `call` to follow, and does not have a "
                "`compute_output_shape` method implemented."
            )
        tensors = map_shapes(lambda shape: KerasTensor(shape, self.dtype), input_shape)
        if not self.built:
            self.build(input_shape)
        with unconnected():
            outputs = self.call(tensors)
        return map_structure(lambda tensor: tensor.shape, outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbolic outputs for symbolic inputs."""
        if type(self).compute_output_shape is not Layer.compute_output_shape and not kwargs:
            given = args[0] if len(args) == 1 else args
            shape = self.compute_output_shape(map_structure(_shape, given))
            return map_shapes(lambda one: KerasTensor(one, self.compute_dtype), shape)
        # What a call on symbols does to states does not count.
        states = [(one, one.numpy()) for one in self.variables if not one.trainable]
        with unconnected():
            outputs = self.call(*args, **kwargs)
        for variable, value in states:
            variable.assign(value)
        return outputs

    # --- calling -------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        explicit = kwargs.pop("training", None) if kwargs else None
        training = _TRAINING.get() if explicit is None else explicit
        if not kwargs and (known := self._known_arguments(args)) is not None:
            if "training" in known:
                known = {**known, "training": training}
            if self._calls_nobody and not self._losses:
                # Nobody inside asks which layers are being called, or whether it is in training.
                return self._computed(args, known)
            return self._call_eagerly(args, known, training)
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the "
                "first statement in the `__init__()` method."
            )
        given = args
        args = tuple([map_structure(self._convert, value) for value in args])
        tensors = {
            key: map_structure(self._convert, value)
            for key, value in kwargs.items()
            if any(isinstance(leaf, (np.ndarray, Operators)) for leaf in leaves(value))
        }
        kwargs.update(tensors)
        inputs = [value for value in leaves((args, tensors)) if value is not None]
        if not inputs:
            raise TypeError(f"Layer '{self.name}' was called without an input.")
        first = args[0] if args else next(iter(tensors.values()))
        if self.input_spec is not None:
            check_inputs(self.input_spec, [_shape(value) for value in leaves(first)], self.name)
        if not self.built or (self._build_shapes is None and _without_weights(type(self))):
            self._build_for(args, tensors)
        masks = self._arriving_masks(args, tensors, kwargs)
        previous_mask = masks.get("mask", kwargs.get("mask"))
        if previous_mask is None:
            previous_mask = masks_of(first)
        if any(isinstance(value, KerasTensor) for value in inputs):
            outputs = self._call_symbolically(args, kwargs, explicit)
        else:
            if not kwargs:
                self._remember_inputs(given, args, masks)
            if call_signature(type(self)).training:
                kwargs["training"] = training
            outputs = self._call_eagerly(args, {**kwargs, **masks}, training)
        return self._with_mask(outputs, first, previous_mask)

    def _remember_inputs(
        self, given: tuple[Any, ...], args: tuple[Any, ...], masks: dict[str, Any]
    ) -> None:
        """Note inputs there was nothing to do for before `call`; a mask is something to do."""
        listed = len(args) == 1 and type(args[0]) is list
        values = args[0] if listed else args
        as_given = all(map(operator.is_, values, given[0] if listed else given))
        plain = all(
            type(value) in (np.ndarray, Tensor) and get_keras_mask(value) is None
            for value in values
        )
        if as_given and plain and not (self.supports_masking and self._makes_masks()):
            kinds = [(value.dtype, value.shape) for value in values]
            phase = {"training": None} if call_signature(type(self)).training else {}
            self.__dict__.update(
                _ordinary_inputs=(listed, kinds, {**masks, **phase}),
                _calls_nobody=not self._tracked and _calls_only_attributes(type(self)),
            )

    def _known_arguments(self, args: tuple[Any, ...]) -> dict[str, Any] | None:
        """Return what else `call` is given if values are like the last inputs, None otherwise."""
        ordinary = self._ordinary_inputs
        if ordinary is None:
            return None
        listed, kinds, known = ordinary
        if listed:
            if len(args) != 1 or type(args[0]) is not list:
                return None
            (args,) = args
        if len(args) != len(kinds):
            return None
        for place, value in enumerate(args):
            if type(value) is Tensor:
                array, masked = value.value, value._keras_mask is not None
            elif type(value) is np.ndarray:
                # To ask about each would take longer than the rest.
                array, masked = value, MASKS_OF_ARRAYS and get_keras_mask(value) is not None
            else:
                return None
            if masked or (array.dtype, array.shape) != kinds[place]:
                return None
        return known

    def _call_symbolically(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None
    ) -> Any:
        spec_kwargs = dict(kwargs)
        token = _TRAINING.set(training)
        try:
            with inside(self):
                outputs = self.compute_output_spec(*args, **spec_kwargs)
        except ValueError as error:
            raise _explained(error, self, args) from None
        finally:
            _TRAINING.reset(token)
        # A layer that returns its input must not take over that tensor's history.
        outputs = map_structure(self._output_of, outputs)
        node_kwargs = spec_kwargs if training is None else {**spec_kwargs, "training": training}
        node = connect(self, args, node_kwargs, outputs)
        if node is not None:
            self._inbound_nodes.append(node)
        return outputs

    def _output_of(self, tensor: KerasTensor) -> KerasTensor:
        output = KerasTensor(tensor.shape, tensor.dtype, self.name)
        set_keras_mask(output, get_keras_mask(tensor))
        return output

    def _call_eagerly(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None
    ) -> Any:
        scope = SCOPE.get()
        if not scope and (_losses_were_added or self._losses):
            self._forget_losses()
        token = None if training is _TRAINING.get() else _TRAINING.set(training)
        entered = SCOPE.set((*scope, self))
        try:
            return self._computed(args, kwargs)
        finally:
            if token is not None:
                _TRAINING.reset(token)
            SCOPE.reset(entered)

    def _forget_losses(self) -> None:
        """Drop what this layer and those inside added to the loss in the last call."""
        for layer in self._flatten_layers() if self._tracked else (self,):
            if layer._losses:
                layer._losses.clear()

    def _computed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what `call` gives, and add the penalty on it."""
        try:
            # To unpack no arguments would take longer than many a call.
            outputs = self.call(*args, **kwargs) if kwargs else self.call(*args)
            if self.activity_regularizer is not None:
                self._penalize(outputs)
        except ShapeError as error:
            raise _explained(error, self, args) from None
        except Exception as error:
            refusal = None if hasattr(error, "layer_name") else _not_numbers(self, args, error)
            if refusal is None:
                raise
            raise _explained(refusal, self, args) from error
        return outputs

    def _penalize(self, outputs: Any) -> None:
        """Add the activity penalty, divided by the batch size as in Keras."""
        for output in leaves(outputs):
            assert self.activity_regularizer is not None
            self.add_loss(self.activity_regularizer(output) / max(output.shape[0], 1))

    def _convert(self, value: Any) -> Any:
        """Bring one input to the layer's float type."""
        kind = type(value)
        if kind is np.ndarray:
            dtype = value.dtype
            if dtype.kind == "f" and dtype != self.dtype and self.dtype in FLOAT_TYPES:
                return keeping_mask(value, value.astype(self.dtype))
            return value
        if isinstance(value, (Tensor, KerasTensor, Variable)):
            dtype = str(value.dtype)
            if dtype in FLOAT_TYPES and dtype != self.dtype and self.dtype in FLOAT_TYPES:
                return keeping_mask(value, cast(value, self.dtype))
            return value
        if isinstance(value, np.generic):
            return self._convert(np.asarray(value))
        if value is None:
            return value
        raise ValueError(
            f"Only input tensors may be passed as positional arguments to layer '{self.name}'; "
            "convert with `np.asarray(...)`, or pass what is no tensor by name. "
            f"Received: {value!r} (of type {type(value).__name__})"
        )

    def _build_for(self, args: tuple[Any, ...], tensors: dict[str, Any]) -> None:
        """Build from the shapes of the first call's inputs.

        A `build` with one argument gets the first input's shape, one with several the shapes of
        the inputs they name: ``query_shape`` that of ``query``.
        """
        signature = call_signature(type(self))
        named = dict(zip(signature.positional, args, strict=False)) | tensors
        shapes = {
            f"{name}_shape": map_structure(_shape, value)
            for name, value in named.items()
            if value is not None and name != "mask"
        }
        wanted = build_arguments(type(self))
        try:
            if len(wanted) > 1:
                signature.check_build(wanted)
                self.build(**{name: shape for name, shape in shapes.items() if name in wanted})
            else:
                self.build(next(iter(shapes.values())))
        except ShapeError as error:
            raise _explained(error, self, args) from None

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call the layer with other values of its variables, leaving its own as they are.

        Returns
        -------
        The outputs and the new values of the variables that are not trained, and the losses if
        they are wanted.

        Raises
        ------
        ValueError
            If the layer is not built, or the number of values is not that of its variables.
        """
        if not self.built:
            raise ValueError(
                f"Layer '{self.name}' must be built before `stateless_call` is used; call "
                "`build(input_shape)` first."
            )
        kinds = {
            "trainable_variables": (self.trainable_variables, trainable_variables),
            "non_trainable_variables": (self.non_trainable_variables, non_trainable_variables),
        }
        for name, (variables, values) in kinds.items():
            if len(variables) != len(values):
                raise ValueError(
                    f"Argument `{name}` must hold a value for each of the {len(variables)} "
                    f"variables of layer '{self.name}'. Received {len(values)} values."
                )
        pairs = [pair for kind in kinds.values() for pair in zip(*kind, strict=True)]
        kept = [(variable, variable.value) for variable, _ in pairs]
        try:
            for variable, value in pairs:
                variable.value = np.array(convert_to_numpy(value), variable.dtype)
            outputs = self(*args, **kwargs)
            state = [variable.value for variable in kinds["non_trainable_variables"][0]]
            return (outputs, state, self.losses) if return_losses else (outputs, state)
        finally:
            for variable, value in kept:
                variable.value = value

    def reset_state(self) -> None:
        """Let the layers inside that keep states between calls begin anew."""
        for layer in self._flatten_layers()[1:]:
            if getattr(layer, "stateful", False):
                layer.reset_state()

    # --- losses --------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or several) to the loss, from inside `call`."""
        global _losses_were_added
        _losses_were_added = True
        self._losses.extend(leaves(loss))

    @property
    def losses(self) -> list[Any]:
        """Penalties: those added in the last call, then those of the trainable weights."""
        added: list[Any] = []
        regularized = False
        for layer in self._flatten_layers():
            added += layer._losses
            for variable in layer._trainable_variables:
                regularized = regularized or variable.regularizer is not None
        if added and not is_recording():
            added = [getattr(loss, "value", loss) for loss in added]
        if not regularized:
            return added
        return added + [
            variable.regularizer(variable)
            for variable in self.trainable_weights
            if variable.regularizer is not None
        ]

    # --- place in the graph ----------------------------------------------------------------

    @property
    def compute_dtype(self) -> str:
        """Type the layer computes in."""
        return self.dtype

    @property
    def variable_dtype(self) -> str:
        """Type of the layer's weights."""
        return self.dtype

    # --- configs -------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return name, trainable, dtype and the constructor's arguments as plain data."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self.dtype},
                "registered_name": None,
            },
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize_value(self.activity_regularizer)
        own = super().get_config()
        config.update({key: value for key, value in own.items() if key not in _BASE_ARGUMENTS})
        # A hand-written constructor need not take the arguments all layers have.
        return {key: value for key, value in config.items() if accepts(type(self), key)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Create a layer from what `get_config` returned.

        Parameters
        ----------
        custom_objects : objects that the config names and Layerscope does not know.

        Raises
        ------
        TypeError
            If the constructor does not accept the config, or a class is not known.
        """
        with custom_object_scope(custom_objects or {}):
            return super().from_config(config)

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the shape the layer was built for, or shapes by the name of `build`'s argument."""
        shapes = self._build_shapes
        if shapes is None:
            return None
        several = len(build_arguments(type(self))) > 1
        return {"shapes_dict": shapes} if several else {"input_shape": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build for what `get_build_config` returned."""
        if "shapes_dict" in config:
            self.build(**config["shapes_dict"])
        else:
            self.build(config["input_shape"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _repr_html_(self) -> str:
        """Return a notebook's view: the weights with their distributions."""
        title = f"{type(self).__name__} {self.name}"
        if not self.weights:
            return html_table(title, ["no weights" if self.built else "no weights yet"], [])
        rows = [
            [
                one.path.removeprefix(f"{self.name}/"),
                str(one.shape),
                type(one.initializer).__name__ if one.initializer is not None else "",
                sparkline(one.numpy()),
            ]
            for one in self.weights
        ]
        return html_table(title, ["weight", "shape", "initializer", "values"], rows)


#: What Keras 3 writes into configs and Layerscope lacks, with the value that means nothing.
_ABSENT = {
    "quantization_config": None,
    "gptq_unpacked_column_size": None,
    "sparse": False,
    "ragged": False,
    "optional": False,
}

#: Attributes that decide what is done to an input, before `call` or by a dense layer in it, and
#: whether a dense layer learns.
_DECISIVE = frozenset(
    {
        *("built", "dtype", "input_spec", "supports_masking", "trainable"),
        *("_kernel", "activation", "activity_regularizer", "bias", "lora_enabled"),
    }
)

_BASE_ARGUMENTS = ("activity_regularizer", "trainable", "dtype", "name")


def _is_ours(cls: type[Layer]) -> bool:
    """Tell whether a layer is one of Layerscope's own."""
    return cls.__module__.startswith("layerscope.layers.") and cls is not Layer


@functools.cache
def _watched_attributes(cls: type[Layer]) -> frozenset[str]:
    """Return the attributes for which more is done than to keep the value."""
    computed = {name for name in dir(cls) if hasattr(inspect.getattr_static(cls, name), "__set__")}
    return frozenset({"name", *computed})


@functools.cache
def _calls_only_attributes(cls: type[Layer]) -> bool:
    """Tell whether a layer calls none but those among its attributes."""
    return _is_ours(cls) and not cls._runs_foreign_code


@functools.cache
def _without_weights(cls: type[Layer]) -> bool:
    """Tell whether a layer of Layerscope's own has nothing to build."""
    return _is_ours(cls) and cls.build is Layer.build


def _finish_build(build: Callable[..., None]) -> Callable[..., None]:
    """Let `build` mark its layer as built when the outermost definition returns."""

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self.built:
            return
        before = dict(self._tracked), self._trainable_variables[:], self._non_trainable_variables[:]
        held = self.__dict__
        held["_building"] += 1
        try:
            with inside(self):
                build(self, *args, **kwargs)
        except Exception:
            # What a failed build made must not be there twice after the next one.
            self._tracked, self._trainable_variables, self._non_trainable_variables = before
            raise
        finally:
            held["_building"] -= 1
        if not self._building:
            self.built = True
            names = build_arguments(type(self))
            given = dict(zip(names, args, strict=False)) | kwargs
            shapes = {name: shape for name, shape in given.items() if shape is not None}
            if shapes:
                wanted = shapes if len(names) > 1 else next(iter(shapes.values()))
                held["_build_shapes"] = map_shapes(tuple, wanted)

    return wrapped


def _not_numbers(layer: Layer, args: tuple[Any, ...], error: Exception) -> TypeError | None:
    """Return what is to be said of inputs with which nobody can compute, if there are any."""
    # What somebody made may take anything, and say itself what is wrong.
    if not _is_ours(type(layer)) or any(example.words for example in layer.examples):
        return None
    for value in leaves(args):
        array = getattr(value, "value", value)
        if isinstance(array, np.ndarray) and array.dtype.kind not in "biuf":
            hint = ", as rows of different lengths give" if array.dtype.kind == "O" else ""
            return TypeError(
                f"Layer '{layer.name}' computes with real numbers. Received an input of "
                f"dtype={array.dtype}{hint}. ({error})"
            )
    return None


def _explained(error: E, layer: Layer, args: tuple[Any, ...]) -> E:
    """Name the innermost layer a problem arose in."""
    if not hasattr(error, "layer_name"):
        error.layer_name = layer.name  # type: ignore[attr-defined]
        shapes = map_structure(_shape, args[0] if len(args) == 1 else args)
        error.add_note(f"In layer '{layer.name}' ({type(layer).__name__}) on input {shapes}.")
    return error


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else None
