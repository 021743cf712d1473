"""Attention between learned projections, in several heads at once."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import constraints, initializers, regularizers
from layerscope.configurable import field
from layerscope.layers import heads
from layerscope.layers.einsum_dense import EinsumDense, partial_shape
from layerscope.layers.heads import _Heads, check_places
from layerscope.layers.layer import Example
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed
from layerscope.tensor import Shape


def _positive(name: str, or_none: str = "") -> str:
    return (
        f"Received an invalid value for argument `{name}`, expected a positive integer{or_none}. "
        f"Received: {name}={{value!r}}"
    )


def _output_shape(value: Any) -> Any:
    return partial_shape(value) if value or value == 0 else None


def _attention_axes(value: Any) -> Any:
    axes = (value,) if isinstance(value, int) else value
    if axes is None or axes in ((), []):
        return None
    if not isinstance(axes, (list, tuple)) or not all(isinstance(axis, int) for axis in axes):
        raise ValueError(
            f"`attention_axes` must be an int, list, or tuple. Received: attention_axes={value!r}"
        )
    return tuple(axes)


class MultiHeadAttention(_Heads):
    """Lets every place of a query gather what it needs from the places of a value.

    Each head projects query, value and key, weights the values by the softmax of scaled products of
    queries and keys, and the heads' results are projected together. It is called as
    ``layer(query, value, key=value)``. A call also takes an `attention_mask`, True where a query
    may see a key, the masks of the inputs, `use_causal_mask`, which hides later keys, and
    `return_attention_scores`, which gives the weights as a second output.

    Shapes: query (batch, queries, features), value (batch, keys, channels), output
    (batch, queries, features) or with `output_shape` in place of the features, weights
    (batch, heads, queries, keys). There may be more axes; `attention_axes` says which are places.
    Source: Vaswani et al. 2017; gate: Qiu et al. 2025; Keras `MultiHeadAttention`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.MultiHeadAttention(num_heads=2, key_dim=8)
    >>> layer.compute_output_shape((None, 10, 16), (None, 7, 12))
    (None, 10, 16)
    """

    formula: ClassVar[str] = (
        r"y = \sum_h \mathrm{softmax}\Big(\frac{q_h k_h^\top}{\sqrt{d}}\Big) v_h W_h^o + b"
    )
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"num_heads": 2, "key_dim": 3}, [(2, 3, 4), (2, 5, 4)]),
        Example(
            {
                "num_heads": 2,
                "key_dim": 2,
                "value_dim": 3,
                "use_bias": False,
                "output_shape": 5,
                "sliding_window": 2,
                "use_gate": True,
                "dropout": 0.3,
                "seed": 0,
            },
            [(2, 3, 4), (2, 4, 3), (2, 4, 2)],
        ),
        Example(
            {"num_heads": 1, "key_dim": 2, "attention_axes": (2,)}, [(2, 2, 3, 4), (2, 2, 4, 4)]
        ),
    )
    _positional: ClassVar[dict[str, str]] = {"activity_regularizer": "bias_regularizer"}

    num_heads: int = field(
        ge=1, slider=(1, 8), help="Number of heads.", refusal=_positive("num_heads")
    )
    key_dim: int = field(
        ge=1,
        slider=(1, 64),
        help="Features of each head's queries and keys.",
        refusal=_positive("key_dim"),
    )
    value_dim: int | None = field(
        default=None,
        ge=1,
        slider=(1, 64),
        help="Features of each head's values; None: `key_dim`.",
        refusal=_positive("value_dim", " or `None`"),
    )
    dropout: float = heads.DROPOUT
    use_bias: bool = heads.USE_BIAS
    output_shape: tuple[int | None, ...] | None = field(
        default=None,
        converter=_output_shape,
        help="Lengths of the output in place of the features; None: those of the query.",
    )
    attention_axes: tuple[int, ...] | None = field(
        default=None,
        converter=_attention_axes,
        help="Axes along which places are; None: all between batch and features.",
    )
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
        if self.value_dim is None:
            self.value_dim = self.key_dim
        self._scale = heads.scale_of(self.key_dim)

    def build(  # type: ignore[override]
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_places(query_shape, value_shape, key_shape)
        self._axes = self._attended(len(query_shape))
        # As in Keras, which keeps what it found.
        self.attention_axes = self._axes
        for_keys, for_values = (self.num_heads, self.key_dim), (self.num_heads, self.value_dim)
        self._query_dense = self._project("query", query_shape, for_keys)
        self._key_dense = self._project("key", key_shape, for_keys)
        if self.use_gate:
            self._gate_dense = self._project("gate", query_shape, for_values, activation="sigmoid")
        self._value_dense = self._project("value", value_shape, for_values)
        self._output_dense = self._project(
            "attention_output",
            (*query_shape[:-1], *for_values),
            self._output_shape or (query_shape[-1],),
            summed=2,
        )

    def _attended(self, rank: int) -> tuple[int, ...]:
        """Return the axes along which places are, counted from the start.

        Raises
        ------
        ShapeError
            If one is the batch, the features or not there.
        """
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(axis if axis >= 0 else rank + axis for axis in self.attention_axes)
        if not all(0 < axis < rank - 1 for axis in axes) or len(set(axes)) != len(axes):
            raise ShapeError(
                "`attention_axes` must be different axes between batch and features, of which an "
                f"input with {rank} axes has {rank - 2}. "
                f"Received: attention_axes={self.attention_axes}"
            )
        return axes

    @property
    def query_dense(self) -> EinsumDense:
        """What makes queries of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """What makes keys of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """What makes values of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """What makes the output of what the heads give."""
        return self._output_dense

    def _penalize(self, outputs: Any) -> None:
        """Leave the penalty to the projections, which as in Keras have it each."""

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        check_places(query_shape, value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))
