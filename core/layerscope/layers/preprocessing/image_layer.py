"""What layers that change images share: one image or many, alone or with what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerscope import ops, random
from layerscope.config import DataFormat, standardize_data_format
from layerscope.configurable import field
from layerscope.layers.preprocessing.data_layer import _DataLayer
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed, SeedGenerator, check_seed
from layerscope.structure import is_shape
from layerscope.tensor import KerasTensor, Shape

#: What a layer draws for the images of one call; None where there is nothing to draw.
Transformation = Any


def overridable(converter: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a converter so that type checkers let a class declare its argument anew."""
    return {"converter": converter}


def seed_field() -> Any:
    """Declare the argument `seed`, in its place behind others."""
    return field(default=None, converter=check_seed, help="Makes the changes repeatable.")


class _ImageLayer(_DataLayer):
    """Base of layers that change images, in training unless a layer says otherwise.

    As in Keras, a call that does not say whether it is training is taken to be.

    A layer draws what is random in `_draw` and computes in `_transform`, both for batches. It may
    be called on a dict of ``images`` and the ``labels`` and ``segmentation_masks`` that belong to
    them; geometry is done to masks too, without mixing their classes.
    """

    #: Whether whole numbers remain such, instead of becoming real ones.
    keeps_type = False

    data_format: DataFormat | None = field(
        default=None,
        kw_only=True,
        help="Where the channels are; None: the ambient setting.",
        **overridable(standardize_data_format),
    )

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        rest = super()._accept_legacy_arguments(unknown)
        if rest.get("bounding_box_format", 0) is None:
            del rest["bounding_box_format"]
        return rest

    @property
    def _height_axis(self) -> int:
        return -2 if self.data_format == "channels_first" else -3

    @property
    def _width_axis(self) -> int:
        return self._height_axis + 1

    @property
    def _channel_axis(self) -> int:
        return -3 if self.data_format == "channels_first" else -1

    def _lengths(self, shape: Shape) -> tuple[Any, Any]:
        """Return height and width."""
        return shape[self._height_axis], shape[self._width_axis]

    # --- what subclasses define ------------------------------------------------------------

    def _draw(self, shape: Any, seed: Any) -> Transformation:
        """Return what is random in the change of a batch of images of a shape."""
        return None

    def _transform(self, images: Any, transformation: Transformation) -> Any:
        """Return a batch of images changed."""
        raise NotImplementedError

    def _at_inference(self, images: Any) -> Any:
        """Return a batch of images as they are when nothing is trained."""
        return images

    def _transform_masks(self, masks: Any, transformation: Transformation) -> Any:
        """Return a batch of segmentation masks changed; colours do not matter to them."""
        return masks

    def _transform_labels(self, labels: Any, transformation: Transformation) -> Any:
        """Return a batch of labels changed."""
        return labels

    # --- Keras's names for the steps -------------------------------------------------------

    def get_random_transformation(
        self, data: Any, training: bool = True, seed: Any = None
    ) -> Transformation:
        """Draw what is random in the change of `data`, None where nothing is changed.

        Raises
        ------
        ValueError
            If the images are neither one nor a batch.
        """
        images = data["images"] if isinstance(data, dict) else data
        shape = _batched_shape(tuple(images.shape))
        if not training:
            return None
        return self._draw(shape, getattr(self, "generator", None) if seed is None else seed)

    def transform_images(
        self, images: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """Change images, one or a batch, as was drawn."""
        if not self.keeps_type or str(images.dtype).startswith("float"):
            images = ops.cast(images, self.dtype)
        if not training:
            return self._each(self._at_inference, images)
        return self._each(self._transform, images, transformation)

    def transform_labels(
        self, labels: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """Change labels, of which the first axis is the batch, as the images were."""
        return self._transform_labels(labels, transformation) if training else labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """Change segmentation masks, of one image or a batch, as the images were."""
        if not training:
            return self._each(self._at_inference, segmentation_masks)
        return self._each(self._transform_masks, segmentation_masks, transformation)

    @staticmethod
    def _each(function: Callable[..., Any], images: Any, *further: Any) -> Any:
        """Apply a function of batches to a batch, or to one image."""
        _batched_shape(tuple(images.shape))
        if len(images.shape) == 4:
            return function(images, *further)
        return ops.squeeze(function(ops.expand_dims(images, 0), *further), 0)

    # --- calling ---------------------------------------------------------------------------

    def call(self, data: Any, training: bool | None = True) -> Any:
        active = training is None or bool(training)
        transformation = self.get_random_transformation(data, training=active)
        if not isinstance(data, dict):
            return self.transform_images(data, transformation, training=active)
        changes = {
            "images": self.transform_images,
            "labels": self._labels_of(data),
            "segmentation_masks": self.transform_segmentation_masks,
        }
        if unknown := data.keys() - changes.keys():
            raise ValueError(
                f"Layer '{self.name}' takes a dict of {', '.join(map(repr, changes))}; bounding "
                f"boxes are not supported. Received: {', '.join(map(repr, sorted(unknown)))}"
            )
        return {
            key: changes[key](value, transformation, training=active) for key, value in data.items()
        }

    def _labels_of(self, data: dict[str, Any]) -> Callable[..., Any]:
        """Return what changes the labels, of a batch or of one image."""
        if len(data["images"].shape) == 4:
            return self.transform_labels

        def alone(labels: Any, *args: Any, **options: Any) -> Any:
            batch = self.transform_labels(ops.expand_dims(labels, 0), *args, **options)
            return ops.squeeze(batch, 0)

        return alone

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {
                key: KerasTensor(value.shape, value.dtype)
                if key == "labels"
                else self.compute_output_spec(value)
                for key, value in data.items()
            }
        shape = self.compute_output_shape(data.shape)
        assert is_shape(shape)
        return KerasTensor(shape, data.dtype if self._keeps(data.dtype) else self.dtype)

    def _keeps(self, dtype: str) -> bool:
        return self.keeps_type and not dtype.startswith("float")


class _RandomImageLayer(_ImageLayer):
    """Base of layers that change images at random, from a generator of their own."""

    seed: Seed = field(
        default=None,
        kw_only=True,
        help="Makes the changes repeatable.",
        **overridable(check_seed),
    )

    def __post_init__(self) -> None:
        seed = self.seed
        self.generator = seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)

    def _uniform(self, shape: Any, limits: Any, seed: Any) -> np.ndarray:
        """Draw numbers between two limits, in the layer's type."""
        low, high = limits
        return random.uniform(shape, float(low), float(high), dtype=self.dtype, seed=seed)

    def _happens(self, batch: int, factor: Any, seed: Any) -> np.ndarray:
        """Draw whether something is done to each image, with a probability that is drawn too."""
        probability = self._uniform((batch,), factor, seed)
        return self._uniform((batch,), (0, 1), seed) < probability


def _batched_shape(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(shape) not in (3, 4):
        raise ShapeError(
            "Expected image tensor to have rank 3 (single image) or 4 (batch of images). "
            f"Received: data.shape={shape}"
        )
    return shape if len(shape) == 4 else (1, *shape)


# --- arguments -------------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    """Tell whether `value` is one number."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def limits_of(
    name: str, low: float, high: float, lenient: bool = True
) -> Callable[[Any], tuple[float, float]]:
    """Return a converter of a factor to its lower and upper limit.

    Parameters
    ----------
    low, high : what a factor must be between; a number stands for itself and its opposite, as far
        as that is allowed.
    lenient : whether limits need only overlap what is allowed.
    """

    def convert(value: Any) -> tuple[float, float]:
        if is_number(value) and low <= value <= high:
            return max(-abs(value), low), abs(value)
        if isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value)):
            outside = value[0] > high or value[1] < low
            if not lenient:
                outside = any(not low <= one <= high for one in value)
            if not outside:
                return min(value), max(value)
        raise ValueError(
            f"The `{name}` argument should be a number (or a list of two numbers) in the range "
            f"[{low}, {high}]. Received: {name}={value}"
        )

    return convert


