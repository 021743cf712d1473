"""Any function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from layerscope import activations, ops
from layerscope.configurable import Configurable, field
from layerscope.custom_objects import find_custom_object, get_registered_name
from layerscope.graph import unconnected
from layerscope.layers.layer import Example, Layer
from layerscope.plain_data import serialize_value
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import KerasTensor

#: How Keras marks a function without a name in a config.
_NAMELESS = "__lambda__"


def _named(name: str) -> Callable[..., Any] | None:
    """Return the function called `name`: a custom one, an operation or an activation."""
    known = getattr(ops, name, None) if name in ops.__all__ else activations.ACTIVATIONS.get(name)
    return find_custom_object(name) or known


def _as_function(value: Any) -> Callable[..., Any]:
    """Return the function that a name, a config or the function itself stands for.

    Raises
    ------
    TypeError
        If it stands for none.
    """
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        return deserialize_keras_object(value)
    name = value.get("config") if isinstance(value, dict) else value
    found = _named(name) if isinstance(name, str) else value
    if not callable(found):
        raise TypeError(
            "unsupported callable: argument `function` must be a function, or the name of an "
            "operation, an activation or a function known by `custom_objects` or "
            f"`register_keras_serializable`. Received: function={value!r}"
        )
    return found


def _as_value(value: Any) -> Any:
    """Return what `_config_of` described; anything else is returned as it is."""
    if isinstance(value, list):
        return [_as_value(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == "__numpy__":
        return np.array(value["config"]["value"], value["config"]["dtype"])
    if kind == "__tuple__":
        return tuple(_as_value(entry) for entry in value["items"])
    if kind == "function":
        return _as_function(value)
    return {name: _as_value(entry) for name, entry in value.items()}


def _as_shapes(value: Any) -> Any:
    found = _as_value(value)
    return map_shapes(tuple, found) if isinstance(found, list) else found


def _as_arguments(value: dict[str, Any] | None) -> dict[str, Any]:
    return _as_value(value or {})


def _config_of(value: Any) -> Any:
    """Return plain data for an argument, in Keras's form."""
    if isinstance(value, dict):
        return {name: _config_of(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_config_of(entry) for entry in value]
    if isinstance(value, np.ndarray):
        inner = {"value": value.tolist(), "dtype": value.dtype.name}
        return {"class_name": "__numpy__", "config": inner}
    if isinstance(value, Configurable) or not callable(value):
        return serialize_value(value)
    if not hasattr(value, "__name__"):
        raise TypeError(
            f"cannot serialize {value!r}, which has no name; use a function made by `def`"
        )
    name = get_registered_name(value)
    if name == "<lambda>":
        # Where it was written helps to find it; its code is nothing to be stored.
        line = value.__code__.co_firstlineno
        inner = {"code": f"{value.__module__}, line {line}", "defaults": None, "closure": None}
        return {"class_name": _NAMELESS, "config": inner}
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


class Lambda(Layer):
    """Applies a function to the input: ``function(x, **arguments)``.

    The function is written with `layerscope.ops` and operators; with plain NumPy functions it
    works on arrays, but cannot be differentiated. One that has an argument `mask` or `training`
    is given it. Weights are found if the function is a layer, not if it uses one.

    A config names the function. One without a name (``lambda``) cannot be loaded again, because a
    config's code is never run.

    Shapes: input and output as the function has them; `output_shape` says the output's, without
    the batch or as a function of the input's, where following the function does not tell.
    Source: Keras `Lambda`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Lambda(lambda x: x**2)(np.array([[1.0, 3.0]], "float32"))
    array([[1., 9.]], dtype=float32)
    """

    section: ClassVar[str] = "core"
    _runs_foreign_code: ClassVar[bool] = True
    formula: ClassVar[str] = r"y = f(x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"function": "square"}, (2, 3)),
        Example({"function": "softmax", "arguments": {"axis": 1}}, (2, 3, 2)),
        Example({"function": "transpose", "arguments": {"axes": (0, 2, 1)}}, (2, 3, 4)),
        Example({"function": "flip", "output_shape": (4,), "arguments": {"axis": -1}}, (3, 4)),
    )

    function: Callable[..., Any] = field(converter=_as_function, help="What is applied.")
    output_shape: Any = field(
        default=None,
        converter=_as_shapes,
        help="Output's shape without the batch, or a function of the input's; None: found out.",
    )
    mask: Any = field(
        default=None,
        converter=_as_value,
        help="The output's mask, or a function of the inputs and their mask; None: no mask.",
    )
    arguments: dict[str, Any] = field(
        default=None,
        converter=_as_arguments,
        help="Further arguments of the function, by name.",
    )

    def __post_init__(self) -> None:
        self.supports_masking = self.mask is not None
        try:
            wanted = set(inspect.signature(self.function).parameters)
        except ValueError:
            # A function of a compiled library need not have a signature.
            wanted = set()
        self._wanted = wanted & {"mask", "training"}

    @property
    def _shape_rule(self) -> Any:
        """What argument `output_shape` says; the property of that name is what a call gave."""
        return vars(self)["_output_shape"]

    def build(self, input_shape: Any) -> None:
        """Create nothing: a layer that is the function makes its weights when it is called."""

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        ambient = {"mask": mask, "training": training}
        return self.function(
            inputs, **self.arguments, **{name: ambient[name] for name in self._wanted}
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._shape_rule is None:
            tensors = map_shapes(lambda shape: KerasTensor(shape, self.dtype), input_shape)
            return map_structure(lambda tensor: tensor.shape, self._followed(tensors))
        if callable(self._shape_rule):
            return self._shape_rule(input_shape)
        batch = leaves(input_shape)[0]
        return map_shapes(lambda shape: (batch, *shape), self._shape_rule)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._shape_rule is None:
            return self._followed(*args, **kwargs)
        return super().compute_output_spec(args[0])

    def _followed(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function makes of symbolic values."""
        try:
            with unconnected():
                return self.call(*args, **kwargs)
        except Exception as error:
            raise NotImplementedError(
                "We could not automatically infer the shape of the Lambda's output. Please "
                f"specify the `output_shape` argument for layer '{self.name}'. ({error})"
            ) from error

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["function"] = _config_of(self.function)
        config["arguments"] = _config_of(self.arguments)
        for name, value in (("output_shape", self._shape_rule), ("mask", self.mask)):
            if value is None:
                del config[name]
            else:
                config[name] = _config_of(value) if name == "mask" or callable(value) else value
        return config

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Create a layer from what `get_config` returned.

        Raises
        ------
        ValueError
            If the function is a Python lambda, whatever `safe_mode` says.
        """
        for name in ("function", "output_shape", "mask"):
            value = config.get(name)
            if isinstance(value, dict) and value.get("class_name") == _NAMELESS:
                raise ValueError(
                    f"Requested the deserialization of a `Lambda` layer whose `{name}` is a "
                    "Python lambda. This would run code that came with the config, which "
                    "Layerscope never does. Give the function a name with `def` and make it known "
                    "with `custom_objects={'name': function}` or "
                    "`@register_keras_serializable()` before saving and before loading."
                )
        return super().from_config(config, custom_objects)
