"""Attention: each query's mean of values, weighted by how well their keys match it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from layerscope.compiled import attention as loops
from layerscope.compiled import jit, room
from layerscope.compiled import projected_attention as small
from layerscope.ops import shapes
from layerscope.ops.dense import projection
from layerscope.ops.elementwise import where
from layerscope.ops.linalg import matmul
from layerscope.ops.manipulation import cast, repeat, transpose
from layerscope.ops.nn import softmax
from layerscope.ops.operation import operation
from layerscope.ops.shapes import ShapeError
from layerscope.tensor import Shape

Array = Any

#: Multiplications worth sharing, and those of which there are so few that one call does them all.
_SHARED, _FEW = 2**19, 2**20
_SINGLE = np.dtype(np.float32)
#: Weights that are not worth keeping: memory of such a size is mapped anew by every call.
_WEIGHTS_AGAIN = 2**23
#: Axes of query, key and value, and of the kernel and the bias of each of them and of the result.
_RANKS = (3, 3, 3, 3, 2, 3, 2, 3, 2, 3, 1)
#: Score of a key that must not be seen: vanishes beside any other, and stays finite.
_UNSEEN = -1e30
#: No room for weights, or gradients of inputs, that nobody wants.
_NOT_KEPT = np.empty((0, 0, 0, 0), np.float32)
_UNWANTED = np.empty((0, 0, 0), np.float32)


def causal_mask(queries: int, keys: int) -> np.ndarray:
    """Tell which keys, (queries, keys), are not later than each query."""
    return np.tri(queries, keys, dtype=bool)


@operation()
def without_future(scores: Array) -> Array:
    """Return scores, (..., queries, keys), with those of later keys so low that they vanish."""
    return np.where(causal_mask(*scores.shape[-2:]), scores, scores.dtype.type(_UNSEEN))


without_future.gradients(lambda g, out, scores: where(causal_mask(*out.shape[-2:]), g, 0.0))


def _shape(query: Shape, key: Shape, value: Shape, **_: Any) -> Shape:
    weights = shapes.matmul(
        shapes.transpose(query, (0, 2, 1, 3)), shapes.transpose(key, (0, 2, 3, 1))
    )
    by_head = shapes.matmul(weights, shapes.transpose(value, (0, 2, 1, 3)))
    return shapes.transpose(by_head, (0, 2, 1, 3))


@operation(_shape, inputs=3)
def attend(query: Array, key: Array, value: Array, scale: float, mask: Any = None) -> Array:
    """``softmax(scale * q @ k.T) @ v`` for each head, at once; `mask` as the scores."""
    if mask is None and _head_by_head(query, key, value):
        return _attended(query, key, value, scale, _NOT_KEPT)
    return _means(_weights(query, key, scale, mask), value)


@attend.saving
def _attend_saving(
    query: Array, key: Array, value: Array, scale: float, mask: Any = None
) -> tuple[Array, Array]:
    if mask is None and _head_by_head(query, key, value):
        lengths = len(query), query.shape[2], query.shape[1], key.shape[1]
        weights = room.empty(lengths) if math.prod(lengths) < _WEIGHTS_AGAIN else _NOT_KEPT
        return _attended(query, key, value, scale, weights), weights
    weights = _weights(query, key, scale, mask)
    return _means(weights, value), weights


def _head_by_head(*arrays: Array) -> bool:
    """Tell whether the compiled loop is for such arrays."""
    return jit.ENABLED and all(array.dtype == np.float32 and array.size for array in arrays)


def _tasks(query: Array, value: Array) -> int:
    batch, queries, heads, features = query.shape
    keys, values = value.shape[1], value.shape[3]
    shared = batch * heads * queries * keys * (features + values) >= _SHARED
    return min(batch * heads, 64) if shared else 1


def _attended(query: Array, key: Array, value: Array, scale: float, weights: Array) -> Array:
    """Return the means of the values; the weights are written, unless there is no room for any."""
    out = room.empty((*query.shape[:3], value.shape[3]))
    given = (np.ascontiguousarray(one) for one in (query, key, value))
    loops.attend(_tasks(query, value), *given, np.float32(scale), weights, out)
    return out


def _weights(
    query: Array,
    key: Array,
    scale: float,
    mask: Any,
    bias: Array | None = None,
    is_causal: bool = False,
) -> Array:
    """Return the weights, (batch, heads, queries, keys), of arrays or of tensors."""
    scores = _by_head(query * scale, key)
    if bias is not None:
        scores = scores + cast(bias, scores.dtype)
    if mask is not None:
        scores = where(mask, scores, _UNSEEN)
    return softmax(without_future(scores) if is_causal else scores)


def _by_head(queries: Array, keys: Array) -> Array:
    """Return the products of all queries and keys, (batch, heads, queries, keys)."""
    columns = transpose(keys, (0, 2, 3, 1))
    if type(columns) is np.ndarray:
        # A product with a transposed matrix takes longer than transposing it first.
        columns = np.ascontiguousarray(columns)
    return matmul(transpose(queries, (0, 2, 1, 3)), columns)


def _means(weights: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return ``weights @ value`` for each head, (batch, queries, heads, features).

    The products are written where they belong: nothing is copied to put the heads behind.
    """
    shape = (len(value), weights.shape[2], *value.shape[2:])
    out = np.empty(shape, np.result_type(weights, value))
    np.matmul(weights, value.transpose(0, 2, 1, 3), out=out.transpose(0, 2, 1, 3))
    return out