def value_range_of(value: Any) -> tuple[float, float]:
    """Return the smallest and the largest value that pixels have.

    Raises
    ------
    ValueError
        If it is not two different numbers.
    """
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value))
    if not pair or value[0] == value[1]:
        raise ValueError(
            "The `value_range` argument should be a list of two numbers. "
            f"Received: value_range={value}"
        )
    return min(value), max(value)


def value_range_field(after: str | None = None) -> Any:
    """Declare the argument `value_range`, in its place behind another one of a base class."""
    return field(
        default=(0, 255),
        converter=value_range_of,
        after=after,
        help="Smallest and largest value that pixels have.",
    )


def supported(name: str, *choices: str) -> Callable[[Any], Any]:
    """Return a converter that refuses what is no choice with the error Keras has for it."""

    def convert(value: Any) -> Any:
        if value not in choices:
            raise NotImplementedError(
                f"Unknown `{name}` {value}. Expected of one {choices}. Received: {name}={value!r}"
            )
        return value

    return convert


def rescaled(images: Any, source: Any, target: Any) -> Any:
    """Return values of one range in another."""
    if tuple(source) == tuple(target):
        return images
    unit = (images - source[0]) / (source[1] - source[0])
    return unit * (target[1] - target[0]) + target[0]


def like(images: Any, result: Any) -> Any:
    """Return a result in the type of the images: whole numbers rounded, and within their range."""
    if str(images.dtype).startswith("float"):
        return result
    limits = np.iinfo(str(images.dtype))
    return ops.cast(ops.clip(ops.round(result), limits.min, limits.max), images.dtype)


def for_each_image(values: np.ndarray) -> np.ndarray:
    """Return one value per image in a form that goes with a batch of images."""
    return np.reshape(values, (-1, 1, 1, 1))
