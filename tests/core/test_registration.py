"""Classes and functions of one's own are found by the names configs know them by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import custom_objects, layers, saving


class Doubling(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


class Parameters:
    """No layer, but something with a config."""

    def __init__(self, value: int) -> None:
        self.value = value

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Parameters:
        return cls(**config)


def halved(x: Any) -> Any:
    return x / 2


def test_names_hold_inside_a_scope_only() -> None:
    config = {"class_name": "Doubled", "config": {}}
    with custom_objects.custom_object_scope({"Doubled": Doubling}):
        assert custom_objects.get_custom_objects()["Doubled"] is Doubling
        assert isinstance(layers.deserialize(config), Doubling)
    assert "Doubled" not in custom_objects.get_custom_objects()
    with pytest.raises(TypeError, match="Could not locate class 'Doubled'"):
        layers.deserialize(config)


def test_registering_needs_a_config() -> None:
    with pytest.raises(ValueError, match=r"int.*no `get_config\(\)`"):
        custom_objects.register_keras_serializable()(int)


def test_a_registered_name_is_looked_up() -> None:
    known = {"halved": halved}
    assert custom_objects.get_registered_object("halved", known) is halved
    assert custom_objects.get_registered_object("nothing of the kind") is None


def test_any_object_with_a_config_is_rebuilt() -> None:
    config = {"class_name": "Parameters", "config": {"value": 3}}
    found = saving.deserialize_keras_object(config, custom_objects={"Parameters": Parameters})
    assert isinstance(found, Parameters)
    assert found.value == 3
    function = {"class_name": "halved", "config": {}}
    assert saving.deserialize_keras_object(function, custom_objects={"halved": halved}) is halved
    assert saving.deserialize_keras_object(3) == 3


def test_a_loss_is_found_by_its_registered_name() -> None:
    with custom_objects.custom_object_scope({"distance": lambda y, p: abs(y - p)}):
        loss: Any = ls.losses.as_loss("distance")
    assert loss(np.ones(2, "float32"), np.zeros(2, "float32")) == 1


def test_numbers_and_arrays_become_plain_data() -> None:
    data = {"a": np.float32(1.5), "b": np.arange(3), "c": (np.int64(2), None)}
    assert saving.serialize_keras_object(data) == {"a": 1.5, "b": [0, 1, 2], "c": (2, None)}
