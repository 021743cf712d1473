"""Combinations of categories without a vocabulary."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.category_codes import encode_categories
from layerscope.layers.preprocessing.data_layer import _DataLayer, bare_config, sparse_field
from layerscope.layers.preprocessing.hashes import concatenated_fingerprint, fingerprint64
from layerscope.layers.preprocessing.hashing import dtype_field, result_type
from layerscope.layers.preprocessing.words import text_array
from layerscope.structure import is_shape, leaves, map_structure
from layerscope.tensor import KerasTensor, Shape

#: TensorFlow's key for the hash of what is crossed.
_KEY = 0xDECAFCAFFE


class HashedCrossing(_DataLayer):
    """Puts combinations of words or whole numbers into buckets by their hash.

    Shapes: two or more inputs of one shape, (batch,) or (batch, 1); output the same, for
    ``"one_hot"`` (batch, num_bins).
    Source: Keras `HashedCrossing`: FarmHash's fingerprints, concatenated.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.HashedCrossing(num_bins=5)
    >>> layer([np.array(["A", "B", "A"]), np.array([101, 101, 102])])
    array([1, 4, 3])
    """

    takes_text: ClassVar[bool] = True
    formula: ClassVar[str] = r"y = h(x_1, x_2) \bmod n"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"num_bins": 5}, [(4,), (4,)], integers=20),
        Example({"num_bins": 5, "output_mode": "one_hot"}, [(4, 1), (4, 1)], words=("a", "bc")),
    )
    _positional: ClassVar[dict[str, str]] = {"name": "sparse", "dtype": "name"}

    num_bins: int = field(
        ge=1,
        slider=(1, 50),
        help="Number of buckets.",
        refusal="`num_bins` must be a positive integer. Received: num_bins={value!r}",
    )
    output_mode: Literal["int", "one_hot"] = field(
        default="int", help="Numbers of buckets, or vectors with an entry per bucket."
    )
    sparse: bool = sparse_field()
    dtype: str = dtype_field()

    def __post_init__(self) -> None:
        self.dtype = result_type(self.dtype, self.output_mode)  # pyright: ignore

    def _as_data(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)):
            return inputs
        return [one if hasattr(one, "shape") else np.asarray(one) for one in inputs]

    def call(self, inputs: Any) -> Any:
        shape = self._common_shape([one.shape for one in _several(inputs)])
        columns = [_parts(ops.convert_to_numpy(one)) for one in inputs]
        indices = np.array([self._bucket(parts) for parts in zip(*columns, strict=True)], "int64")
        return encode_categories(
            indices.reshape(shape), self.output_mode, self.num_bins, self.dtype
        )

    def _bucket(self, parts: tuple[int, ...]) -> int:
        result = _KEY
        for part in parts:
            result = concatenated_fingerprint(result, part)
        return result % self.num_bins

    def _common_shape(self, shapes: list[Any]) -> Any:
        first = shapes[0]
        if len(first) > 2 or (len(first) == 2 and first[-1] != 1):
            raise ValueError(
                "All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or "
                f"`(batch_size, 1)`. Received: input shapes {shapes}"
            )
        if any(shape != first for shape in shapes):
            raise ValueError(
                f"All `HashedCrossing` inputs should have equal shape. Received: shapes {shapes}"
            )
        return first

    def compute_output_shape(self, input_shape: Any) -> Shape:
        if is_shape(input_shape):
            raise ValueError(
                f"Expected as input a list/tuple of 2 tensors. Received: input_shape={input_shape}"
            )
        shape = self._common_shape([tuple(one) for one in input_shape])
        if self.output_mode == "int":
            return shape
        return (*shape[:1], self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        shapes = map_structure(lambda one: one.shape, _several(inputs))
        return KerasTensor(self.compute_output_shape(shapes), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return bare_config(super().get_config())


def _several(inputs: Any) -> Any:
    if not isinstance(inputs, (list, tuple)):
        raise ValueError(
            "`HashedCrossing` should be called on a list or tuple of inputs. "
            f"Received: inputs={inputs!r}"
        )
    if len(inputs) < 2:
        raise ValueError(
            f"`HashedCrossing` should be called on at least two inputs. Received: inputs={inputs}"
        )
    return leaves(inputs)


def _parts(column: np.ndarray) -> list[int]:
    """Return what is crossed of each entry: a whole number itself, a word's fingerprint."""
    if column.dtype.kind in "iu":
        return [int(one) % 2**64 for one in column.ravel()]
    if column.dtype.kind not in "SUO":
        raise ValueError(
            "All `HashedCrossing` inputs should have an integer or string dtype. "
            f"Received: an input of dtype {column.dtype}"
        )
    return [fingerprint64(word.encode()) for word in text_array(column).ravel().tolist()]