@attend.joint_gradient
def _attend_gradient(
    g: Array,
    out: Array,
    query: Array,
    key: Array,
    value: Array,
    scale: float,
    mask: Any = None,
    *,
    saved: Any,
    wanted: Sequence[bool],
) -> tuple[Array | None, ...]:
    plain = type(out) is np.ndarray
    if plain and mask is None and _head_by_head(query, key, value, g):
        given = [np.ascontiguousarray(one) for one in (g, query, key, value)]
        found = tuple(room.empty_like(one) for one in given[1:])
        loops.attend_gradient(_tasks(query, value), *given, np.float32(scale), saved, *found)
        return found
    # What was kept does not know where it came from, which a second derivative needs.
    weights = saved if plain and saved.size else _weights(query, key, scale, mask)
    means = _means if plain else _means_of_tensors
    slope = softmax.vjps[0]
    assert slope is not None
    scores = slope(_by_head(g, value), weights, weights) * scale
    if mask is not None:
        scores = where(mask, scores, 0.0)
    for_query, for_key, for_value = wanted
    return (
        means(scores, key) if for_query else None,
        means(transpose(scores, (0, 1, 3, 2)), query) if for_key else None,
        means(transpose(weights, (0, 1, 3, 2)), g) if for_value else None,
    )


# Written with operations.
attend.first_order_only = False


def _means_of_tensors(weights: Array, value: Array) -> Array:
    return transpose(matmul(weights, transpose(value, (0, 2, 1, 3))), (0, 2, 1, 3))


def _heads_shape(query: Shape, key: Shape, value: Shape, *weights: Shape, **_: Any) -> Shape:
    return (*query[:2], *weights[-1])


@operation(_heads_shape, inputs=None)
def projected_attention(
    query: Array, key: Array, value: Array, *weights: Array, scale: float
) -> Array:
    """`projection` of all three, `attend`, and `projection` of what the heads give, as one step.

    Parameters
    ----------
    query, key, value : (batch, places, features).
    weights : kernel and bias for query, key, value and result.
    scale : factor on the scores.
    """
    if few := _outputs_of_few((query, key, value, *weights), scale):
        return few[0]
    means = attend.forward(*_projected(projection.forward, (query, key, value), weights), scale)
    return projection.forward(means, *weights[6:], summed=2)


