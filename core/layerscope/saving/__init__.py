"""Configs of objects, registering one's own classes for them, and models in files."""

from layerscope.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.model_files import load_model, load_weights, save_model, save_weights
from layerscope.saving.serialization import deserialize_keras_object

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
