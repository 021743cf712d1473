"""What layers share that change the spatial axes and leave batch and channels alone."""

from __future__ import annotations

from typing import ClassVar

from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Layer
from layerscope.tensor import Shape


class _Spatial(Layer):
    """Base of layers over (batch, spatial axes, channels), or channels second.

    Attributes
    ----------
    rank : number of spatial axes.
    """

    rank: ClassVar[int]

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first_axis(self) -> int:
        """First spatial axis; sequences without a `data_format` have their channels last."""
        return 2 if getattr(self, "data_format", None) == "channels_first" else 1

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(self._first_axis, self._first_axis + self.rank))

    def _output_lengths(self, lengths: Shape) -> Shape:
        """Return the spatial lengths of the output, given the input's."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.input_spec.check(input_shape, 0, self.name)
        start, stop = self._first_axis, self._first_axis + self.rank
        lengths = self._output_lengths(input_shape[start:stop])
        return (*input_shape[:start], *lengths, *input_shape[stop:])
