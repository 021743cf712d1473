"""What a layer demands of its input's shape, checked before it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape


@dataclass(frozen=True)
class InputSpec:
    """Demands on one input; None means anything goes.

    Attributes
    ----------
    ndim, min_ndim, max_ndim : number of axes.
    shape : exact shape, None where a length is free.
    axes : length by axis.
    dtype : type of one entry; kept for Keras's sake, inputs are cast.
    """

    dtype: str | None = None
    shape: Shape | None = None
    ndim: int | None = None
    max_ndim: int | None = None
    min_ndim: int | None = None
    axes: dict[int, int | None] | None = None

    def check(self, shape: Shape, index: int, layer_name: str) -> None:
        """Raise if `shape` does not meet the demands.

        Raises
        ------
        ShapeError
            With what was expected and what came.
        """
        rank = len(shape)
        expected_rank = len(self.shape) if self.shape is not None else self.ndim
        problem = ""
        if expected_rank is not None and rank != expected_rank:
            problem = f"expected ndim={expected_rank}, found ndim={rank}"
        elif self.min_ndim is not None and rank < self.min_ndim:
            problem = f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        elif self.max_ndim is not None and rank > self.max_ndim:
            problem = f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if problem:
            raise ShapeError(
                f"Input {index} of layer '{layer_name}' is incompatible with the layer: {problem}. "
                f"Full shape received: {shape}"
            )
        for axis, length in (self.axes or {}).items():
            if length is not None and shape[axis] not in (length, None):
                raise ShapeError(
                    f"Input {index} of layer '{layer_name}' is incompatible with the layer: "
                    f"expected axis {axis} of input shape to have value {length}, but received "
                    f"input with shape {shape}"
                )
        for axis, length in enumerate(self.shape or ()):
            if length is not None and shape[axis] not in (length, None):
                raise ShapeError(
                    f"Input {index} of layer '{layer_name}' is incompatible with the layer: "
                    f"expected shape={self.shape}, found shape={shape}"
                )


def check_inputs(specs: Any, shapes: list[Shape], layer_name: str) -> None:
    """Check every input against its spec.

    Raises
    ------
    ShapeError
        If one does not fit, or their number differs.
    """
    if specs is None:
        return
    specs = list(specs) if isinstance(specs, (list, tuple)) else [specs]
    if len(specs) != len(shapes):
        raise ShapeError(
            f"Layer '{layer_name}' expected {len(specs)} input(s). Received {len(shapes)}: {shapes}"
        )
    for index, (spec, shape) in enumerate(zip(specs, shapes, strict=True)):
        if spec is not None:
            spec.check(shape, index, layer_name)
