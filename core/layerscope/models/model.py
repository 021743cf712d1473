"""A layer made of layers, that can be trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from layerscope.graph import unconnected
from layerscope.layers.layer import Layer
from layerscope.models.summary import summary_html, summary_text
from layerscope.models.training import Trainer
from layerscope.plain_data import serialize_keras_object
from layerscope.saving import model_files
from layerscope.structure import leaves, map_shapes
from layerscope.tensor import KerasTensor


class Model(Trainer, Layer):
    """Layers put together.

    ``Model(inputs, outputs)`` follows symbolic tensors back to the inputs and makes a functional
    model. A subclass creates layers in its constructor and uses them in ``call``.

    Examples
    --------
    >>> import layerscope as ls
    >>> x = ls.Input((4,))
    >>> model = ls.Model(x, ls.layers.Dense(2)(x))
    >>> model.output_shape
    (None, 2)
    """

    #: What ``Model(inputs, outputs)`` makes; `models.functional` sets it.
    _functional: ClassVar[Any]

    if TYPE_CHECKING:

        def __init__(
            self,
            inputs: Any = ...,
            outputs: Any = ...,
            *,
            trainable: bool = ...,
            dtype: Any = ...,
            name: str | None = ...,
        ) -> None: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Model and (args or "inputs" in kwargs or "outputs" in kwargs):
            functional = cls._functional
            return functional.__new__(functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Create a model from what `get_config` returned."""
        if cls is Model and "input_layers" in config:
            return cls._functional.from_config(config, custom_objects)
        return super().from_config(config, custom_objects)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbolic outputs, with their masks, for symbolic inputs."""
        with unconnected():
            return self.call(*args, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, in order."""
        return list(self._sublayers())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by name or by position.

        Raises
        ------
        ValueError
            If there is none, or not exactly one of the arguments is given.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("Provide either a layer name or a layer index, not both.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has "
                    f"{len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}."
        )

    def summary(
        self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None
    ) -> None:
        """Print a table of the layers with output shapes and parameter counts.

        Parameters
        ----------
        line_length : width in characters; default: as wide as the content needs.
        print_fn : what to do with the text; default: print it.
        """
        (print_fn or print)(summary_text(self, line_length))

    def to_json(self, **kwargs: Any) -> str:
        """Return the model's config as JSON; `kwargs` go to ``json.dumps``."""
        return json.dumps(serialize_keras_object(self), **kwargs)

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build for what `get_build_config` returned, by a symbolic call if there is no `build`."""
        if type(self).build is not Layer.build:
            super().build_from_config(config)
            return

        def symbols(shapes: Any) -> Any:
            return map_shapes(lambda shape: KerasTensor(shape, self.dtype), shapes)

        with unconnected():
            if "shapes_dict" in config:
                given = config["shapes_dict"].items()
                self(**{name.removesuffix("_shape"): symbols(shapes) for name, shapes in given})
            else:
                self(symbols(config["input_shape"]))

    def save(self, filepath: model_files.StrPath, overwrite: bool = True) -> None:
        """Write config and weights to a ``.keras`` file; see `layerscope.saving.save_model`."""
        model_files.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: model_files.StrPath, overwrite: bool = True) -> None:
        """Write the weights to a ``.weights.h5`` file; see `layerscope.saving.save_weights`."""
        model_files.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: model_files.StrPath, skip_mismatch: bool = False) -> None:
        """Take the weights of a file; see `layerscope.saving.load_weights`."""
        model_files.load_weights(self, filepath, skip_mismatch)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _repr_html_(self) -> str:
        """Return a notebook's view: the summary, with pictures of the weights."""
        return summary_html(self)

    def _require_layers(self) -> None:
        if not any(isinstance(leaf, Layer) for leaf in leaves(list(self._tracked.values()))):
            raise ValueError(f"Model '{self.name}' has no layers yet.")


def clone_model(model: Model) -> Any:
    """Return a model with the same config, and new weights.

    Examples
    --------
    >>> import layerscope as ls
    >>> model = ls.Sequential([ls.Input((4,)), ls.layers.Dense(2)])
    >>> ls.models.clone_model(model).output_shape
    (None, 2)
    """
    return type(model).from_config(model.get_config())
