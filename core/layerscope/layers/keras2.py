"""What layers share that Keras 3 dropped."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope.layers.layer import Layer

#: Arguments of initializers that Keras 2 does not know.
_NEWER = ("input_axes", "output_axes")


class _Keras2Only(Layer):
    """Base of layers that only Keras 2 has; their configs are written the way it reads them."""

    in_keras_3: ClassVar[bool] = False

    def get_config(self) -> dict[str, Any]:
        config = {key: _without_newer(value) for key, value in super().get_config().items()}
        return {**config, "dtype": self.dtype}


def _without_newer(value: Any) -> Any:
    if not isinstance(value, dict) or "config" not in value:
        return value
    kept = {key: entry for key, entry in value["config"].items() if key not in _NEWER}
    return {**value, "config": kept}
