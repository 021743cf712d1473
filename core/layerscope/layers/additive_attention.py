"""Attention by the sums of queries and keys."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import ops
from layerscope.configurable import field
from layerscope.layers.attention import Attention
from layerscope.layers.layer import Example
from layerscope.random import Seed, check_seed
from layerscope.tensor import Shape


class AdditiveAttention(Attention):
    """Gives each query the mean of the values, weighted by the tanh of query plus key.

    Inputs, masks and the arguments of a call are those of `Attention`.

    Shapes: inputs (batch, queries, features), (batch, values, channels) and
    (batch, values, features), scale (features,); output (batch, queries, channels), weights
    (batch, queries, values). Source: Bahdanau et al. 2014; Keras `AdditiveAttention`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.AdditiveAttention()
    >>> layer.compute_output_shape([(None, 3, 4), (None, 5, 4)])
    (None, 3, 4)
    """

    formula: ClassVar[str] = r"y = \mathrm{softmax}\Big(\sum_c s_c \tanh(q_c + k_c)\Big) \, v"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, [(2, 3, 4), (2, 5, 4)]),
        Example({"use_scale": False}, [(2, 3, 4), (2, 5, 2), (2, 5, 4)]),
        Example({"dropout": 0.3, "seed": 0}, [(2, 2, 3), (2, 4, 3)]),
    )
    #: The sum is the only way to compare, and therefore no argument.
    score_mode: Any = "additive"

    use_scale: bool = field(
        default=True, help="Whether to multiply by a learned scale for each feature."
    )
    dropout: float = field(
        default=0.0,
        ge=0,
        le=1,
        slider=(0, 0.9),
        help="Fraction of the weights to zero while training.",
    )
    seed: Seed = field(
        default=None, converter=check_seed, kw_only=True, help="Makes the zeros repeatable."
    )

    def build(self, input_shape: list[Shape]) -> None:
        self._check_inputs(input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform"
            )

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Return how well each query matches each key, (batch, queries, keys)."""
        heights = ops.tanh(self._sums(query, key))
        return ops.sum(heights if self.scale is None else heights * self.scale, axis=-1)
