"""Constructors take the same arguments by position as Keras's, in the same order."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import layerscope as ls
from oracle.reference import keras

LAYERS = sorted(
    name
    for name, cls in vars(ls.layers).items()
    if isinstance(cls, type) and issubclass(cls, ls.Layer) and hasattr(keras.layers, name)
)
#: What Keras takes by position and Layerscope does not.
WITHOUT = {
    "Dense": {"quantization_config": "there is no quantization"},
    "EinsumDense": {
        "gptq_unpacked_column_size": "there is no quantization",
        "quantization_config": "there is no quantization",
    },
    "Embedding": {"quantization_config": "there is no quantization"},
}

#: What Layerscope also takes by position, because the base class does.
BEYOND = {"ReversibleEmbedding": ("weights", "lora_rank", "lora_alpha")}


def positional(cls: Any) -> list[tuple[str, Any]]:
    """Return names and defaults; one number stands for the same along each axis."""
    return [
        (one.name, one.default[0] if _repeats(one.default) else one.default)
        for one in inspect.signature(cls).parameters.values()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    ]


def _repeats(default: Any) -> bool:
    return isinstance(default, tuple) and len(set(default)) == 1


@pytest.mark.parametrize("name", LAYERS)
def test_order_and_defaults(name: str) -> None:
    expected = positional(getattr(keras.layers, name))
    missing = WITHOUT.get(name, {})
    assert missing.keys() <= {argument for argument, _ in expected}
    known = [(argument, default) for argument, default in expected if argument not in missing]
    found = positional(getattr(ls.layers, name))
    assert [one for one in found if one[0] not in BEYOND.get(name, ())] == known


PARTS = [
    pytest.param(getattr(ls, module), getattr(keras, module), name, id=f"{module}-{name}")
    for module in ("losses", "metrics")
    for name, cls in sorted(vars(getattr(ls, module)).items())
    if isinstance(cls, type) and hasattr(getattr(keras, module), name)
]


@pytest.mark.parametrize(("ours", "theirs", "name"), PARTS)
def test_order_and_defaults_of_parts(ours: Any, theirs: Any, name: str) -> None:
    assert positional(getattr(ours, name)) == positional(getattr(theirs, name))


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_by_name_have_the_same_defaults(name: str) -> None:
    ours = inspect.signature(getattr(ls.layers, name)).parameters
    for one in inspect.signature(getattr(keras.layers, name)).parameters.values():
        if one.kind is one.KEYWORD_ONLY and one.name in ours:
            assert ours[one.name].default == one.default
