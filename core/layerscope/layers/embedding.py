"""Whole numbers as learned vectors."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.low_rank import _LowRankAdapted
from layerscope.tensor import Shape

_WHOLE = (np.dtype(np.int32), np.dtype(np.int64))


class Embedding(_LowRankAdapted):
    """Looks up a learned vector for every whole number.

    Numbers must be below `input_dim`; negative ones count from the end, real ones are cut off.
    With `mask_zero` the number 0 stands for a step that is not there. With a `lora_rank` the
    vectors are frozen and a product of two small weights is added to them.

    Shapes: input (batch, ...), embeddings (input_dim, output_dim), output
    (batch, ..., output_dim). Source: Keras `Embedding`; low-rank adaptation: Hu et al. 2021.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> layer = ls.layers.Embedding(3, 2, weights=np.array([[0, 0], [1, 2], [3, 4]]))
    >>> layer(np.array([[2, 1]]))
    array([[[3., 4.],
            [1., 2.]]], dtype=float32)
    """

    section: ClassVar[str] = "embedding"
    formula: ClassVar[str] = r"y_{\dots} = E_{x_{\dots}}"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"input_dim": 6, "output_dim": 3}, (2, 4), integers=6),
        Example({"input_dim": 4, "output_dim": 2, "mask_zero": True}, (3, 2, 2), integers=4),
        Example({"input_dim": 5, "output_dim": 1}, (3,), integers=5),
        Example({"input_dim": 4, "output_dim": 3, "lora_rank": 2}, (2, 3), integers=4),
    )
    _adapted: ClassVar[str] = "embeddings"
    _positional: ClassVar[dict[str, str]] = {"lora_rank": "weights", "lora_alpha": "lora_rank"}

    input_dim: int = field(
        ge=1,
        slider=(1, 1000),
        help="How many vectors there are: the largest number plus one.",
        refusal="`input_dim` must be a positive integer. Received: input_dim={value}",
    )
    output_dim: int = field(
        ge=1,
        slider=(1, 64),
        help="Length of each vector.",
        refusal="`output_dim` must be a positive integer. Received: output_dim={value}",
    )
    embeddings_initializer: initializers.Initializer = field(
        default="uniform", converter=initializers.get, help="First values of the vectors."
    )
    embeddings_regularizer: regularizers.Regularizer | None = field(
        default=None, converter=regularizers.get, help="Penalty on the vectors."
    )
    embeddings_constraint: constraints.Constraint | None = field(
        default=None,
        converter=constraints.get,
        help="Projection of the vectors after each step.",
    )
    mask_zero: bool = field(
        default=False, help="Whether 0 marks steps to mask, and is no number of its own."
    )
    weights: Any = field(
        default=None, help="First values of the vectors, as an array instead of an initializer."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supports_masking = self.mask_zero
        given, self._weights = self._weights, None
        if given is not None:
            self.build()
            self.set_weights(given if isinstance(given, list) and len(given) == 1 else [given])

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        rest = super()._accept_legacy_arguments(unknown)
        if rest.pop("input_length", None) is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=4)
        return rest

    def build(self, input_shape: Any = None) -> None:
        self._embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self._adapt_when_asked()

    @property
    def embeddings(self) -> Any:
        """The vectors, with what low-rank adaptation adds to them."""
        return self._effective()

    def call(self, inputs: Any) -> Any:
        numbers = inputs if inputs.dtype in _WHOLE else ops.cast(inputs, "int32")
        try:
            return ops.take(self.embeddings, numbers, axis=0)
        except IndexError:
            raise self._out_of_range(ops.convert_to_numpy(numbers)) from None

    def _out_of_range(self, numbers: np.ndarray) -> IndexError:
        beyond = numbers[(numbers >= self.input_dim) | (numbers < -self.input_dim)]
        return IndexError(
            f"Layer '{self.name}' has no vector for {int(beyond[0])}: with "
            f"input_dim={self.input_dim} numbers must be from {-self.input_dim} to "
            f"{self.input_dim - 1}, negative ones counting from the end."
        )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["weights"]
        return config
