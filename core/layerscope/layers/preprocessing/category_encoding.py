"""Whole numbers as vectors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.category_codes import encode_categories, encoded_shape
from layerscope.layers.preprocessing.data_layer import _DataLayer, sparse_field
from layerscope.tensor import KerasTensor, Shape


def _as_mode(value: Any) -> Any:
    # What earlier versions called it.
    return "multi_hot" if value == "binary" else value


class CategoryEncoding(_DataLayer):
    """Encodes whole numbers: a one for each, or which of them a sample holds, or how often.

    Shapes: input (batch, length) of whole numbers in ``[0, num_tokens)``, output
    (batch, num_tokens); for ``"one_hot"`` (batch, length, num_tokens), without an axis of length
    one. Source: Keras `CategoryEncoding`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.CategoryEncoding(4, output_mode="count")([[0, 3, 3]])
    array([[1., 0., 0., 2.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y_k = [k \in x]"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"num_tokens": 5}, (3, 4), integers=5),
        Example({"num_tokens": 4, "output_mode": "one_hot"}, (2, 3), integers=4),
        Example({"num_tokens": 4, "output_mode": "count"}, (2, 6), integers=4),
    )

    num_tokens: int = field(
        default=None,
        ge=1,
        slider=(1, 50),
        help="How many different numbers there are.",
        refusal="`num_tokens` must be >= 1. Received: num_tokens={value!r}.",
    )
    output_mode: Literal["multi_hot", "one_hot", "count"] = field(
        default="multi_hot",
        converter=_as_mode,
        help="What the vectors hold.",
        refusal="Unknown arg for output_mode: {value}. Expected 'multi_hot', 'one_hot' or 'count'. "
        "Received: output_mode={value!r}",
    )
    sparse: bool = sparse_field()

    def __post_init__(self) -> None:
        if self.num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known "
                "beforehand, use the IntegerLookup layer instead. Received: num_tokens=None"
            )

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                "`count_weights` is not used when `output_mode` is not `'count'`. "
                f"Received: count_weights={count_weights}"
            )
        indices = ops.convert_to_numpy(inputs).astype("int64")
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_tokens):
            raise ValueError(
                "Input values must be in the range 0 <= values < num_tokens with "
                f"num_tokens={self.num_tokens}. Received values from {indices.min()} to "
                f"{indices.max()}."
            )
        weights = None
        if count_weights is not None:
            weights = np.asarray(ops.convert_to_numpy(count_weights), self.dtype)
        return encode_categories(indices, self.output_mode, self.num_tokens, self.dtype, weights)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse"]
        return config
