"""A graph of symbolic calls as plain data and back, in Keras 3's format."""

from __future__ import annotations

from typing import Any

from layerscope.layers import deserialize, serialize
from layerscope.layers.input import InputLayer
from layerscope.layers.layer import Layer
from layerscope.structure import leaves, map_structure
from layerscope.tensor import KerasTensor, Operators

#: Layer name, which of its calls, which of that call's outputs.
Position = tuple[str, int, int]

_TENSOR = "__keras_tensor__"


def graph_config(model: Any) -> dict[str, Any]:
    """Return the config of a functional model.

    Raises
    ------
    NotImplementedError
        If a bare operation or a constant array is part of the graph.
    """
    positions: dict[int, Position] = {}
    entries: dict[int, dict[str, Any]] = {}
    for layer in model.graph_layers:
        entries[id(layer)] = {**serialize(layer), "name": layer.name, "inbound_nodes": []}
    for tensor in model.inputs:
        positions[id(tensor)] = (_made_by(tensor).name, 0, 0)
    for node in model._nodes:
        layer = node.operation
        if not isinstance(layer, Layer):
            raise NotImplementedError(
                f"Operation `{layer.name}` is part of model '{model.name}'; a config can only "
                "describe layers. Wrap it in a layer of your own."
            )
        calls = entries[id(layer)]["inbound_nodes"]
        for index, tensor in enumerate(node.outputs):
            positions[id(tensor)] = (layer.name, len(calls), index)
        calls.append(
            {"args": _encode(node.args, positions), "kwargs": _encode(node.kwargs, positions)}
        )

    def located(structure: Any) -> Any:
        return map_structure(lambda tensor: list(positions[id(tensor)]), structure)

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": list(entries.values()),
        "input_layers": located(model.input),
        "output_layers": located(model.output),
    }


def _made_by(tensor: KerasTensor) -> Any:
    assert tensor.history is not None
    return tensor.history[0].operation


def _encode(value: Any, positions: dict[int, Position]) -> Any:
    if isinstance(value, KerasTensor):
        return {
            "class_name": _TENSOR,
            "config": {
                "shape": list(value.shape),
                "dtype": value.dtype,
                "keras_history": list(positions[id(value)]),
            },
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_encode(entry, positions) for entry in value)
    if isinstance(value, dict):
        return {key: _encode(entry, positions) for key, entry in value.items()}
    if isinstance(value, Operators) or hasattr(value, "tolist"):
        raise NotImplementedError("A model that was called with a constant array has no config.")
    return value


def _decode(value: Any, tensors: dict[Position, Any]) -> Any:
    """Put tensors back in; raises KeyError for one that is not made yet."""
    if isinstance(value, dict):
        if value.get("class_name") == _TENSOR:
            return tensors[tuple(value["config"]["keras_history"])]
        return {key: _decode(entry, tensors) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_decode(entry, tensors) for entry in value)
    return value


def rebuild_graph(config: dict[str, Any]) -> tuple[Any, Any]:
    """Make the layers of a config, call them as it says, and return inputs and outputs.

    Raises
    ------
    ValueError
        If the calls cannot be put in an order, or one is of a bare operation.
    """
    tensors: dict[Position, Any] = {}
    layers: dict[str, Layer] = {}
    waiting = []
    for entry in config["layers"]:
        name = entry.get("name", entry["config"].get("name"))
        if ".ops." in str(entry.get("module")):
            raise ValueError(
                f"The config of model '{config.get('name')}' holds operation '{name}' "
                f"({entry['module']}.{entry['class_name']}); Layerscope can only rebuild layers. "
                "Wrap the operation in a layer before saving."
            )
        layers[name] = layer = deserialize(entry)
        layer.name = name
        if isinstance(layer, InputLayer):
            tensors[name, 0, 0] = layer.output
        waiting.extend((name, index, call) for index, call in enumerate(entry["inbound_nodes"]))
    while waiting:
        later = []
        for name, index, call in waiting:
            try:
                args, kwargs = _decode(call["args"], tensors), _decode(call["kwargs"], tensors)
            except KeyError:
                later.append((name, index, call))
                continue
            for output, tensor in enumerate(leaves(layers[name](*args, **kwargs))):
                tensors[name, index, output] = tensor
        if len(later) == len(waiting):
            raise ValueError(f"The calls of model '{config.get('name')}' do not connect.")
        waiting = later
    return _locate(config["input_layers"], tensors), _locate(config["output_layers"], tensors)


def _locate(entry: Any, tensors: dict[Position, Any]) -> Any:
    if isinstance(entry, (list, tuple)):
        if len(entry) == 3 and isinstance(entry[0], str):
            return tensors[entry[0], entry[1], entry[2]]
        return [_locate(value, tensors) for value in entry]
    return {key: _locate(value, tensors) for key, value in entry.items()}
