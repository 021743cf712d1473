"""What the attention layers share that compare projections of their inputs, in several heads.

A layer names the arguments below as its own: ``dropout: float = heads.DROPOUT``.
"""

from __future__ import annotations

import functools
import itertools
import math
import string
from typing import Any, ClassVar

import numpy as np

from layerscope import config, constraints, initializers, ops, regularizers
from layerscope.configurable import field
from layerscope.layers.dropout import Dropout
from layerscope.layers.einsum_dense import EinsumDense
from layerscope.layers.layer import Layer
from layerscope.layers.softmax import masked_softmax
from layerscope.ops.attention import causal_mask, projected_attention
from layerscope.ops.shapes import ShapeError
from layerscope.random import Seed, check_seed
from layerscope.tensor import KerasTensor, Shape, Tensor

DROPOUT: Any = field(
    default=0.0,
    ge=0,
    le=1,
    slider=(0, 0.9),
    help="Fraction of the attention weights to zero while training.",
)
USE_BIAS: Any = field(default=True, help="Whether the projections add a learned offset.")
SLIDING_WINDOW: Any = field(
    default=None,
    ge=1,
    slider=(1, 16),
    help="Number of places, its own among them, that a query sees to either side; None: all.",
    refusal="`sliding_window` must be `None` or a positive integer. "
    "Received: sliding_window={value!r}",
)
FLASH_ATTENTION: Any = field(
    default=None, help="Whether to compute on a graphics card; None: where there is one."
)
KERNEL_INITIALIZER: Any = field(
    default="glorot_uniform",
    converter=initializers.get,
    help="First values of the projections' kernels.",
)
BIAS_INITIALIZER: Any = field(
    default="zeros", converter=initializers.get, help="First values of the projections' biases."
)
KERNEL_REGULARIZER: Any = field(
    default=None, converter=regularizers.get, help="Penalty on the projections' kernels."
)
BIAS_REGULARIZER: Any = field(
    default=None, converter=regularizers.get, help="Penalty on the projections' biases."
)
KERNEL_CONSTRAINT: Any = field(
    default=None,
    converter=constraints.get,
    help="Projection of the projections' kernels after each step.",
)
BIAS_CONSTRAINT: Any = field(
    default=None,
    converter=constraints.get,
    help="Projection of the projections' biases after each step.",
)
USE_GATE: Any = field(
    default=False,
    help="Whether to multiply what the heads give by a sigmoid of a projection of the query.",
)
SEED: Any = field(default=None, converter=check_seed, help="Makes the dropout repeatable.")


class _Arguments:
    """Arguments that the layers name, and what they build."""

    dropout: float
    use_bias: bool
    sliding_window: int | None
    flash_attention: bool | None
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: regularizers.Regularizer | None
    bias_regularizer: regularizers.Regularizer | None
    kernel_constraint: constraints.Constraint | None
    bias_constraint: constraints.Constraint | None
    use_gate: bool
    seed: Seed

    #: Axes of query and key that places are counted along.
    _axes: tuple[int, ...] = (1,)
    _scale: float
    _query_dense: EinsumDense
    _key_dense: EinsumDense
    _gate_dense: EinsumDense
    _value_dense: EinsumDense
    _output_dense: EinsumDense


