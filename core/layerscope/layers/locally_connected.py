"""Convolution with a kernel of its own at every position, over one and two spatial axes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.convolution import _Kernel
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.keras2 import _Keras2Only
from layerscope.layers.layer import Example
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape

#: Lengths of all axes but the batch.
Lengths = tuple[int, ...]


class _LocallyConnected(_Keras2Only, _Kernel):
    """Base of the locally connected layers that differ in the number of spatial axes.

    The implementations compute the same and differ in what shape they keep the kernel in.
    """

    section: ClassVar[str] = "locally_connected"

    implementation: int = field(
        default=1,
        ge=1,
        le=3,
        slider=(1, 3),
        after="bias_constraint",
        help="How the kernel is kept: 1 a matrix for every window, 2 a weight between every input "
        "and every output, of which only those within a window count, 3 a list of those. Only 2 "
        "and 3 can pad.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding != "valid" and self.implementation == 1:
            raise ValueError(
                f"Argument `padding` of {type(self).__name__} must be 'valid' when "
                "`implementation` is 1; 2 and 3 can pad. "
                f"Received: padding={self.padding!r}, implementation=1"
            )

    def build(self, input_shape: Shape) -> None:
        channels = self._check_channels(input_shape)
        if None in self._spatial(input_shape):
            raise ShapeError(
                f"The spatial dimensions of the inputs to {type(self).__name__} should be fully "
                "defined, because every position has its own weights. The input_shape received "
                f"is {input_shape}."
            )
        image, output = _known(input_shape), _known(self.compute_output_shape(input_shape))
        windows = output[1:] if self._channels_first else output[:-1]
        if self.implementation == 1:
            entries = math.prod(self.kernel_size) * channels
            self.kernel = self._new_kernel(math.prod(windows), entries, self.filters)
        elif self.implementation == 2:
            self._places = self._connections(image, output)
            self.kernel = self._new_kernel(*image, *output)
        else:
            # The list is sorted by output first, so that is what the places must be numbered by.
            places = self._connections(image, output, outputs_first=True)
            connected = np.unique(places[places >= 0])
            self._places = np.where(places < 0, -1, np.searchsorted(connected, places))
            self.kernel = self._new_kernel(len(connected))
        self._add_bias(*windows, self.filters)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=dict(enumerate(image, start=1)))

    def _paddings(self, spatial: Lengths) -> list[tuple[int, int]]:
        """Return how many zeros come before and after each spatial axis.

        Unlike those of a convolution, the windows are centred at multiples of the stride.
        """
        if self.padding == "valid":
            return [(0, 0)] * self.rank
        paddings = []
        for length, size, stride in zip(spatial, self.kernel_size, self.strides, strict=True):
            reach = (length - 1) // stride * stride + size - size // 2
            paddings.append((size // 2, max(reach - length, 0)))
        return paddings

    def _pad_width(self, image: Lengths) -> list[tuple[int, int]]:
        if self._channels_first:
            return [(0, 0), *self._paddings(image[1:])]
        return [*self._paddings(image[:-1]), (0, 0)]

    def _connections(
        self, image: Lengths, output: Lengths, outputs_first: bool = False
    ) -> np.ndarray:
        """Number the pairs of an input and an output, as (windows, entries, filters).

        The number is the pair's place in an array of all pairs; it is -1 for entries of a window
        that lie outside the image.
        """
        n_inputs, n_outputs = math.prod(image), math.prod(output)
        cells = np.pad(
            np.arange(n_inputs).reshape(image), self._pad_width(image), constant_values=-1
        )
        first = 1 if self._channels_first else 0
        steps = [slice(None)] * first + [slice(None, None, stride) for stride in self.strides]
        axes = tuple(range(first, first + self.rank))
        windows = np.lib.stride_tricks.sliding_window_view(cells, self.kernel_size, axes)
        windows = windows[tuple(steps)]
        if self._channels_first:
            windows = np.moveaxis(windows, 0, self.rank)
            outputs = np.arange(n_outputs).reshape(self.filters, 1, -1).T
        else:
            windows = np.moveaxis(windows, self.rank, -1)
            outputs = np.arange(n_outputs).reshape(-1, 1, self.filters)
        inputs = windows.reshape(len(outputs), -1, 1)
        numbers = outputs * n_inputs + inputs if outputs_first else inputs * n_outputs + outputs
        return np.where(inputs < 0, -1, numbers)

    def _kernel_per_window(self) -> Any:
        if self.implementation == 1:
            return self.kernel
        weights = ops.take(self.kernel, np.maximum(self._places, 0))
        return weights if self.padding == "valid" else ops.where(self._places < 0, 0.0, weights)

    def _apply_kernels(self, inputs: Any) -> Any:
        if self.padding != "valid":
            inputs = ops.pad(inputs, ((0, 0), *self._pad_width(inputs.shape[1:])))
        x = ops.locally_connected(
            inputs,
            self._kernel_per_window(),
            kernel_size=self.kernel_size,
            strides=self.strides,
            data_format=self.data_format,
        )
        if self.bias is None:
            return x
        return x + (ops.moveaxis(self.bias, -1, 0) if self._channels_first else self.bias)


def _known(shape: Shape) -> Lengths:
    return tuple([length for length in shape[1:] if length is not None])


class LocallyConnected1D(_LocallyConnected):
    """Weighs the windows of a sequence as `Conv1D` does, with a kernel and a bias for each.

    Keras 3 dropped this layer; configs of it load in Keras 2 only.

    Shapes: input (batch, steps, channels), kernel (windows, kernel length * channels, filters),
    bias (windows, filters), output (batch, windows, filters); channels second with
    ``"channels_first"``, where a window is flattened as (channels, kernel length). The kernel is
    (steps, channels, windows, filters) for implementation 2, with the axes of input and output as
    they are laid out, and (connections,) sorted by output, then input, for 3. With ``"same"``
    padding windows are centred at multiples of the stride.
    Source: Keras 2 `LocallyConnected1D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.LocallyConnected1D(16, 3)
    >>> layer.build((None, 8, 4))
    >>> layer.kernel.shape, layer.bias.shape
    ((6, 12, 16), (6, 16))
    """

    rank: ClassVar[int] = 1
    formula: ClassVar[str] = (
        r"y_{ik} = \sigma\Big(b_{ik} + \sum_{u,c} x_{is+u,\,c}\, W_{i,uc,k}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 3, "kernel_size": 2, "activation": "tanh"}, (2, 4, 2)),
        Example(
            {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "implementation": 2},
            (2, 5, 2),
        ),
        Example(
            {
                "filters": 2,
                "kernel_size": 2,
                "padding": "same",
                "data_format": "channels_first",
                "implementation": 3,
            },
            (2, 2, 4),
        ),
    )


class LocallyConnected2D(_LocallyConnected):
    """Weighs the windows of an image as `Conv2D` does, with a kernel and a bias for each.

    Keras 3 dropped this layer; configs of it load in Keras 2 only.

    Shapes: input (batch, height, width, channels), kernel (windows, kernel height * kernel width *
    channels, filters), the windows by rows, bias (rows, columns, filters), output (batch, rows,
    columns, filters); channels second with ``"channels_first"``, where a window is flattened as
    (channels, kernel height, kernel width). The kernel is (height, width, channels, rows, columns,
    filters) for implementation 2, with the axes of input and output as they are laid out, and
    (connections,) sorted by output, then input, for 3. With ``"same"`` padding windows are centred
    at multiples of the stride. Source: Keras 2 `LocallyConnected2D`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.LocallyConnected2D(16, 3)
    >>> layer.build((None, 8, 8, 1))
    >>> layer.kernel.shape, layer.bias.shape
    ((36, 9, 16), (6, 6, 16))
    """

    rank: ClassVar[int] = 2
    formula: ClassVar[str] = (
        r"y_{ijk} = \sigma\Big(b_{ijk} + \sum_{u,v,c} x_{is+u,\,js+v,\,c}\, W_{ij,uvc,k}\Big)"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"filters": 2, "kernel_size": 2, "activation": "tanh"}, (2, 3, 4, 2)),
        Example(
            {"filters": 2, "kernel_size": 2, "strides": 2, "data_format": "channels_first"},
            (2, 2, 4, 5),
        ),
        Example(
            {"filters": 2, "kernel_size": (3, 2), "padding": "same", "implementation": 2},
            (2, 3, 3, 1),
        ),
        Example(
            {"filters": 2, "kernel_size": 2, "strides": (1, 2), "implementation": 3}, (2, 3, 4, 1)
        ),
    )
