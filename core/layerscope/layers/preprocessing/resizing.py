"""Images of another size."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.config import DataFormat
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.layout import data_format_field
from layerscope.layers.preprocessing.image_layer import _ImageLayer, like


class _ImagesOfSize(_ImageLayer):
    """Base of layers whose images have a size that is an argument."""

    height: int = field(ge=1, slider=(1, 64), help="Height of the result, in pixels.")
    width: int = field(ge=1, slider=(1, 64), help="Width of the result, in pixels.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, dict):
            return {
                key: shape if key == "labels" else self.compute_output_shape(shape)
                for key, shape in input_shape.items()
            }
        shape = list(input_shape)
        if len(shape) not in (3, 4):
            raise ValueError(
                "`input_shape` must be of size 3 (unbatched) or 4 (batched). "
                f"Received: input_shape={input_shape}"
            )
        shape[self._height_axis], shape[self._width_axis] = self.height, self.width
        return tuple(shape)

    def _cut(self, images: Any, top: int, left: int, height: int, width: int) -> Any:
        """Return a part of a batch of images."""
        window = (slice(top, top + height), slice(left, left + width))
        before = (slice(None),) * (4 + self._height_axis)
        return images[(*before, *window)]

    def _cut_to_shape(self, images: Any) -> Any:
        """Return the largest centred part that has the proportions wanted, in the size wanted."""
        return ops.image.resize(
            images,
            (self.height, self.width),
            crop_to_aspect_ratio=True,
            data_format=self.data_format,
        )


class Resizing(_ImagesOfSize):
    """Resizes images, in training and at inference.

    Shapes: input (batch, h, w, channels) or one image, output (batch, height, width, channels);
    channels before height with ``"channels_first"``. Whole numbers remain such.
    Source: Keras `Resizing`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.Resizing(1, 2)(np.arange(8.0).reshape(1, 2, 4, 1)).ravel()
    array([2.5, 4.5], dtype=float32)
    """

    keeps_type = True
    formula: ClassVar[str] = r"y_{p,q} = \sum_{i,j} k(i - i_p)\,k(j - j_q)\,x_{i,j}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"height": 3, "width": 5}, (2, 4, 4, 2)),
        Example({"height": 2, "width": 3, "interpolation": "bicubic", "antialias": True},
                (2, 5, 4, 1)),
        Example({"height": 3, "width": 3, "pad_to_aspect_ratio": True, "fill_value": 0.5},
                (2, 4, 6, 1)),
        Example({"height": 3, "width": 3, "crop_to_aspect_ratio": True,
                 "data_format": "channels_first"}, (2, 1, 4, 6)),
    )  # fmt: skip

    interpolation: Literal["bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"] = field(
        default="bilinear", help="How the pixels in between are made."
    )
    crop_to_aspect_ratio: bool = field(
        default=False, help="Whether to keep the proportions by leaving out what is too much."
    )
    pad_to_aspect_ratio: bool = field(
        default=False, help="Whether to keep the proportions by a margin."
    )
    fill_mode: Literal["constant"] = field(default="constant", help="What the margin is made of.")
    fill_value: float = field(default=0.0, help="Value of the margin.")
    antialias: bool = field(default=False, help="Whether to smooth before an image shrinks.")
    data_format: DataFormat | None = data_format_field()

    def __post_init__(self) -> None:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError(
                "Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`. "
                "Received: pad_to_aspect_ratio=True, crop_to_aspect_ratio=True"
            )

    def _resized(self, images: Any, interpolation: str) -> Any:
        resized = ops.image.resize(
            ops.cast(images, self.dtype),
            (self.height, self.width),
            interpolation=interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return like(images, resized)

    def _transform(self, images: Any, transformation: Any) -> Any:
        return self._resized(images, self.interpolation)

    def _at_inference(self, images: Any) -> Any:
        return self._resized(images, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Resize masks without mixing their classes."""
        return self._each(lambda masks: self._resized(masks, "nearest"), segmentation_masks)


class CenterCrop(_ImagesOfSize):
    """Cuts the middle out of images; smaller ones are cut to the proportions and enlarged.

    Shapes: input (batch, h, w, channels) or one image, output (batch, height, width, channels);
    channels before height with ``"channels_first"``. Source: Keras `CenterCrop`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> ls.layers.CenterCrop(1, 2)(np.arange(12.0).reshape(1, 3, 4, 1)).ravel()
    array([5., 6.], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{i,j} = x_{i+u,\ j+v},\ u = \lfloor\tfrac{H-h}{2}\rfloor"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"height": 2, "width": 3}, (2, 4, 6, 2)),
        Example({"height": 5, "width": 3}, (2, 4, 4, 1)),
        Example({"height": 2, "width": 2, "data_format": "channels_first"}, (2, 1, 3, 5)),
    )

    data_format: DataFormat | None = data_format_field()

    def _transform(self, images: Any, transformation: Any) -> Any:
        height, width = self._lengths(images.shape)
        down, across = height - self.height, width - self.width
        if down < 0 or across < 0:
            return self._cut_to_shape(images)
        return self._cut(images, down // 2, across // 2, self.height, self.width)

    def _at_inference(self, images: Any) -> Any:
        return self._transform(images, None)

    def _transform_masks(self, masks: Any, transformation: Any) -> Any:
        return self._transform(masks, None)