class _Heads(_Arguments, Layer):
    """Base of the layers that project query, value and key, attend, and project what that gives.

    A subclass builds the projections with `_project`, says where it attends by `_axes`, and gives
    the factor on the scores as `_scale`.
    """

    section: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        self.supports_masking = True
        self._flash_attention = self.flash_attention or config.is_flash_attention_enabled()
        if self._flash_attention and self.dropout > 0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to "
                "0.0 to use flash attention. Received: "
                f"flash_attention={self.flash_attention}, dropout={self.dropout}"
            )
        # What is random draws its seed now, so that building later changes nothing.
        self._initializers = {
            name: (_renewed(self.kernel_initializer), _renewed(self.bias_initializer))
            for name in ("query", "key", "gate", "value", "attention_output")
        }
        if self.dropout > 0:
            self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype)

    # --- projections -------------------------------------------------------------------------

    def _project(
        self,
        name: str,
        input_shape: Shape,
        lengths: tuple[int | None, ...],
        summed: int = 1,
        activation: str | None = None,
    ) -> EinsumDense:
        """Return a layer that maps the last axes, as many as are summed over, to new ones."""
        letters = iter(string.ascii_lowercase)
        free, old, new = (
            "".join(itertools.islice(letters, count))
            for count in (len(input_shape) - summed, summed, len(lengths))
        )
        kernel_initializer, bias_initializer = self._initializers[name]
        layer = EinsumDense(
            f"{free}{old},{old}{new}->{free}{new}",
            output_shape=(*[None] * (len(free) - 1), *lengths),
            activation=activation,
            bias_axes=new if self.use_bias else None,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype,
            name=name,
        )
        # The heads heed the masks; that a projection does not is no reason to warn.
        layer.supports_masking = True
        layer.build(input_shape)
        return layer

    # --- calling -----------------------------------------------------------------------------

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        shapes = tuple(query.shape), tuple(value.shape)
        attention_mask = self._compute_attention_mask(
            *shapes, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        if attention_mask is None and not return_attention_scores:
            weights = self._plain_weights(query, key, value)
            if weights is not None:
                return projected_attention(query, key, value, *weights, scale=self._scale)
        # A subclass need not know of what it is not asked for.
        options = {"return_attention_scores": True} if return_attention_scores else {}
        outputs, scores = self._compute_attention(
            self._query_dense(query),
            self._per_query_head(self._key_dense(key)),
            self._per_query_head(self._value_dense(value)),
            attention_mask,
            training,
            **options,
        )
        if self.use_gate:
            outputs = outputs * self._gate_dense(query)
        outputs = self._output_dense(outputs)
        return (outputs, scores) if return_attention_scores else outputs

    def _plain_weights(self, query: Any, key: Any, value: Any) -> list[Any] | None:
        """Return what `projected_attention` is given if that is all a call does."""
        kind = type(self)
        if (
            kind._compute_attention is not _Heads._compute_attention
            or kind._per_query_head is not _Heads._per_query_head
            or self.dropout > 0
            or self.use_gate
            or self._flash_attention
            or key.shape[:-1] != value.shape[:-1]
        ):
            return None
        weights: list[Any] = []
        denses = self._query_dense, self._key_dense, self._value_dense, self._output_dense
        for dense, summed in zip(denses, (1, 1, 1, 2), strict=True):
            found = dense._projection(summed) if isinstance(dense, EinsumDense) else None
            if found is None:
                return None
            weights += found
        batch = query.shape[0]
        for x, variable in zip((query, key, value), weights[::2], strict=False):
            array, kernel = x.value if type(x) is Tensor else x, variable.value
            if (
                type(array) is not np.ndarray
                or array.dtype != kernel.dtype
                or array.ndim != 3
                or array.shape[::2] != (batch, len(kernel))
            ):
                return None
        return weights

    def _per_query_head(self, projected: Any) -> Any:
        """Return keys or values with as many heads as the queries have."""
        return projected

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Any]:
        """Return the means of the values for each head and the weights, None unless wanted.

        Override it to attend in another way. The inputs are projected, with axes for heads and
        features at their end.
        """
        if self._flash_attention and return_attention_scores:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. "
                "Please disable flash attention to access attention scores. Received: "
                f"return_attention_scores={return_attention_scores}"
            )
        if use_causal_mask:
            earlier = self._of_places("use_causal_mask", query.shape, key.shape, causal_mask)
            attention_mask = _all_of(earlier, attention_mask)
        rank = len(query.shape)
        if attention_mask is not None:
            attention_mask = self._for_heads(attention_mask, rank)
        if not (self.dropout > 0 or return_attention_scores or rank != 4):
            outputs = ops.dot_product_attention(
                query,
                key,
                value,
                mask=attention_mask,
                scale=self._scale,
                flash_attention=self._flash_attention,
            )
            return outputs, None
        queries, keys, weights = _letters(rank, self._axes)
        scores = ops.einsum(f"{queries},{keys}->{weights}", query * self._scale, key)
        axes = tuple(range(-len(self._axes), 0))
        if attention_mask is None:
            scores = ops.softmax(scores, axis=axes)
        else:
            scores = masked_softmax(scores, attention_mask, axes)
        used = self._dropout_layer(scores, training=training) if self.dropout > 0 else scores
        return ops.einsum(f"{weights},{keys}->{queries}", used, value), scores

    # --- masks -------------------------------------------------------------------------------

    def _compute_attention_mask(
        self,
        query_shape: Shape,
        value_shape: Shape,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return where all masks let a query see a key, None for everywhere.

        It broadcasts against (batch, queries, keys), or has an axis for the heads before the
        queries, as `attention_mask` may.
        """
        rank = len(query_shape) + 1
        found = [
            self._of_one_side(mask, rank, keys)
            for mask, keys in ((query_mask, False), (value_mask, True), (key_mask, True))
            if mask is not None
        ]
        if use_causal_mask:
            found.append(self._of_places("use_causal_mask", query_shape, value_shape, causal_mask))
        if self.sliding_window is not None:
            near = functools.partial(_within, distance=self.sliding_window)
            found.append(self._of_places("sliding_window", query_shape, value_shape, near))
        if attention_mask is not None:
            found.append(self._for_heads(attention_mask, rank))
        return functools.reduce(_all_of, found, None)

    def _of_one_side(self, mask: Any, rank: int, keys: bool) -> Any:
        """Return a mask of queries or of keys so that it broadcasts against the scores.

        The mask has the first axes of its input; the scores have those that are not attended over,
        the heads, the places of the queries and those of the keys.
        """
        mask = ops.cast(mask, "bool")
        mask = ops.expand_dims(mask, tuple(range(len(mask.shape), rank - 1)))
        beside = [axis for axis in range(rank - 1) if axis not in self._axes]
        mask = ops.transpose(mask, (*beside, *self._axes))
        count = len(self._axes)
        first = len(beside) if keys else rank - 1
        return ops.expand_dims(mask, tuple(range(first, first + count)))

    def _of_places(self, name: str, query_shape: Any, key_shape: Any, rule: Any) -> Any:
        """Return what a rule says of the numbers of queries and keys.

        Raises
        ------
        ShapeError
            If places are not counted along one axis, without which none is earlier or nearer.
        """
        if len(self._axes) != 1:
            raise ShapeError(
                f"Argument `{name}` needs places in one order, but attention is over the axes "
                f"{self._axes}. Received: {name}={getattr(self, name, True)}"
            )
        axis = self._axes[0]
        return rule(query_shape[axis], key_shape[axis])

    def _for_heads(self, mask: Any, rank: int) -> Any:
        """Return a mask with axes before those of the places, for heads and what is beside."""
        mask, places = ops.cast(mask, "bool"), 2 * len(self._axes)
        missing = rank - 1 + len(self._axes) - len(mask.shape)
        # Missing axes go where that of the heads is; a batch stays in front of it.
        place = max(len(mask.shape) - places, 0)
        return ops.expand_dims(mask, tuple(range(place, place + missing))) if missing > 0 else mask

    # --- shapes ------------------------------------------------------------------------------

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> Any:
        raise NotImplementedError

    def compute_output_spec(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        shape = self.compute_output_shape(
            query.shape, value.shape, None if key is None else key.shape
        )
        outputs = KerasTensor(shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        rank = len(query.shape)
        scores = (
            *(query.shape[axis] for axis in range(rank - 1) if axis not in self._axes),
            self._query_dense.compute_output_shape(query.shape)[-2],
            *(query.shape[axis] for axis in self._axes),
            *(value.shape[axis] for axis in self._axes),
        )
        return outputs, KerasTensor(scores, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        # As in Keras: it says where to compute and not what.
        hidden = "flash_attention"
        return {key: value for key, value in super().get_config().items() if key != hidden}


def scale_of(features: int) -> float:
    """Return the factor that keeps products of vectors with so many features near one."""
    return 1 / math.sqrt(features)


def check_places(query_shape: Shape, value_shape: Shape, key_shape: Shape) -> None:
    """Raise unless there is a key for each value, and queries have the same axes.

    Raises
    ------
    ShapeError
        If value and key differ in an axis between batch and features, or the query has more axes
        or fewer.
    """
    if len(query_shape) != len(value_shape):
        raise ShapeError(
            "`query` and `value` must have equally many axes. Received: "
            f"query_shape={tuple(query_shape)} and value_shape={tuple(value_shape)}"
        )
    if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ShapeError(
            "All dimensions of `value` and `key`, except the last one, must be equal. Received: "
            f"value_shape={tuple(value_shape)} and key_shape={tuple(key_shape)}"
        )


def _renewed(initializer: Any) -> Any:
    """Return an initializer that draws numbers of its own, unless a seed fixes them."""
    return initializer.clone() if isinstance(initializer, initializers.Initializer) else initializer


def _all_of(mask: Any, other: Any) -> Any:
    if mask is None or other is None:
        return mask if other is None else other
    return ops.logical_and(mask, other)


def _within(queries: int, keys: int, distance: int) -> Any:
    """Tell which keys are nearer than `distance` places to each query."""
    apart = ops.expand_dims(ops.arange(queries), 1) - ops.arange(keys)
    return ops.abs(apart) < distance


def _letters(rank: int, axes: tuple[int, ...]) -> tuple[str, str, str]:
    """Return the letters of an einsum for queries, for keys or values, and for the weights.

    Queries and keys have the same axes, those for heads and features at the end, of which `axes`
    have lengths of their own.
    """
    queries = string.ascii_lowercase[:rank]
    keys = "".join(string.ascii_uppercase[at] if at in axes else queries[at] for at in range(rank))
    beside = "".join(queries[at] for at in range(rank - 1) if at not in axes)
    places = "".join(letters[at] for letters in (queries, keys) for at in axes)
    return queries, keys, beside + places
