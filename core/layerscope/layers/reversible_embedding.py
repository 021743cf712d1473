"""Whole numbers as learned vectors, and vectors as scores of whole numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.embedding import Embedding
from layerscope.layers.layer import Example
from layerscope.masks import set_keras_mask
from layerscope.tensor import KerasTensor, Shape


class ReversibleEmbedding(Embedding):
    """Looks up a vector for every whole number, or with ``reverse=True`` scores the numbers.

    The scores of a vector are its products with all the vectors of the table, or with those of a
    second table. There is no bias.

    Shapes: input (batch, ...), embeddings (input_dim, output_dim), output (batch, ..., output_dim);
    reversed: input (batch, ..., output_dim), output (batch, ..., input_dim).
    Source: Press & Wolf 2016; Keras `ReversibleEmbedding`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> table = np.array([[1, 0], [0, 2], [3, 3]])
    >>> layer = ls.layers.ReversibleEmbedding(3, 2, weights=table)
    >>> layer(np.array([[1.0, 1.0]]), reverse=True)
    array([[1., 2., 6.]], dtype=float32)
    """

    formula: ClassVar[str] = r"y_{\dots} = E_{x_{\dots}},\quad x_{\dots} = y_{\dots} E^\top"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"input_dim": 6, "output_dim": 3}, (2, 4), integers=6),
        Example({"input_dim": 4, "output_dim": 2, "mask_zero": True}, (3, 2, 2), integers=4),
        Example({"input_dim": 5, "output_dim": 2, "logit_soft_cap": 3.0}, (3,), integers=5),
    )

    tie_weights: bool = field(
        default=True,
        after="output_dim",
        help="Whether the table to score with is that of the vectors, not another one.",
    )
    reverse_dtype: Literal["float32", "float64"] | None = field(
        default=None,
        after="mask_zero",
        help="Type to compute the scores in; None: the layer's.",
    )
    logit_soft_cap: float | None = field(
        default=None,
        after="reverse_dtype",
        gt=0,
        slider=(1, 50),
        help="Bound c that scores s approach, as c tanh(s / c); None: no bound.",
    )

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            outputs = super().call(inputs)
            set_keras_mask(outputs, super().compute_mask(inputs))
            return outputs
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        if self.reverse_dtype is not None:
            inputs, kernel = (ops.cast(one, self.reverse_dtype) for one in (inputs, kernel))
        scores = ops.matmul(inputs, kernel)
        if self.logit_soft_cap is None:
            return scores
        return ops.tanh(scores / self.logit_soft_cap) * self.logit_soft_cap

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        # `call` knows whether the inputs are numbers, of which zero may stand for nothing.
        return None

    def compute_output_shape(self, input_shape: Shape, reverse: bool = False) -> Shape:
        if reverse:
            return (*input_shape[:-1], self.input_dim)
        return super().compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> KerasTensor:
        dtype = (self.reverse_dtype if reverse else None) or self.compute_dtype
        return KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype)
