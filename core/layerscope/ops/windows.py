"""Where the windows of a convolution lie, for one to three spatial axes.

Everything is done with three axes: those that are missing come first and have length 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from layerscope.compiled import patches as compiled_patches
from layerscope.ops import layout, shapes

Array = Any
Triple = tuple[int, int, int]

#: Index that gives an array of so many axes three spatial ones, and what takes surplus ones away
#: from a volume for so many; sooner done than to work out a shape.
_ADDING = {rank + 2: (slice(None), *(None,) * (3 - rank)) for rank in (1, 2, 3)}
_REMOVING = {rank: (slice(None), *(0,) * (3 - rank)) for rank in (1, 2, 3)}

# Patches larger than this are made for a part of the batch at a time.
_PATCH_BYTES = 32 * 2**20


def volume(x: Array, data_format: str | None) -> Array:
    """Return `x` as (batch, depth, height, width, channels)."""
    return layout.channels_last(x, data_format)[_ADDING[x.ndim]]


def plane(x: Array) -> Array:
    """Return a volume of one plane, C-contiguous, without that axis."""
    return np.ascontiguousarray(x).reshape(len(x), *x.shape[2:])


def restore(x: Array, rank: int, data_format: str | None) -> Array:
    """Return a volume with its first `rank` spatial axes only, in the layout asked for."""
    return layout.restore_format(x[_REMOVING[rank]], data_format)


def filters(kernel: Array) -> Array:
    """Return a kernel with three axes of its size."""
    return kernel.reshape((1,) * (5 - kernel.ndim) + kernel.shape)


def check_padding(padding: str, *valid: str) -> None:
    """Raise if `padding` is not one of those in `valid`.

    Raises
    ------
    ValueError
        With what is valid.
    """
    if padding not in valid:
        raise ValueError(
            f"Argument `padding` must be one of {', '.join(map(repr, valid))}. "
            f"Received: padding={padding!r}"
        )


def _triple(values: Sequence[int | None]) -> Triple:
    first, second, third = (1,) * (3 - len(values)) + tuple(int(one or 0) for one in values)
    return first, second, third


# Told apart by identity: tables are looked up by it in every call.
@dataclass(frozen=True, eq=False)
class Windows:
    """Windows over a volume.

    Attributes
    ----------
    spatial : lengths of the volume.
    out : number of windows along each axis.
    size : entries of a window along each axis.
    strides : distance between windows.
    dilation : distance between the entries of a window.
    pads : zeros before and after each axis.
    """

    spatial: Triple
    out: Triple
    size: Triple
    strides: Triple
    dilation: Triple
    pads: tuple[tuple[int, int], ...]

    @classmethod
    def over(
        cls,
        spatial: Sequence[int],
        size: Sequence[int],
        strides: Any,
        padding: str,
        dilation_rate: Any,
    ) -> Windows:
        """Windows that a convolution slides over a volume."""
        rank = len(spatial)
        stride, dilation = layout.per_axis(strides, rank), layout.per_axis(dilation_rate, rank)
        return cls._over(tuple(spatial), tuple(size), stride, padding, dilation)

    @classmethod
    @lru_cache(maxsize=256)
    def _over(cls, spatial: Any, size: Any, stride: Any, padding: str, dilation: Any) -> Windows:
        out = shapes.windows(spatial, size, stride, padding, dilation)
        pads = [
            shapes.window_padding(length, size_, stride_, padding, dilation_)
            for length, size_, stride_, dilation_ in zip(
                spatial, size, stride, dilation, strict=True
            )
        ]
        return cls._completed(tuple(spatial), out, size, stride, dilation, tuple(pads))

    @classmethod
    def transposed(
        cls,
        spatial: Sequence[int],
        size: Sequence[int],
        strides: Any,
        padding: str,
        output_padding: Any,
        dilation_rate: Any,
    ) -> Windows:
        """Windows of which each entry of an input with lengths `spatial` spreads one."""
        rank = len(spatial)
        stride, dilation = layout.per_axis(strides, rank), layout.per_axis(dilation_rate, rank)
        out = shapes.transposed_windows(spatial, size, stride, padding, output_padding, dilation)
        pads = [
            shapes.transposed_padding(length, int(out_ or 0), size_, stride_, padding, dilation_)
            for length, out_, size_, stride_, dilation_ in zip(
                spatial, out, size, stride, dilation, strict=True
            )
        ]
        return cls._completed(out, tuple(spatial), tuple(size), stride, dilation, tuple(pads))

    @classmethod
    @lru_cache(maxsize=1024)
    def _completed(
        cls, spatial: Any, out: Any, size: Any, strides: Any, dilation: Any, pads: Any
    ) -> Windows:
        """Give the axes that are missing length 1; there is one of equal ones."""
        return cls(
            spatial=_triple(spatial),
            out=_triple(out),
            size=_triple(size),
            strides=_triple(strides),
            dilation=_triple(dilation),
            pads=((0, 0),) * (3 - len(pads)) + tuple(pads),
        )

    @cached_property
    def count(self) -> int:
        """How many windows there are in a sample."""
        return math.prod(self.out)

    @property
    def steps(self) -> tuple[int, ...]:
        """Strides and dilation, as the compiled loops take them."""
        return *self.strides, *self.dilation

    @property
    def pointwise(self) -> bool:
        """Whether the patches are the volume itself."""
        # The transpose may be asked for a longer volume than the windows reach.
        return self.size == self.strides == (1, 1, 1) and self.out == self.spatial

    def parts(self, x: Array) -> list[slice]:
        """Parts of the batch whose patches fit in memory."""
        per_sample = self.count * np.prod(self.size) * x.shape[-1] * x.itemsize
        step = max(1, int(_PATCH_BYTES // max(per_sample, 1)))
        return [slice(start, min(start + step, len(x))) for start in range(0, len(x), step)]

    def pad(self, x: Array) -> Array:
        """Volume with zeros around it, C-contiguous."""
        if any(any(pad) for pad in self.pads):
            x = np.pad(x, ((0, 0), *self.pads, (0, 0)))
        return np.ascontiguousarray(x)

    def empty_padded(self, n: int, channels: int, dtype: Any) -> Array:
        """Zeros in the shape that `pad` gives."""
        lengths = [length + sum(pad) for length, pad in zip(self.spatial, self.pads, strict=True)]
        return np.zeros((n, *lengths, channels), dtype)

    def crop(self, x: Array) -> Array:
        """Volume without what `pad` put around it."""
        inside = [
            slice(before, before + length)
            for length, (before, _) in zip(self.spatial, self.pads, strict=True)
        ]
        return x[:, inside[0], inside[1], inside[2]]

    def patches(self, x: Array) -> Array:
        """Windows of `x` as (batch, *out, *size, channels)."""
        out = (len(x), *self.out, *self.size, x.shape[-1])
        if self.pointwise:
            return x.reshape(out)
        patches = np.empty(out, x.dtype)
        compiled_patches.gather_patches(self.pad(x), patches, *self.steps)
        return patches

    def sum_patches(self, patches: Array) -> Array:
        """Sum of the windows where they overlap: the transpose of `patches`."""
        n, channels = len(patches), patches.shape[-1]
        if self.pointwise:
            return patches.reshape(n, *self.spatial, channels)
        out = self.empty_padded(n, channels, patches.dtype)
        compiled_patches.scatter_patches(np.ascontiguousarray(patches), out, *self.steps)
        return self.crop(out)
