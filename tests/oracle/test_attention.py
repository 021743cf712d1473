"""Attention and einsum layers compute, differentiate and describe themselves as Keras's do."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.masks import get_keras_mask, set_keras_mask
from layerscope.structure import leaves
from oracle.layer_comparison import (
    Arguments,
    Comparison,
    Configuration,
    Draw,
    each_configuration,
)
from oracle.reference import (
    COUNT,
    ON_TORCH,
    choose,
    close,
    generator_of,
    keras,
    low_rank,
    numbers,
    numpy_of,
)

each_index = pytest.mark.parametrize("index", range(COUNT))


# --- configurations --------------------------------------------------------------------------


def parts(generator: np.random.Generator) -> Arguments:
    """Return regularizers, constraints and initializers of kernel and bias."""
    return {
        "kernel_initializer": choose(generator, "glorot_uniform", "he_normal"),
        "bias_initializer": choose(generator, "zeros", "ones"),
        "kernel_regularizer": choose(generator, None, "l2"),
        "bias_regularizer": choose(generator, None, "l1"),
        "activity_regularizer": choose(generator, None, "l2"),
        "kernel_constraint": choose(generator, None, "non_neg"),
        "bias_constraint": choose(generator, None, "max_norm"),
    }


def einsum_dense(generator: np.random.Generator) -> Configuration:
    """Draw an equation: some axes of the input are summed over, some stay, new ones come."""
    letters = iter(string.ascii_lowercase)
    batch = next(letters)
    kept, summed, new = (
        [next(letters) for _ in range(int(generator.integers(low, 3)))] for low in (0, 1, 0)
    )
    lengths = dict(zip([*kept, *summed, *new], numbers(generator, 1, 5, 6), strict=False))
    shared = [one for one in kept if generator.random() < 0.4]
    inputs, weights, outputs = (
        "".join(generator.permutation(part))
        for part in (kept + summed, summed + shared + new, kept + new)
    )
    if not (inputs and weights and outputs):
        return einsum_dense(generator)
    before, behind = choose(generator, ("", ""), ("...", ""), ("", "..."))
    more = numbers(generator, 1, 4, int(generator.integers(1, 3)))
    first = "" if before else batch
    equation = f"{before}{first}{inputs}{behind},{weights}->{before}{first}{outputs}{behind}"
    own = [lengths[one] for one in inputs]
    count = int(generator.integers(1, 5))
    shape = {"": (count, *own), "...": (*more, *own)}[before]
    if behind:
        shape = (count, *own, *more)
    biased = bias_axes(generator, outputs)
    # Keras gives no bias to an axis whose length only the input tells.
    free = set(kept) - set(shared) - set(biased or "")
    wanted = [None if one in free and generator.random() < 0.5 else lengths[one] for one in outputs]
    arguments = {
        "equation": equation,
        "output_shape": tuple(wanted),
        "activation": choose(generator, None, "tanh"),
        "bias_axes": biased,
        **parts(generator),
    }
    if arguments["kernel_constraint"] is None:
        arguments |= low_rank(generator)
    return arguments, shape


def bias_axes(generator: np.random.Generator, outputs: str) -> str | None:
    if not outputs or generator.random() < 0.3:
        return None
    count = int(generator.integers(1, len(outputs) + 1))
    places = sorted(generator.choice(len(outputs), count, replace=False))
    return "".join(outputs[place] for place in places)


def projected(generator: np.random.Generator) -> Arguments:
    return {
        "use_bias": choose(generator, True, False),
        "use_gate": choose(generator, False, True),
        "dropout": choose(generator, 0.0, 0.0, 0.3),
        "flash_attention": choose(generator, None, False),
        "seed": choose(generator, None, 3),
        **parts(generator),
    }


def window(generator: np.random.Generator, queries: int, keys: int) -> int | None:
    """Draw a window in which every query sees a key.

    Of one that sees none Keras's backends disagree on the gradient; on JAX it is zero.
    """
    return choose(generator, None, max(2, queries - keys + 1))


def multi_head(generator: np.random.Generator) -> Configuration:
    heads, features, values = numbers(generator, 1, 4, 3)
    batch, queries, keys, *channels = numbers(generator, 1, 6, 6)
    arguments = {
        "num_heads": heads,
        "key_dim": features,
        # Keras on JAX wants values as long as keys.
        "value_dim": choose(generator, None, values) if ON_TORCH else None,
        "output_shape": choose(generator, None, 3, (2, 3)),
        "attention_axes": choose(generator, None, 1, (-2,)),
        "sliding_window": window(generator, queries, keys),
        **projected(generator),
    }
    shapes = [(batch, queries, channels[0]), (batch, keys, channels[1]), (batch, keys, channels[2])]
    return arguments, shapes[: choose(generator, 2, 3)]


def group_query(generator: np.random.Generator) -> Configuration:
    features, shared, groups = numbers(generator, 1, 4, 3)
    batch, queries, keys, channels, others = numbers(generator, 1, 6, 5)
    arguments = {
        "head_dim": features,
        "num_query_heads": shared * groups,
        "num_key_value_heads": shared,
        "sliding_window": window(generator, queries, keys),
        **projected(generator),
    }
    shapes = [(batch, queries, channels), (batch, keys, channels), (batch, keys, others)]
    return arguments, shapes[: choose(generator, 2, 3)]


def unprojected(generator: np.random.Generator) -> list[tuple[int, ...]]:
    queries, keys, features, values = numbers(generator, 1, 6, 4)
    before = numbers(generator, 1, 4, choose(generator, 1, 1, 2))
    if generator.random() < 0.5:
        return [(*before, queries, features), (*before, keys, features)]
    return [(*before, queries, features), (*before, keys, values), (*before, keys, features)]


def attention(generator: np.random.Generator) -> Configuration:
    arguments = {
        "use_scale": choose(generator, False, True),
        "score_mode": choose(generator, "dot", "concat"),
        "dropout": choose(generator, 0.0, 0.4),
        "seed": choose(generator, None, 1),
    }
    return arguments, unprojected(generator)


def additive(generator: np.random.Generator) -> Configuration:
    arguments = {
        "use_scale": choose(generator, False, True),
        "dropout": choose(generator, 0.0, 0.4),
        "seed": choose(generator, None, 1),
    }
    return arguments, unprojected(generator)


CONFIGURATIONS: dict[str, Draw] = {
    "EinsumDense": einsum_dense,
    "MultiHeadAttention": multi_head,
    "GroupQueryAttention": group_query,
    "Attention": attention,
    "AdditiveAttention": additive,
}
HEADS = ("MultiHeadAttention", "GroupQueryAttention")


class OpenLengths(Comparison):
    """Compares layers of which ours knows lengths that Keras's rule leaves open."""

    def output_shapes(self) -> tuple[Any, Any]:
        ours, theirs = super().output_shapes()
        return ours, [
            known if length is None else length for known, length in zip(ours, theirs, strict=True)
        ]


