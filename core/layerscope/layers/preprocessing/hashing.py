"""Categories without a vocabulary: everything has a bucket."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.config import floatx, standardize_dtype
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.category_codes import encode_categories, encoded_shape
from layerscope.layers.preprocessing.data_layer import _DataLayer, sparse_field
from layerscope.layers.preprocessing.words import (
    bucket_of,
    for_each_different,
    salt_converter,
    text_array,
)
from layerscope.tensor import KerasTensor, Shape


def written(values: np.ndarray) -> np.ndarray:
    """Return what is hashed of numbers and words: a text."""
    if values.dtype.kind in "biuf":
        return values.astype("int64").astype(str)
    return text_array(values)


def dtype_field() -> Any:
    """Declare the argument `dtype`, whose default depends on the argument `output_mode`."""
    return field(
        default=None,
        converter=lambda value: None if value is None else standardize_dtype(value),
        kw_only=True,
        help="Type of the result; None: int64, or the float type for vectors.",
    )


def result_type(dtype: Any, mode: str) -> str:
    """Return the type of numbers or vectors of categories, unless one is given."""
    return standardize_dtype(dtype or ("int64" if mode == "int" else floatx()))


class Hashing(_DataLayer):
    """Puts words or whole numbers into buckets by their hash.

    Shapes: as the input for ``"int"``; one more axis of bins for ``"one_hot"``; the axis of a
    sample gives way to one of bins for ``"multi_hot"`` and ``"count"``.
    Source: Keras `Hashing`: FarmHash's fingerprint, or SipHash with a `salt`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]]).ravel()
    array([1, 0, 1, 1, 2])
    """

    takes_text: ClassVar[bool] = True
    formula: ClassVar[str] = r"y = h(x) \bmod n"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"num_bins": 5}, (3, 2), integers=20),
        Example({"num_bins": 5, "salt": 133, "mask_value": "a"}, (3, 2), words=("a", "b", "cd")),
        Example({"num_bins": 5, "output_mode": "multi_hot"}, (3, 2), words=("a", "b", "cd")),
    )

    num_bins: int = field(
        ge=1,
        slider=(1, 50),
        help="Number of buckets.",
        refusal="The `num_bins` for `Hashing` cannot be `None` or non-positive values. "
        "Received: num_bins={value}.",
    )
    mask_value: Any = field(default=None, help="What has the first bucket for itself; None: none.")
    salt: list[int] | None = field(
        default=None, converter=salt_converter("Hashing"), help="Key of the hash, two integers."
    )
    output_mode: Literal["int", "one_hot", "multi_hot", "count"] = field(
        default="int",
        help="Numbers of buckets, or vectors with an entry per bucket.",
        refusal="Invalid value for argument `output_mode`. Expected one of 'int', 'one_hot', "
        "'multi_hot', 'count'. Received: output_mode={value!r}",
    )
    sparse: bool = sparse_field()
    dtype: str = dtype_field()

    def __post_init__(self) -> None:
        self.dtype = result_type(self.dtype, self.output_mode)  # pyright: ignore
        if self.output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise ValueError(
                "When `output_mode=\"int\"`, `dtype` should be an integer type, 'int32' or "
                f"'int64'. Received: dtype={self.dtype}"
            )

    def call(self, inputs: Any) -> Any:
        values = np.asarray(ops.convert_to_numpy(inputs))
        if self.output_mode == "one_hot" and values.ndim == 1 and values.shape[-1] == 1:
            values = values[0]
        masked = self.mask_value is not None and self.num_bins > 1
        buckets = self.num_bins - masked
        indices = for_each_different(
            lambda word: bucket_of(word, buckets, self.salt), written(values), "int64"
        )
        if masked:
            mask = text_array(values) if values.dtype.kind in "SUO" else values
            indices = np.where(mask == self.mask_value, 0, indices + 1)
        return encode_categories(indices, self.output_mode, self.num_bins, self.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)
