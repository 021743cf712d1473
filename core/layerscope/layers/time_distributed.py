"""One layer applied to every step of a sequence."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, ClassVar

from layerscope import ops
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.lambda_layer import Lambda
from layerscope.layers.layer import Example, Layer
from layerscope.layers.wrapper import Wrapper
from layerscope.ops.shapes import ShapeError
from layerscope.plain_data import is_built_in
from layerscope.structure import leaves, map_shapes, map_structure
from layerscope.tensor import KerasTensor, Shape


@cache
def _takes(cls: type[Layer], argument: str) -> bool:
    return argument in inspect.signature(cls.call).parameters


def _treats_samples_alone(layer: Layer, training: bool | None) -> bool:
    """Tell whether a larger batch changes nothing for a sample, whatever is inside `layer`.

    While training, a layer that asks for the phase may have statistics of the batch or random
    numbers for it.
    """
    inner = layer._flatten_layers()
    alone = all(
        is_built_in(type(one))
        and not isinstance(one, Lambda)
        and not getattr(one, "stateful", False)
        and one.activity_regularizer is None
        for one in inner
    )
    phases = [one for one in inner if not one._sublayers() and _takes(type(one), "training")]
    return alone and not (training and phases)


class TimeDistributed(Wrapper):
    """Applies one layer to every step of a sequence, with the same weights.

    The layer is given the mask of each step if it takes one. What it keeps from call to call, such
    as moving averages, changes with every step.

    Shapes: input (batch, steps, ...), output (batch, steps, ...) with what the layer makes of
    (batch, ...) behind the steps. Source: Keras `TimeDistributed`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.TimeDistributed(ls.layers.Conv2D(4, 3))
    >>> layer.compute_output_shape((None, 5, 8, 8, 3))
    (None, 5, 6, 6, 4)
    """

    formula: ClassVar[str] = r"y_t = f(x_t)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"layer": {"class_name": "Dense", "config": {"units": 3}}}, (2, 4, 5)),
        Example(
            {"layer": {"class_name": "Conv1D", "config": {"filters": 2, "kernel_size": 2}}},
            (2, 3, 4, 2),
        ),
        Example({"layer": {"class_name": "BatchNormalization", "config": {}}}, (4, 2, 3)),
    )

    def __post_init__(self) -> None:
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        super().build(_of_one_step(input_shape))
        spec = self.layer.input_spec
        if isinstance(spec, InputSpec) and spec.axes:
            axes = {axis if axis < 0 else axis + 1: length for axis, length in spec.axes.items()}
            self.input_spec = InputSpec(axes=axes)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        _of_one_step(inputs.shape)
        if mask is not None:
            _check_mask(tuple(mask.shape), tuple(inputs.shape))
            mask = mask if _takes(type(self.layer), "mask") else None
        if _treats_samples_alone(self.layer, training):
            return self._in_one_call(inputs, mask)
        return self._step_by_step(inputs, mask)

    def _in_one_call(self, inputs: Any, mask: Any) -> Any:
        """Apply the layer once, to all steps of all samples as one batch."""
        batch, steps = inputs.shape[:2]

        def joined(value: Any) -> Any:
            return ops.reshape(value, (batch * steps, *value.shape[2:]))

        outputs = self._apply(joined(inputs), None if mask is None else joined(mask))
        return map_structure(
            lambda value: ops.reshape(value, (batch, steps, *value.shape[1:])), outputs
        )

    def _step_by_step(self, inputs: Any, mask: Any) -> Any:
        outputs = [
            self._apply(inputs[:, step], None if mask is None else mask[:, step])
            for step in range(inputs.shape[1])
        ]
        joined = iter(
            [ops.stack(values, axis=1) for values in zip(*map(leaves, outputs), strict=True)]
        )
        return map_structure(lambda _: next(joined), outputs[0])

    def _apply(self, inputs: Any, mask: Any) -> Any:
        return self.layer(inputs) if mask is None else self.layer(inputs, mask=mask)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        outputs = self.layer.compute_output_shape(_of_one_step(input_shape))
        return map_shapes(lambda shape: (shape[0], input_shape[1], *shape[1:]), outputs)

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        shape = self.compute_output_shape(inputs.shape)
        return map_shapes(lambda one: KerasTensor(one, self.compute_dtype), shape)


def _of_one_step(input_shape: Any) -> Shape:
    """Return the shape of one step of a sequence.

    Raises
    ------
    ShapeError
        If a step would have no axis beside the batch.
    """
    if len(input_shape) < 3 or any(isinstance(one, (list, tuple)) for one in input_shape):
        raise ShapeError(
            "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
            f"received: {input_shape}"
        )
    return (input_shape[0], *input_shape[2:])


def _check_mask(mask: Shape, inputs: Shape) -> None:
    if len(mask) < 2:
        raise ShapeError(
            "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., "
            f"`(batch_size, timesteps)`), but it has {len(mask)} dimension(s) with shape {mask}."
        )
    if any(
        None not in pair and pair[0] != pair[1] for pair in zip(mask[:2], inputs[:2], strict=True)
    ):
        raise ShapeError(
            f"The `mask` passed to the `TimeDistributed` layer has a shape {mask} that is "
            f"incompatible with the input shape {inputs}. The first two dimensions of the mask "
            "must be those of the input: the batch size and the number of steps. Expected mask "
            f"shape prefix: ({inputs[0]}, {inputs[1]})."
        )