def compared(name: str, index: int, salt: str = "", **options: Any) -> Comparison:
    generator = generator_of(f"{salt}{name}", index)
    arguments, inputs = CONFIGURATIONS[name](generator)
    return OpenLengths(name, arguments, inputs, generator, **options)


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    one = compared(name, index)
    one.check_values()
    one.check_config()


# --- masks and options of a call -------------------------------------------------------------


def masked_call(one: Comparison) -> tuple[Arguments, list[Any]]:
    """Draw options of a call, and a mask for each input."""
    generator, (query, value, *_) = one.generator, one.shape
    masks = [
        None if generator.random() < 0.5 else generator.random(shape[:-1]) < 0.7
        for shape in (query, value)
    ]
    options: Arguments = {"use_causal_mask": choose(generator, False, True)}
    if generator.random() < 0.5:
        options["return_attention_scores"] = True
    return options, masks


def call_both(one: Comparison, options: Arguments, masks: list[Any]) -> None:
    """Compare outputs, their masks and gradients."""

    def marked(inputs: Any, library: Any) -> Any:
        convert = keras.ops.convert_to_tensor if library is keras else np.copy
        attach = keras.src.backend.set_keras_mask if library is keras else set_keras_mask
        marked = [convert(x) for x in inputs]
        for x, mask in zip(marked, masks, strict=False):
            if mask is not None:
                attach(x, convert(mask))
        return one.as_arguments(marked)

    expected = one.theirs(*marked(one.x, keras), **options)
    found = one.ours(*marked(one.x, ls), **options)
    close(found, expected)
    # Keras may leave a mask on the weights too, that of its softmax.
    theirs = keras.src.backend.get_keras_mask(leaves(expected)[0])
    ours = get_keras_mask(leaves(found)[0])
    assert (ours is None) == (theirs is None)
    if ours is not None:
        np.testing.assert_array_equal(ours, numpy_of(theirs))


@each_configuration(HEADS)
def test_masks_of_heads(name: str, index: int) -> None:
    one = compared(name, index, "masked")
    options, masks = masked_call(one)
    call_both(one, options, masks)


