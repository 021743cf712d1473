"""Attention in which several heads of queries share a head of keys and values."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers import heads
from layerscope.layers.heads import _Heads, check_places
from layerscope.layers.input_spec import InputSpec
from layerscope.layers.layer import Example
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed
from layerscope.tensor import Shape


class GroupedQueryAttention(_Heads):
    """Lets every place of a query gather from a value, with fewer heads of keys than of queries.

    It is called as `MultiHeadAttention` is, and computes the same with as many heads of keys as of
    queries. Keras calls it `GroupQueryAttention`, which is a name for it here too.

    Shapes: query (batch, queries, features), value and key (batch, keys, features), output
    (batch, queries, features), weights (batch, query heads, queries, keys).
    Source: Ainslie et al. 2023; gate: Qiu et al. 2025; Keras `GroupQueryAttention`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.GroupQueryAttention(8, num_query_heads=4, num_key_value_heads=2)
    >>> layer.compute_output_shape((None, 10, 16), (None, 7, 16))
    (None, 10, 16)
    """

    keras_name: ClassVar[str | None] = "GroupQueryAttention"
    aliases: ClassVar[tuple[str, ...]] = ("GroupQueryAttention",)
    formula: ClassVar[str] = (
        r"y = \sum_h \mathrm{softmax}\Big(\frac{q_h k_{g(h)}^\top}{\sqrt{d}}\Big) v_{g(h)} W_h^o"
        r" + b,\quad g(h) = \Big\lfloor \frac{h \, n_k}{n_q} \Big\rfloor"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, [(2, 3, 4), (2, 5, 4)]
        ),
        Example(
            {
                "head_dim": 2,
                "num_query_heads": 2,
                "num_key_value_heads": 1,
                "use_bias": False,
                "use_gate": True,
                "dropout": 0.3,
                "seed": 0,
            },
            [(2, 3, 4), (2, 4, 4), (2, 4, 2)],
        ),
        Example(
            {
                "head_dim": 2,
                "num_query_heads": 2,
                "num_key_value_heads": 2,
                "sliding_window": 2,
            },
            [(2, 4, 3), (2, 4, 3)],
        ),
    )
    _positional: ClassVar[dict[str, str]] = {"activity_regularizer": "bias_regularizer"}

    head_dim: int = field(ge=1, slider=(1, 64), help="Features of each head.")
    num_query_heads: int = field(ge=1, slider=(1, 8), help="Number of heads of queries.")
    num_key_value_heads: int = field(
        ge=1, slider=(1, 8), help="Number of heads of keys and values, which the others share."
    )
    dropout: float = heads.DROPOUT
    use_bias: bool = heads.USE_BIAS
    sliding_window: int | None = heads.SLIDING_WINDOW
    flash_attention: bool | None = heads.FLASH_ATTENTION
    kernel_initializer: initializers.Initializer = heads.KERNEL_INITIALIZER
    bias_initializer: initializers.Initializer = heads.BIAS_INITIALIZER
    kernel_regularizer: regularizers.Regularizer | None = heads.KERNEL_REGULARIZER
    bias_regularizer: regularizers.Regularizer | None = heads.BIAS_REGULARIZER
    kernel_constraint: constraints.Constraint | None = heads.KERNEL_CONSTRAINT
    bias_constraint: constraints.Constraint | None = heads.BIAS_CONSTRAINT
    use_gate: bool = heads.USE_GATE
    seed: Seed = heads.SEED

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                "`num_query_heads` must be divisible by `num_key_value_heads`. Received: "
                f"num_query_heads={self.num_query_heads}, "
                f"num_key_value_heads={self.num_key_value_heads}"
            )
        self.num_repeats = self.num_query_heads // self.num_key_value_heads
        self._scale = heads.scale_of(self.head_dim)
        self.input_spec = InputSpec(ndim=3)

    def build(  # type: ignore[override]
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self.compute_output_shape(query_shape, value_shape, key_shape)
        own, shared = (
            (count, self.head_dim) for count in (self.num_query_heads, self.num_key_value_heads)
        )
        self._query_dense = self._project("query", query_shape, own)
        self._key_dense = self._project("key", key_shape, shared)
        if self.use_gate:
            self._gate_dense = self._project("gate", query_shape, own, activation="sigmoid")
        self._value_dense = self._project("value", value_shape, shared)
        self._output_dense = self._project(
            "attention_output", (*query_shape[:-1], *own), (query_shape[-1],), summed=2
        )

    def _per_query_head(self, projected: Any) -> Any:
        return ops.repeat(projected, self.num_repeats, axis=2)

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        if query_shape[-1] != value_shape[-1]:
            raise ShapeError(
                "The last dimension of `query_shape` and `value_shape` must be equal, but are "
                f"{query_shape[-1]}, {value_shape[-1]}. Received: "
                f"query_shape={tuple(query_shape)}, value_shape={tuple(value_shape)}"
            )
        check_places(query_shape, value_shape, value_shape if key_shape is None else key_shape)
        return tuple(query_shape)