@functools.lru_cache(256)
def _written_for_few(*lengths: tuple[int, ...]) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of all that `small.attention_outputs` writes for inputs of such shapes.

    None if it is not for them: it is for few multiplications, and what does not fit it would read
    beyond.
    """
    if tuple(map(len, lengths)) != _RANKS:
        return None
    query, key, value, query_kernel, query_bias, key_kernel, key_bias, *others = lengths
    value_kernel, value_bias, kernel, bias = others
    batch, queries, keys = *query[:2], key[1]
    of_query, of_value = query_kernel[1:], value_kernel[1:]
    fit = (
        key[:2] == value[:2] == (batch, keys)
        and (query_kernel[0], key_kernel[0], value_kernel[0]) == (query[2], key[2], value[2])
        and key_kernel[1:] == of_query == query_bias == key_bias
        and of_value == value_bias == kernel[:2]
        and of_query[0] == of_value[0]
        and kernel[2:] == bias
    )
    heads, features = of_query
    products = batch * (
        queries * (math.prod(query_kernel) + math.prod(kernel))
        + keys * (math.prod(key_kernel) + math.prod(value_kernel))
        + queries * keys * heads * (features + of_value[1])
    )
    if not fit or not 0 < products <= _FEW:
        return None
    return (
        (batch, queries, *of_query),
        (batch, keys, *of_query),
        (batch, keys, *of_value),
        (batch, queries, *of_value),
        (batch, heads, queries, keys),
        (batch, queries, *bias),
    )


class _KeptOfFew(NamedTuple):
    """What `small.attention_gradients` needs beside inputs and weights."""

    queries: Array
    keys: Array
    values: Array
    means: Array
    shares: Array


def _outputs_of_few(inputs: Sequence[Array], scale: float) -> tuple[Array, _KeptOfFew] | None:
    """Return the result, and what the gradient needs; None where one call does not do it all."""
    if not jit.ENABLED:
        return None
    for one in inputs:
        if type(one) is not np.ndarray or one.dtype != _SINGLE:
            return None
    lengths = _written_for_few(*[one.shape for one in inputs])
    if lengths is None:
        return None
    given = [np.ascontiguousarray(one) for one in inputs]
    written = [np.empty(shape, np.float32) for shape in lengths]
    small.attention_outputs(np.float32(scale), *given, *written)
    return written[-1], _KeptOfFew(*written[:-1])


def _gradients_of_few(
    g: Array, inputs: Sequence[Array], scale: float, kept: _KeptOfFew, for_inputs: bool
) -> list[Array]:
    """Return the gradients of inputs and weights, given that of the result and what was kept."""
    found = [np.empty(one.shape, np.float32) if for_inputs else _UNWANTED for one in inputs[:3]]
    found += [np.empty(one.shape, np.float32) for one in inputs[3:]]
    given = [np.ascontiguousarray(one, np.float32) for one in (g, *inputs[:3], *inputs[3::2])]
    small.attention_gradients(np.float32(scale), *given, *kept, *found)
    return found


def _projected(
    project: Callable[..., Array], inputs: Sequence[Array], weights: Sequence[Array]
) -> list[Array]:
    """Return query, key and value, each by its kernel and bias."""
    return [project(x, *weights[2 * k : 2 * k + 2]) for k, x in enumerate(inputs)]


@projected_attention.saving
def _projected_attention_saving(
    query: Array, key: Array, value: Array, *weights: Array, scale: float
) -> tuple[Array, tuple[Array, ...]]:
    if few := _outputs_of_few((query, key, value, *weights), scale):
        return few
    projected = _projected(projection.forward, (query, key, value), weights)
    means, shares = _attend_saving(*projected, scale)
    return projection.forward(means, *weights[6:], summed=2), (*projected, means, shares)


@projected_attention.joint_gradient
def _projected_attention_gradient(
    g: Array,
    out: Array,
    *inputs: Array,
    scale: float,
    saved: tuple[Array, ...],
    wanted: Sequence[bool],
) -> list[Array | None]:
    given, weights = inputs[:3], inputs[3:]
    if type(out) is np.ndarray:
        if isinstance(saved, _KeptOfFew):
            return _gradients_of_few(g, inputs, scale, saved, any(wanted[:3]))
        *projected, means, shares = saved
    else:
        # What was kept does not know where it came from, which a second derivative needs.
        projected = _projected(projection, given, weights)
        means, shares = attend(*projected, scale=scale), None
    back = projection.joint_vjp
    assert back is not None
    g, *for_result = back(g, out, means, *weights[6:], 2, wanted=(True, *wanted[9:]))
    slopes = _attend_gradient(g, means, *projected, scale, saved=shares, wanted=(True,) * 3)
    for_given: list[Array | None] = []
    for_weights: list[Array | None] = []
    for k, (x, result, slope) in enumerate(zip(given, projected, slopes, strict=True)):
        own = slice(2 * k, 2 * k + 2)
        wants = (wanted[k], *wanted[3:][own])
        for_x, *found = back(slope, result, x, *weights[own], wanted=wants)
        for_given.append(for_x)
        for_weights += found
    return [*for_given, *for_weights, *for_result]


projected_attention.first_order_only = False


def dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Array:
    """Scaled dot-product attention: ``softmax(scale * q @ k.T + bias) @ v`` for each head.

    A query that may see no key at all sees every one alike. Source: Vaswani et al. 2017; heads that
    share keys: Ainslie et al. 2023.

    Parameters
    ----------
    query : (batch, queries, heads, features).
    key : (batch, keys, key heads, features); each of the key heads serves equally many heads.
    value : (batch, keys, key heads, value features).
    bias : added to the scores, broadcast to (batch, heads, queries, keys).
    mask : True where a query may see a key, broadcast to the same shape.
    scale : factor on the scores, ``1 / sqrt(features)`` for None.
    is_causal : whether a query sees no key that is later than itself.
    flash_attention : whether to compute on a graphics card, which must not be True here.
    attn_logits_soft_cap : must be None, as in Keras wherever it does not run on a TPU.

    Returns
    -------
    (batch, queries, heads, value features).

    Raises
    ------
    ShapeError
        If an input does not have four axes, the heads do not share the key heads evenly, or lengths
        that must be the same are not.
    ValueError
        If `attn_logits_soft_cap` is given.
    RuntimeError
        If `flash_attention` is True.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> query, key = np.zeros((1, 2, 1, 4)), np.ones((1, 2, 1, 4))
    >>> value = np.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    >>> ls.ops.dot_product_attention(query, key, value, is_causal=True).ravel()
    array([0. , 0.5])
    """
    _refuse_hardware(flash_attention, attn_logits_soft_cap)
    groups = _queries_per_key(query, key, value)
    if groups > 1:
        key, value = repeat(key, groups, axis=2), repeat(value, groups, axis=2)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    alike = query.shape[0] == key.shape[0] == value.shape[0]
    known = mask is None or isinstance(mask, np.ndarray)
    if alike and known and bias is None and not is_causal:
        return attend(query, key, value, scale=scale, mask=mask)
    return _means_of_tensors(_weights(query, key, scale, mask, bias, is_causal), value)


def _refuse_hardware(flash_attention: bool | None, soft_cap: float | None) -> None:
    if flash_attention:
        raise RuntimeError(
            "Flash attention is not supported: it needs a graphics card, and Layerscope computes "
            f"on the processor. Pass None or False. Received: flash_attention={flash_attention!r}"
        )
    if soft_cap is not None:
        raise ValueError(
            "Argument `attn_logits_soft_cap` is only supported on a TPU and must be None. "
            f"Received: attn_logits_soft_cap={soft_cap!r}"
        )


def _queries_per_key(query: Array, key: Array, value: Array) -> int:
    """Return how many heads of queries share each head of keys."""
    problem = None
    if not len(query.shape) == len(key.shape) == len(value.shape) == 4:
        problem = "`dot_product_attention` only supports 4D inputs."
    elif key.shape[2] != value.shape[2] or query.shape[2] % key.shape[2]:
        problem = "The number of heads of `query` must be a multiple of that of `key` and `value`."
    elif _differ(key.shape[1], value.shape[1]):
        problem = "There must be as many places in `key` as in `value`."
    elif _differ(query.shape[3], key.shape[3]):
        problem = "There must be as many features in `query` as in `key`."
    if problem is not None:
        raise ShapeError(
            f"{problem} Received: query.shape={query.shape}, key.shape={key.shape}, "
            f"value.shape={value.shape}"
        )
    return query.shape[2] // key.shape[2]


def _differ(one: int | None, other: int | None) -> bool:
    """Tell whether two lengths are known to be different."""
    return one != other and None not in (one, other)