@each_configuration(["Attention", "AdditiveAttention"])
def test_masks_of_attention(name: str, index: int) -> None:
    one = compared(name, index, "masked")
    options, masks = masked_call(one)
    if len(one.shape[0]) == 3:
        call_both(one, options, masks)
    one.options = options | ({"mask": masks} if len(one.shape[0]) == 3 else {})
    expected = one.theirs(list(map(keras.ops.convert_to_tensor, one.x)), **one.options)
    close(one.ours(one.x, **one.options), expected)
    one.check_gradients()


@each_configuration(HEADS)
def test_attention_masks(name: str, index: int) -> None:
    """A mask for each query and key, with or without batch and heads, counts also backwards."""
    one = compared(name, index, "attention mask")
    generator, (query, value, *_) = one.generator, one.shape
    heads = getattr(one.ours, "num_heads", None) or one.ours.num_query_heads
    before = choose(generator, (), (query[0],), (query[0], heads), (1, 1))
    mask = generator.random((*before, query[1], value[1])) < 0.6
    mask[..., 0] |= generator.random() < 0.7
    one.options = {
        "attention_mask": choose(generator, mask, mask.astype("int32")),
        "return_attention_scores": choose(generator, False, True),
        "use_causal_mask": choose(generator, False, True) and len(before) < 2,
    }
    close(
        one.ours(*one.as_arguments(one.x), **one.options),
        one.theirs(*one.as_arguments(one.x), **one.options),
    )
    later = np.arange(value[1]) - np.arange(query[1])[:, None]
    seen = mask & (np.abs(later) < (one.arguments["sliding_window"] or np.inf))
    if one.options["use_causal_mask"]:
        seen &= later <= 0
    # As above.
    if seen.any(-1).all() or not ON_TORCH:
        one.check_gradients()


@each_index
def test_more_axes(index: int) -> None:
    """Attention over some of several axes, or all of them."""
    generator = generator_of("more axes", index)
    arguments, _ = multi_head(generator)
    axes = choose(generator, None, (1,), (2,), -2, (1, 2), (2, 1))
    arguments |= {"attention_axes": axes, "sliding_window": None}
    batch, first, second, channels, others = numbers(generator, 1, 4, 5)
    attended = {None: (1, 2), -2: (2,)}.get(axes, axes)
    value = [
        int(generator.integers(1, 4)) if axis in attended else length
        for axis, length in ((1, first), (2, second))
    ]
    shapes = [(batch, first, second, channels), (batch, *value, others)]
    one = Comparison("MultiHeadAttention", arguments, shapes, generator)
    one.check_forward()
    one.options = {"return_attention_scores": True}
    close(one.ours(*one.x, **one.options), one.theirs(*one.x, **one.options))
    one.check_gradients()
    one.check_config()


@pytest.mark.parametrize("name", HEADS)
def test_symbolic_calls(name: str) -> None:
    arguments = CONFIGURATIONS[name](generator_of(name))[0] | {"dropout": 0.0}
    found = []
    for library in (keras, ls):
        entries = [library.Input((5, 4)), library.Input((5, 4))]
        outputs = getattr(library.layers, name)(**arguments)(
            *entries, return_attention_scores=True, use_causal_mask=True
        )
        found.append([tuple(one.shape) for one in outputs])
    assert found[0] == found[1]


# --- the operation ---------------------------------------------------------------------------


@each_index
def test_dot_product_attention(index: int) -> None:
    generator = generator_of("dot_product_attention", index)
    batch, queries, keys, shared, groups, features = numbers(generator, 1, 5, 6)
    # Keras on torch repeats no heads.
    heads = shared * (groups if keras.backend.backend() == "jax" else 1)
    shared = shared if keras.backend.backend() == "jax" else heads
    arrays: list[Any] = [
        generator.normal(size=shape).astype("float32")
        for shape in (
            (batch, queries, heads, features),
            (batch, keys, shared, features),
            (batch, keys, shared, features),
        )
    ]
    scores = (batch, heads, queries, keys)
    options: Arguments = {
        "scale": choose(generator, None, 0.7),
        "is_causal": choose(generator, False, True),
        "mask": choose(generator, None, generator.random(scores) < 0.8),
    }
    if options["mask"] is None and not options["is_causal"]:
        options["bias"] = generator.normal(size=scores).astype("float32")
    expected = keras.ops.dot_product_attention(
        *map(keras.ops.convert_to_tensor, arrays),
        **{key: as_tensor(value) for key, value in options.items()},
    )
    close(ls.ops.dot_product_attention(*arrays, **options), expected)


def as_tensor(value: Any) -> Any:
    return keras.ops.convert_to_tensor(value) if isinstance(value, np.ndarray) else value
