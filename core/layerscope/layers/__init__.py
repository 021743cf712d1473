"""Every layer, under Keras's names."""

from __future__ import annotations

from typing import Any

from layerscope.layers.activation import Activation as Activation
from layerscope.layers.conv2d import Conv2D as Conv2D
from layerscope.layers.dense import Dense as Dense
from layerscope.layers.dropout import Dropout as Dropout
from layerscope.layers.flatten import Flatten as Flatten
from layerscope.layers.input import Input as Input
from layerscope.layers.input import InputLayer as InputLayer
from layerscope.layers.input_spec import InputSpec as InputSpec
from layerscope.layers.layer import Layer as Layer
from layerscope.layers.max_pooling2d import MaxPooling2D as MaxPooling2D
from layerscope.layers.reshape import Reshape as Reshape
from layerscope.saving.serialization import deserialize_as, serialize_keras_object

Convolution2D = Conv2D
MaxPool2D = MaxPooling2D


def serialize(layer: Layer) -> dict[str, Any]:
    """Return the config of a layer, with the name of its class."""
    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Layer:
    """Return the layer a config describes; ``{"class_name", "config"}`` is enough."""
    return deserialize_as(Layer, config, custom_objects)
