"""Layers that are made of another layer."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.saving.serialization import deserialize_as


def as_layer(value: Any) -> Layer:
    """Return the layer that an instance or a config stands for.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(value, dict):
        return deserialize_as(Layer, value)
    if not isinstance(value, Layer):
        raise ValueError(
            f"Layer {value!r} supplied to Wrapper isn't a supported layer type. Please ensure "
            "wrapped layer is a valid Keras layer. Argument `layer` takes an instance, or the "
            "config of one."
        )
    return value


class Wrapper(Layer):
    """Base of layers that apply another layer; on its own it does what that layer does.

    A subclass changes the `call`. The inner layer's weights, penalties and phase are the
    wrapper's.

    Shapes: those of the inner layer. Source: Keras `Wrapper`.

    Examples
    --------
    >>> import layerscope as ls
    >>> wrapper = ls.layers.Wrapper(ls.layers.Dense(3))
    >>> wrapper.compute_output_shape((None, 5))
    (None, 3)
    """

    section: ClassVar[str] = "wrapper"
    formula: ClassVar[str] = r"y = f(x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"layer": {"class_name": "Dense", "config": {"units": 3}}}, (2, 5)),
    )

    layer: Layer = field(converter=as_layer, help="What to apply.")

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs: Any) -> Any:
        return self.layer(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)
