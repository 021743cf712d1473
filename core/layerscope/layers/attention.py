"""Attention by the products of queries and keys, without weights of its own to make them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from layerscope import ops, random
from layerscope.configurable import field
from layerscope.layers.layer import Example, Layer
from layerscope.layers.masked import follows
from layerscope.ops.attention import causal_mask
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed, SeedGenerator, check_seed
from layerscope.structure import is_shape
from layerscope.tensor import KerasTensor, Shape

#: Subtracted from the score of a key that must not be seen; Keras's value for these types.
_FAR = 1e9


class Attention(Layer):
    """Gives each query the mean of the values, weighted by how well their keys match it.

    The inputs are a list, ``[query, value]`` or ``[query, value, key]``; without keys the values
    are compared with. A call takes ``mask=[query_mask, value_mask]``, of which the first zeroes
    outputs and the second hides values, `return_attention_scores`, which gives the weights as a
    second output, and `use_causal_mask`, which hides the values after each query's place.

    Shapes: inputs (batch, queries, features), (batch, values, channels) and
    (batch, values, features); output (batch, queries, channels), weights (batch, queries, values).
    Source: Luong et al. 2015; Keras `Attention`.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> query, value = np.zeros((1, 1, 2)), np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> ls.layers.Attention()([query, value])
    array([[[2., 3.]]], dtype=float32)
    """

    section: ClassVar[str] = "attention"
    formula: ClassVar[str] = r"y = \mathrm{softmax}(q k^\top) \, v"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, [(2, 3, 4), (2, 5, 4)]),
        Example({"use_scale": True, "dropout": 0.3, "seed": 0}, [(2, 3, 4), (2, 5, 2), (2, 5, 4)]),
        Example({"use_scale": True, "score_mode": "concat"}, [(2, 2, 3), (2, 4, 3)]),
    )

    use_scale: bool = field(default=False, help="Whether to multiply by a learned scale.")
    score_mode: Literal["dot", "concat"] = field(
        default="dot",
        help="How a query and a key are compared: their product, or the sum over the tanh of their "
        "sum.",
        refusal="Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}. "
        "Received: score_mode={value}",
    )
    dropout: float = field(
        default=0.0,
        ge=0,
        le=1,
        slider=(0, 0.9),
        help="Fraction of the weights to zero while training.",
    )
    seed: Seed = field(default=None, converter=check_seed, help="Makes the zeros repeatable.")

    def __post_init__(self) -> None:
        if self.dropout > 0:
            seed = self.seed
            self.seed_generator = seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)

    # --- weights -----------------------------------------------------------------------------

    def build(self, input_shape: list[Shape]) -> None:
        self._check_inputs(input_shape)
        self.scale = self.concat_score_weight = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )

    def _check_inputs(self, inputs: Any, mask: Any = None) -> None:
        name = type(self).__name__
        if not isinstance(inputs, list) or is_shape(inputs):
            raise ShapeError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or "
                f"[query, value, key]. Received: inputs={inputs}."
            )
        if len(inputs) not in (2, 3):
            raise ShapeError(
                f"{name} layer accepts inputs list of length 2 or 3, namely [query, value] or "
                f"[query, value, key]. Received length: {len(inputs)}."
            )
        if mask is not None and not isinstance(mask, list):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. "
                f"Received: mask={mask}."
            )
        if mask is not None and len(mask) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts mask list of length 2 or 3. Received: mask={mask}."
            )

    # --- calling -----------------------------------------------------------------------------

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_inputs(inputs, mask)
        query, value, key = self._triple(inputs)
        query_mask, value_mask = mask[:2] if mask else (None, None)
        scores = self._calculate_scores(query, key)
        scores_mask = self._calculate_score_mask(scores, value_mask, use_causal_mask)
        outputs, weights = self._apply_scores(scores, value, scores_mask, training)
        if query_mask is not None:
            outputs = ops.where(ops.expand_dims(query_mask, -1), outputs, 0.0)
        return (outputs, weights) if return_attention_scores else outputs

    @staticmethod
    def _triple(inputs: list[Any]) -> tuple[Any, Any, Any]:
        """Return query, value and key."""
        return inputs[0], inputs[1], inputs[-1]

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Return how well each query matches each key, (batch, queries, keys)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        sums = self._sums(query, key)
        if self.scale is not None:
            sums = sums * self.scale
        return self.concat_score_weight * ops.sum(ops.tanh(sums), axis=-1)

    @staticmethod
    def _sums(query: Any, key: Any) -> Any:
        """Return the sum of each query and each key, (batch, queries, keys, features)."""
        return ops.expand_dims(query, -2) + ops.expand_dims(key, -3)

    def _calculate_score_mask(self, scores: Any, v_mask: Any, use_causal_mask: bool) -> Any:
        """Return where a query may see a value, None for everywhere."""
        if not use_causal_mask:
            return v_mask
        earlier = causal_mask(*scores.shape[-2:])[None]
        return earlier if v_mask is None else ops.logical_and(ops.expand_dims(v_mask, -2), earlier)

    def _apply_scores(
        self, scores: Any, value: Any, scores_mask: Any = None, training: bool | None = False
    ) -> tuple[Any, Any]:
        """Return the weighted means of the values, and the weights that the scores make."""
        if scores_mask is not None:
            if len(scores_mask.shape) == 2:
                scores_mask = ops.expand_dims(scores_mask, -2)
            scores = ops.where(scores_mask, scores, scores - _FAR)
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.matmul(weights, value), weights

    # --- shapes and masks --------------------------------------------------------------------

    @follows
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]
        self._check_inputs(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        self._check_inputs(input_shape)
        query, value = input_shape[:2]
        return (*query[:-1], value[-1])

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_inputs(inputs, mask)
        query, value, key = (one.shape for one in self._triple(inputs))
        outputs = KerasTensor(self.compute_output_shape([query, value, key]), self.compute_dtype)
        if not return_attention_scores:
            return outputs
        return outputs, KerasTensor((*query[:-1], key[-2]), self.compute_dtype)
