"""What each layer refuses, with Keras's type of exception and a message that names the mistake.

Three kinds of mistakes: those in the tables below, those every layer refuses alike, and nonsense
for each argument, drawn from its declaration. `tests/oracle/test_mistakes.py` gives them all to
Keras and compares the types.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pytest

import layerscope as ls
from core.layers.test_contract import BUILT_IN, make
from layerscope import layers
from layerscope.configurable import fields_of
from layerscope.layers.signature import as_arguments
from layerscope.structure import map_shapes


class Mistake(NamedTuple):
    """One thing a layer must not accept.

    Attributes
    ----------
    arguments : of the constructor, beside those of the layer's first example.
    error : type of the exception, Keras's, or several of which one is it.
    message : what the message says, as a pattern.
    shape : of an input to call the layer with, or several; None: the constructor refuses already.
    options : of that call; a shape stands for an array.
    """

    arguments: dict[str, Any]
    error: Any
    message: str
    shape: Any = None
    options: dict[str, Any] | None = None


#: Ends of the names of arguments that take one of Keras's objects.
PARTS = ("activation", "initializer", "regularizer", "constraint")


def argument(
    name: str, value: Any, error: Any = ValueError, shape: Any = None, **others: Any
) -> Mistake:
    """Return a mistake in one argument, whose name and value the message must hold.

    As in Keras, the message names what kind of part could not be found, not the argument.
    """
    part = next((kind for kind in PARTS if name.endswith(kind)), name).replace("_", "[_ ]")
    pattern = rf"(?s){part}.*{re.escape(str(value))}"
    options = {"training": True} if name == "rate" else None
    return Mistake({**others, name: value}, error, pattern, shape, options)


def given(
    shape: Any,
    message: str,
    error: Any = ValueError,
    options: dict[str, Any] | None = None,
    **arguments: Any,
) -> Mistake:
    """Return a mistake in the input, which the message must describe."""
    return Mistake(arguments, error, message, shape, options)


def rank(wanted: int, shape: tuple[int, ...]) -> Mistake:
    """Return an input with too few or too many axes."""
    return given(shape, rf"ndim={wanted}, found ndim={len(shape)}.*{re.escape(str(shape))}")


def image(axes: int, length: int = 4, channels: int = 2) -> tuple[int, ...]:
    return (1, *(length,) * axes, channels)


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "config": config}


def for_ranks(pattern: str, mistakes: Any, ranks: Any = (1, 2, 3)) -> dict[str, list[Mistake]]:
    """Return the mistakes of layers that differ in the number of spatial axes."""
    return {pattern.format(n): mistakes(n) for n in ranks}


# --- convolutions ----------------------------------------------------------------------------


def window(n: int) -> list[Mistake]:
    wrong = (2,) * (n + 1)
    return [
        argument("kernel_size", wrong),
        argument("kernel_size", 0),
        argument("strides", -1),
        argument("padding", "full"),
        argument("data_format", "middle"),
        rank(n + 2, image(n + 1)),
    ]


def dilated(n: int) -> list[Mistake]:
    return [*window(n), argument("dilation_rate", 0)]


def convolution(n: int) -> list[Mistake]:
    return [
        *dilated(n),
        argument("filters", 0),
        argument("filters", 3, groups=2, kernel_size=1),
        argument("groups", 0),
        argument("strides", (2,) * n, dilation_rate=2),
        given(image(n, channels=3), r"groups=2", groups=2, filters=2, kernel_size=1),
        given(image(n), rf"zero or negative.*{re.escape(str(image(n)))}", kernel_size=5),
    ]


def transposed(n: int) -> list[Mistake]:
    return [
        *dilated(n),
        argument("filters", -1),
        argument("strides", (2,) * n, dilation_rate=2),
        argument("output_padding", (2,) * n, strides=2),
    ]


def depthwise(n: int) -> list[Mistake]:
    return [
        *dilated(n),
        argument("depth_multiplier", 0),
        given(image(n), rf"zero or negative.*{re.escape(str(image(n)))}", kernel_size=5),
    ]


def separable(n: int) -> list[Mistake]:
    return [*depthwise(n), argument("filters", 0)]


def locally_connected(n: int) -> list[Mistake]:
    return [
        *window(n),
        argument("filters", 0),
        argument("padding", "same"),
        argument("implementation", 4),
        given(image(n), rf"zero or negative.*{re.escape(str(image(n)))}", kernel_size=5),
        given((None, *(None,) * n, 2), r"fully defined.*None, None"),
    ]


CONVOLUTIONS = {
    **for_ranks("Conv{}D", convolution),
    **for_ranks("Conv{}DTranspose", transposed),
    **for_ranks("DepthwiseConv{}D", depthwise),
    **for_ranks("SeparableConv{}D", separable, (1, 2)),
    **for_ranks("LocallyConnected{}D", locally_connected, (1, 2)),
}

# --- pooling and borders ---------------------------------------------------------------------


def pooling(n: int) -> list[Mistake]:
    return [
        argument("pool_size", (2,) * (n + 1)),
        argument("pool_size", 0),
        argument("strides", (2,) * (n + 1)),
        argument("padding", "full"),
        argument("data_format", "middle"),
        rank(n + 2, image(n - 1)),
        given((None, *image(n)[1:]), r"zero or negative.*pool_size=\(5,", pool_size=5),
    ]


def global_pooling(n: int) -> list[Mistake]:
    return [
        argument("data_format", "middle"),
        rank(n + 2, image(n - 1)),
        rank(n + 2, image(n + 1)),
    ]


def adaptive_pooling(n: int) -> list[Mistake]:
    return [
        argument("output_size", (2,) * (n + 1)),
        argument("output_size", 0),
        argument("data_format", "middle"),
        rank(n + 2, image(n - 1)),
    ]


def cropping(n: int) -> list[Mistake]:
    return [
        argument("cropping", (1,) * (n + 2)),
        argument("cropping", -1),
        argument("cropping", "all"),
        rank(n + 2, image(n + 1)),
        given(image(n), r"smaller than.*\(4,", cropping=2),
    ]


def zero_padding(n: int) -> list[Mistake]:
    return [
        argument("padding", (1,) * (n + 2)),
        argument("padding", -1),
        argument("padding", "all"),
        argument("data_format", "middle"),
        rank(n + 2, image(n + 1)),
    ]


def up_sampling(n: int) -> list[Mistake]:
    return [rank(n + 2, image(n + 1)), rank(n + 2, image(n - 1))]


POOLING_AND_BORDERS = {
    **for_ranks("MaxPooling{}D", pooling),
    **for_ranks("AveragePooling{}D", pooling),
    **for_ranks("GlobalMaxPooling{}D", global_pooling),
    **for_ranks("GlobalAveragePooling{}D", global_pooling),
    **for_ranks("AdaptiveMaxPooling{}D", adaptive_pooling),
    **for_ranks("AdaptiveAveragePooling{}D", adaptive_pooling),
    **for_ranks("Cropping{}D", cropping),
    **for_ranks("ZeroPadding{}D", zero_padding),
    "UpSampling1D": [*up_sampling(1), argument("size", 2.5, TypeError), argument("size", 0)],
    "UpSampling2D": [
        *up_sampling(2),
        argument("size", (1, 2, 3)),
        argument("size", 0),
        argument("interpolation", "area"),
        argument("data_format", "middle"),
    ],
    "UpSampling3D": [
        *up_sampling(3),
        argument("size", (1, 2)),
        argument("size", -1),
        argument("data_format", "middle"),
    ],
}

# --- recurrent -------------------------------------------------------------------------------


def cell(name: str) -> list[Mistake]:
    return [
        argument("units", 0),
        argument("units", 2.5),
        argument("recurrent_activation" if name != "SimpleRNN" else "activation", "nonsense"),
        argument("recurrent_initializer", "nonsense"),
    ]


def recurrent(name: str) -> list[Mistake]:
    return [
        *cell(name),
        argument("time_major", True),
        rank(3, (2, 3)),
        rank(3, (2, 3, 4, 5)),
        given((2, 0, 3), "at least one step", IndexError),
    ]


def conv_lstm(n: int) -> list[Mistake]:
    sequence = (1, 2, *image(n)[1:])
    return [
        *dilated(n)[:-2],
        argument("dilation_rate", 0),
        argument("filters", 0),
        argument("strides", (2,) * n, dilation_rate=2),
        rank(n + 3, sequence[1:]),
        given(sequence, rf"zero or negative.*{re.escape(str(image(n)))}", kernel_size=5),
        given((None, 2, *(None,) * n, 2), r"static input shapes.*None, 2\)"),
    ]


RECURRENT = {
    **{name: recurrent(name) for name in ("SimpleRNN", "GRU", "LSTM")},
    **{f"{name}Cell": cell(name) for name in ("SimpleRNN", "GRU", "LSTM")},
    **for_ranks("ConvLSTM{}D", conv_lstm),
    "ConvLSTM2DCell": [
        argument("kernel_size", (1, 2, 3)),
        argument("filters", 0),
        argument("padding", "full"),
    ],
    **{
        name: [
            argument("units", 0),
            argument("dropout", 0.5),
            argument("recurrent_initializer", "nonsense"),
            rank(3, (2, 3)),
            given((2, 3, 4), "Masking is not supported", options={"mask": (2, 3)}),
        ]
        for name in ("CuDNNGRU", "CuDNNLSTM")
    },
    "StackedRNNCells": [
        argument("cells", []),
        argument("cells", 3, TypeError),
        Mistake({"cells": [layer("Dense", units=2)]}, ValueError, "`state_size`.*Dense"),
    ],
    "RNN": [
        argument("cell", 3),
        Mistake({"cell": layer("Dense", units=2)}, ValueError, "`state_size`.*cell=<Dense"),
        Mistake({"cell": [layer("Dense", units=2)]}, ValueError, "`state_size`.*<Dense"),
        given((2, 3), r"min_ndim=3, found ndim=2.*\(2, 3\)"),
    ],
}

# --- everything else -------------------------------------------------------------------------


def merging(*further: Mistake) -> list[Mistake]:
    return [
        given((2, 3), "should be called on a list of inputs"),
        given([(2, 3), (3, 3)], r"different batch sizes.*\(2, 3\), \(3, 3\)"),
        given([(2, 3, 4), (2, 2, 4)], r"incompatible shapes.*\(3, 4\) and \(2, 4\)"),
        *further,
    ]


def dropout(further: list[Mistake]) -> list[Mistake]:
    return [argument("rate", 1.5), argument("rate", -0.5), argument("rate", "much"), *further]


MERGING = {
    **{name: merging() for name in ("Add", "Average", "Multiply", "Maximum", "Minimum")},
    "Subtract": merging(
        given([(2, 3)], "exactly 2 inputs"), given([(2, 3)] * 3, "exactly 2 inputs")
    ),
    "Concatenate": [
        given((2, 3), "list of at least 1 input"),
        given([(2, 3, 4), (2, 3, 5)], r"matching shapes except.*\(2, 3, 5\)", axis=1),
        given([(2, 3), (2, 3, 1)], r"matching shapes except.*\(2, 3, 1\)"),
        given([(2, 3), (2, 3)], r"`axis`.*\[-2, 2\).*axis=3", axis=3),
    ],
    "Dot": [
        argument("axes", (1, 2, 3)),
        argument("axes", (1, 2.5)),
        argument("axes", "a", TypeError),
        given([(2, 3, 4), (2, 5, 3)], r"axis values 3 \(at axis 1\) != 5 \(at axis 1\)"),
        given([(2, 3), (2, 3)], "must not name axis 0.*axes=0", axes=0),
        given([(2, 3)], "list of 2 inputs"),
    ],
}

NORMALIZATION = {
    "BatchNormalization": [
        argument("axis", "last"),
        argument("momentum", "much"),
        argument("gamma_initializer", "nonsense"),
        given((2, 3), r"`axis`.*\[-2, 2\).*axis=3", axis=3),
    ],
    "LayerNormalization": [
        argument("axis", "last", TypeError),
        argument("beta_regularizer", "nonsense"),
        given((2, 3), r"`axis`.*\[-2, 2\).*axis=3", axis=3),
    ],
    "RMSNormalization": [
        argument("axis", "last", TypeError),
        argument("epsilon", "small"),
        given((2, 3), r"`axis`.*\[-2, 2\).*axis=3", axis=3),
    ],
    "UnitNormalization": [
        argument("axis", "last", TypeError),
        argument("axis", 1.5, TypeError),
        given((2, 3), "axis 3 is out of bounds", axis=3),
    ],
    "GroupNormalization": [
        argument("groups", 0),
        argument("groups", -2),
        given((2, 3), r"groups=2 and 3 channels.*\(2, 3\)", groups=2),
        given((2, 3), r"groups=5 and 3 channels.*\(2, 3\)", groups=5),
    ],
}

NOISE = {
    "Dropout": dropout([argument("noise_shape", "all"), argument("noise_shape", (0, 1))]),
    "GaussianDropout": dropout([argument("rate", 1.0, ZeroDivisionError, (2, 3))]),
    "AlphaDropout": dropout([argument("rate", 1.0, ZeroDivisionError, (2, 3))]),
    "GaussianNoise": [
        argument("stddev", -0.5),
        argument("stddev", 2.0),
        argument("stddev", "much"),
    ],
    "SpatialDropout1D": dropout([rank(3, (2, 3))]),
    "SpatialDropout2D": dropout([rank(4, (2, 3, 4)), argument("data_format", "middle")]),
    "SpatialDropout3D": dropout([rank(5, (2, 3, 4)), argument("data_format", "middle")]),
}

ACTIVATIONS = {
    "Activation": [argument("activation", "nonsense"), argument("activation", 3)],
    "ReLU": [
        argument("max_value", -1.0),
        argument("negative_slope", -1.0),
        argument("threshold", None),
    ],
    "LeakyReLU": [argument("negative_slope", -1.0), argument("negative_slope", None)],
    "ELU": [argument("alpha", None), argument("alpha", True)],
    "PReLU": [
        argument("alpha_initializer", "nonsense"),
        argument("shared_axes", (3,), shape=(2, 3)),
        argument("shared_axes", (0,)),
    ],
    "ThresholdedReLU": [argument("theta", -1.0), argument("theta", None)],
    "Softmax": [
        argument("axis", "last"),
        given((2, 3), "axis 3 is out of bounds", axis=3),
        given((2, 3), r"broadcastable.*\(2, 3\).*\(2, 5\)", options={"mask": (2, 5)}),
    ],
}


def picture(channels: int = 2, *further: Mistake) -> list[Mistake]:
    """Return the mistakes of layers that take images."""
    return [
        given((4, channels), rf"rank.*\(4, {channels}\)"),
        argument("data_format", "middle"),
        *further,
    ]


def factor(high: float, low: float = 0.0) -> list[Mistake]:
    return [
        argument("factor", high + 1),
        argument("factor", low - 1),
        argument("factor", (high, high, high)),
        argument("factor", "much"),
    ]


def colored(*further: Mistake) -> list[Mistake]:
    return picture(3, argument("value_range", 3), argument("value_range", (1, 2, 3)), *further)


def plane(*factors: str, beyond: float = 1.5) -> list[Mistake]:
    return picture(
        2,
        *(argument(name, value) for name in factors for value in (beyond, (0, 0, 0), "far")),
        argument("fill_mode", "zero", NotImplementedError),
        argument("interpolation", "area", NotImplementedError),
    )


def lookup(name: str, tokens: list[Any]) -> list[Mistake]:
    return [
        argument("max_tokens", 1),
        argument("num_oov_indices", -1),
        argument("output_mode", "codes"),
        argument("sparse", True, output_mode="multi_hot"),
        argument("invert", True, output_mode="multi_hot")._replace(message="`invert` is true"),
        argument("pad_to_max_tokens", True),
        argument("idf_weights", [0.5, 0.5]),
        argument("salt", (1, 2, 3), oov_method="farmhash")
        if name == "IntegerLookup"
        else argument("salt", (1, 2, 3)),
        Mistake({"output_mode": "tf_idf"}, ValueError, "`idf_weights`.*None"),
        Mistake({"vocabulary": [tokens[0]] * 2}, ValueError, rf"repeated.*{tokens[0]}"),
        Mistake({"vocabulary": []}, ValueError, r"empty vocabulary.*\[\]"),
        Mistake({"vocabulary": 3}, TypeError, "list or array of tokens.*vocabulary=3"),
        Mistake({"vocabulary": "nowhere/words.txt"}, ValueError, "nowhere/words.txt"),
        Mistake({"mask_token": tokens[1], "vocabulary": tokens}, ValueError, rf"{tokens[1]!r}"),
        Mistake({"max_tokens": 2, "vocabulary": tokens}, ValueError, "size is 3; .* is 2"),
    ]


PREPROCESSING = {
    "Rescaling": [argument("scale", "much"), argument("offset", [1, "a"]), argument("scale", None)],
    "Normalization": [
        argument("axis", "last", TypeError),
        argument("mean", 1.0, variance=None),
        argument("variance", [1.0, 2.0])._replace(message=r"same shape.*\(2,\)"),
        Mistake({"axis": 0, "mean": [[1.0]], "variance": [[1.0]]}, ValueError, r"rank.*\(1, 1\)"),
        given((2, 3), r"range \[-ndim, ndim\).*\(3,\)", axis=3, mean=1.0, variance=1.0),
        given((2, None), r"known shape.*\(2, None\)"),
        given((2, 4), r"broadcast|4"),
    ],
    "Discretization": [
        argument("num_bins", -1, bin_boundaries=None),
        argument("num_bins", 3),
        argument("output_mode", "codes"),
        argument("sparse", True, output_mode="one_hot"),
        argument("bin_boundaries", "many"),
    ],
    "CategoryEncoding": [
        argument("num_tokens", 0),
        argument("num_tokens", None),
        argument("output_mode", "codes"),
        argument("sparse", True),
        given((2, 3), "`count_weights`.*'count'", options={"count_weights": (2, 3)}),
    ],
    "Hashing": [
        argument("num_bins", 0),
        argument("num_bins", None),
        argument("salt", "pepper"),
        argument("salt", (1, 2, 3)),
        argument("output_mode", "codes"),
        argument("dtype", "float32"),
    ],
    "HashedCrossing": [
        argument("num_bins", 0),
        argument("output_mode", "count"),
        given((2,), "list or tuple"),
        given([(2,)], "at least two"),
        given([(2, 2), (2, 2)], r"\(batch_size, 1\).*\(2, 2\)"),
        given([(2,), (3,)], r"equal shape.*\(3,\)"),
        given([(2,), (2,)], "integer or string.*float32"),
    ],
    "StringLookup": lookup("StringLookup", ["a", "b"]),
    "IntegerLookup": [
        *lookup("IntegerLookup", [2, 3]),
        argument("vocabulary_dtype", "int32"),
        argument("oov_method", "md5"),
        argument("salt", 3),
    ],
    "TextVectorization": [
        argument("max_tokens", 1),
        argument("standardize", "upper"),
        argument("split", "sentence"),
        argument("ngrams", "two"),
        argument("ngrams", (1, 2.5)),
        argument("ragged", True),
        argument("output_sequence_length", 5, output_mode="count"),
        argument("output_sequence_length", "long"),
        argument("idf_weights", [0.5, 0.5]),
        given((2, 3), "text.*float32"),
    ],
    "Resizing": picture(
        2,
        argument("height", 0),
        argument("width", 2.5),
        argument("interpolation", "area", shape=(1, 4, 4, 2)),
        argument("fill_mode", "wrap", shape=(1, 4, 4, 2)),
        argument("pad_to_aspect_ratio", True, shape=(1, 4, 4, 2), crop_to_aspect_ratio=True),
    ),
    "CenterCrop": picture(2, argument("height", 0), argument("width", "wide")),
    "RandomCrop": picture(2, argument("height", 0), argument("width", "wide")),
    "RandomFlip": picture(2, argument("mode", "diagonal"), argument("seed", "corn")),
    "RandomTranslation": plane("height_factor", "width_factor"),
    "RandomRotation": [*plane(), *factor(1, -1)],
    "RandomZoom": plane("height_factor", "width_factor", beyond=-1.0),
    "RandomShear": plane("x_factor", "y_factor"),
    "RandomPerspective": picture(
        2,
        *factor(1),
        argument("scale", 1.5),
        argument("interpolation", "area", NotImplementedError),
    ),
    "RandomContrast": colored(*factor(1)),
    "RandomBrightness": colored(*factor(1, -1)),
    "RandomGrayscale": picture(3, argument("factor", 1.5), argument("factor", -0.5)),
    "RandomHue": colored(*factor(1), given((1, 2, 2, 4), r"\(1, 2, 2, 4\)")),
    "RandomSaturation": colored(*factor(1, -1)),
    "RandomSharpness": colored(*factor(1)),
    "RandomPosterization": colored(*factor(8, 1)),
    "RandomInvert": colored(*factor(1)),
    "RandomColorDegeneration": colored(*factor(1, -1), given((1, 2, 2, 4), r"\(1, 2, 2, 4\)")),
    "RandomColorJitter": colored(
        Mistake({"brightness_factor": 2.0}, ValueError, "factor.*2.0"),
        Mistake({"hue_factor": "much"}, ValueError, "factor.*much"),
    ),
    "RandomErasing": colored(*factor(1), argument("scale", 2.0), argument("fill_value", "red")),
    "RandomGaussianBlur": colored(
        *factor(1),
        argument("kernel_size", 4),
        argument("kernel_size", (3, 3, 3)),
        argument("sigma", 2.0),
    ),
    "Solarization": colored(argument("addition_factor", 1.5), argument("threshold_factor", -1.0)),
    "Equalization": colored(argument("bins", 0)),
    "AutoContrast": colored(),
    "MixUp": picture(2, argument("alpha", -1.0), argument("alpha", "even")),
    "CutMix": picture(2, *factor(1)),
    "RandAugment": colored(*factor(1), argument("num_ops", -1)),
    "AugMix": colored(*factor(1), argument("num_chains", 0), argument("chain_depth", 0)),
}


def no_layer(value: Any) -> Mistake:
    return Mistake({"layer": value}, ValueError, f"Layer {value!r} supplied.*`layer`")


def weightless_attention(name: str) -> list[Mistake]:
    return [
        given((2, 3, 4), f"{name} layer must be called on a list.*inputs=.*"),
        given([(2, 3, 4)] * 4, "length 2 or 3.*Received length: 4"),
        given([(2, 3, 4)] * 2, f"{name} layer mask must be a list", options={"mask": (2, 3)}),
        argument("dropout", 1.5),
    ]


def heads(count: str, features: str) -> list[Mistake]:
    return [
        argument(count, 0),
        argument(features, 2.5),
        argument("sliding_window", 0),
        argument("dropout", 1.5),
        Mistake(
            {"flash_attention": True, "dropout": 0.5},
            ValueError,
            "Dropout is not supported.*flash_attention=True, dropout=0.5",
        ),
        given(
            [(2, 3, 4), (2, 5, 4)],
            "attention scores is not supported.*return_attention_scores=True",
            options={"return_attention_scores": True},
            flash_attention=True,
            dropout=0.0,
        ),
        Mistake(
            {"flash_attention": True},
            RuntimeError,
            "Flash attention is not supported.*flash_attention=True",
            [(2, 3, 4), (2, 5, 4)],
        ),
        given(
            [(2, 3, 4), (2, 5, 4), (2, 6, 4)],
            r"must be equal.*value_shape=\(2, 5, 4\) and key_shape=\(2, 6, 4\)",
        ),
    ]


ATTENTION = {
    "Attention": [*weightless_attention("Attention"), argument("score_mode", "sum")],
    "AdditiveAttention": [
        *weightless_attention("AdditiveAttention"),
        argument("score_mode", "dot"),
    ],
    "MultiHeadAttention": [
        *heads("num_heads", "key_dim"),
        argument("value_dim", -1),
        argument("output_shape", 8.5),
        argument("attention_axes", "all"),
        given([(2, 3, 4)] * 2, r"`attention_axes`.*attention_axes=\(2,\)", attention_axes=2),
        given([(2, 3, 4), (2, 3, 3, 4)], r"equally many axes.*value_shape=\(2, 3, 3, 4\)"),
        given(
            [(2, 3, 3, 4)] * 2,
            r"`use_causal_mask`.*\(1, 2\).*use_causal_mask=True",
            options={"use_causal_mask": True},
        ),
        given([(2, 3, 3, 4)] * 2, r"`sliding_window`.*sliding_window=2", sliding_window=2),
    ],
    "GroupedQueryAttention": [
        *heads("num_query_heads", "head_dim"),
        argument("num_query_heads", 4, num_key_value_heads=3),
        argument("num_key_value_heads", 0),
        given([(2, 3, 4), (2, 3, 5)], r"must be equal.*4, 5.*value_shape=\(2, 3, 5\)"),
        rank(3, (2, 3, 4, 5))._replace(shape=[(2, 3, 4, 5)] * 2),
    ],
}

EINSUM = [
    argument("equation", "ab,bc"),
    argument("equation", "ab,bc->ad"),
    argument("equation", "ab,bcd->ac"),
    argument("bias_axes", "b"),
    argument("output_shape", "wide"),
    argument("output_shape", (), shape=(2, 5)),
    argument("output_shape", (3, 4), shape=(2, 5)),
    argument("quantization_config", 3),
    argument("gptq_unpacked_column_size", 3),
    given(
        (2, 3, 5),
        "shared dimension 'b'.*is 3, and.*is 4",
        equation="abc,cd->abd",
        output_shape=(4, 6),
        bias_axes="d",
    ),
    given((2, 3, 5), r"'ab' of equation 'ab,bc->ac'.*\(2, 3, 5\)"),
]


OTHERS = {
    "EinsumDense": EINSUM,
    "ReversibleEmbedding": [
        argument("input_dim", -1),
        argument("output_dim", 2.5),
        argument("logit_soft_cap", -1.0),
        argument("reverse_dtype", "float33"),
    ],
    "SpectralNormalization": [
        no_layer(3),
        argument("power_iterations", 0),
        Mistake(
            {"layer": layer("ReLU")},
            ValueError,
            "ReLU object has no attribute 'kernel' nor 'embeddings'.*layer=<ReLU",
            (2, 3),
        ),
        Mistake(
            {"layer": layer("Dense", units=2, lora_rank=1)},
            ValueError,
            "`kernel` of Dense is no weight.*layer=<Dense",
            (2, 3),
        ),
    ],
    "ActivityRegularization": [
        argument("l1", -1.0),
        argument("l2", "much"),
        Mistake({"activity_regularizer": "l1"}, TypeError, "activity_regularizer=L1"),
    ],
    "Dense": [
        argument("units", 0),
        argument("units", 2.5),
        argument("kernel_initializer", "nonsense"),
        given((4,), r"min_ndim=2, found ndim=1.*\(4,\)"),
    ],
    "Embedding": [
        argument("input_dim", -1),
        argument("output_dim", 2.5),
        argument("embeddings_constraint", "nonsense"),
    ],
    "Flatten": [argument("data_format", "middle"), given((), r"min_ndim=1, found ndim=0.*\(\)")],
    "Identity": [],
    "Lambda": [
        argument("function", 3, TypeError),
        argument("function", "nonsense", TypeError),
        argument("function", None, TypeError),
    ],
    "Masking": [argument("mask_value", "zero"), argument("mask_value", None)],
    "Permute": [
        argument("dims", (0, 1)),
        argument("dims", (1, 1)),
        argument("dims", (1, 3)),
        rank(3, (2, 3)),
    ],
    "RepeatVector": [argument("n", 2.5, TypeError), argument("n", 0), rank(2, (2, 3, 4))],
    "Reshape": [
        argument("target_shape", (-1, -1)),
        argument("target_shape", (5,), shape=(2, 3, 4)),
        argument("target_shape", (5, -1), shape=(2, 3, 4)),
    ],
    "Wrapper": [no_layer(3), no_layer(None), no_layer("Dense")],
    "TimeDistributed": [
        no_layer(3),
        given((2, 3), r"at least 3 dimensions.*\(2, 3\)"),
        given((2, 3, 4), r"mask.*\(2, 4\).*\(2, 3\)", options={"mask": (2, 4)}),
    ],
    "Bidirectional": [
        argument("layer", 3),
        Mistake({"layer": layer("Dense", units=2)}, TypeError, "class 'Dense'.*go_backwards"),
        argument("merge_mode", "max"),
        argument("backward_layer", 3),
        rank(3, (2, 3)),
    ],
    "InputLayer": [
        argument("shape", 3),
        argument("shape", ("a",)),
        argument("batch_size", 3, batch_shape=(3, 4)),
        argument("input_tensor", 3),
    ],
}

MISTAKES: dict[str, list[Mistake]] = {
    **CONVOLUTIONS,
    **POOLING_AND_BORDERS,
    **RECURRENT,
    **MERGING,
    **NORMALIZATION,
    **NOISE,
    **ACTIVATIONS,
    **ATTENTION,
    **PREPROCESSING,
    **OTHERS,
}

#: What every layer refuses alike.
SHARED = [
    Mistake({"trainabel": True}, ValueError, "'trainabel': True.*Did you mean `trainable`"),
    argument("name", "a/b"),
    argument("dtype", "float33"),
    argument("activity_regularizer", "nonsense"),
]

#: What is wrong for an argument of a kind, whatever its bounds.
NONSENSE: dict[str, Any] = {
    "int": "three",
    "float": "much",
    "bool": "maybe",
    "choice": "nonsense",
    "text": 3,
    "ints": "all",
    **dict.fromkeys(PARTS, "nonsense"),
}


def own_nonsense(cls: Any) -> list[Mistake]:
    """Return nonsense for each argument that `cls` does not share with all layers."""
    shared = {field.name for field in fields_of(layers.Layer)}
    return [
        argument(field.name, NONSENSE[field.kind], (TypeError, ValueError, NotImplementedError))
        for field in fields_of(cls)
        if field.name not in shared and field.kind in NONSENSE
    ]


def attempt(library: Any, name: str, mistake: Mistake) -> None:
    """Make the mistake, with Layerscope or with Keras."""

    def made(value: Any) -> Any:
        if isinstance(value, dict) and "class_name" in value:
            return getattr(library.layers, value["class_name"])(**made(value["config"]))
        if isinstance(value, dict):
            return {key: made(one) for key, one in value.items()}
        return [made(one) for one in value] if isinstance(value, list) else value

    def entry(shape: Any) -> Any:
        if None in shape:
            return library.layers.Input(batch_shape=shape)
        return np.zeros(shape, "float32")

    examples = getattr(layers, name).examples
    arguments = {**(examples[0].arguments if examples else {}), **mistake.arguments}
    layer = getattr(library.layers, name)(**made(arguments))
    if mistake.shape is not None:
        options = {
            key: np.ones(value, bool) if isinstance(value, tuple) else value
            for key, value in (mistake.options or {}).items()
        }
        inputs = map_shapes(entry, mistake.shape)
        layer(*as_arguments(getattr(layers, name), inputs), **options)


def refuses(name: str, mistake: Mistake) -> None:
    with pytest.raises(mistake.error, match=mistake.message):
        attempt(ls, name, mistake)


def each(mistakes: dict[str, list[Mistake]]) -> Any:
    return pytest.mark.parametrize(
        ("name", "mistake"),
        [
            pytest.param(name, one, id=f"{name}-{number}")
            for name, several in mistakes.items()
            for number, one in enumerate(several)
        ],
    )


def test_every_layer_has_mistakes() -> None:
    assert set(MISTAKES) == {cls.__name__ for cls in BUILT_IN} | {"InputLayer"}
    for cls in BUILT_IN:
        own = MISTAKES[cls.__name__] + own_nonsense(cls)
        # What takes anything has only the mistakes all layers share.
        assert len(own) >= 3 or cls is layers.Identity, cls.__name__


@each(MISTAKES)
def test_mistakes_are_named(name: str, mistake: Mistake) -> None:
    refuses(name, mistake)


@each({cls.__name__: SHARED for cls in BUILT_IN})
def test_what_every_layer_refuses(name: str, mistake: Mistake) -> None:
    refuses(name, mistake)


@each({cls.__name__: own_nonsense(cls) for cls in BUILT_IN})
def test_nonsense_is_refused_for_every_argument(name: str, mistake: Mistake) -> None:
    refuses(name, mistake)


@pytest.mark.parametrize("cls", BUILT_IN)
def test_what_is_no_array_is_refused(cls: type[layers.Layer]) -> None:
    layer = make(cls, cls.examples[0], name="refusing")
    given = object() if getattr(cls, "takes_text", False) else "text"
    with pytest.raises(ValueError, match=rf"input tensors.*'refusing'.*{given!r} "):
        layer(given)
    with pytest.raises(TypeError):
        layer()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([[1.0, 2.0]], object), "dtype=object, as rows of different lengths give"),
        (np.array([["1", "2"]]), "dtype=<U1"),
    ],
)
def test_what_is_no_number_is_named(x: Any, words: str) -> None:
    layer = layers.Dense(3, activation="tanh", name="first")
    model = ls.Sequential([layer, layers.Dense(1)])
    with pytest.raises(TypeError, match=f"Layer 'first' computes with real numbers.*{words}"):
        layer(x)
    with pytest.raises(TypeError, match=f"Layer 'first' computes with real numbers.*{words}"):
        model.predict(x, verbose=0)
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=f"Layer 'first' computes with real numbers.*{words}"):
        model.fit(x, np.ones((1, 1)), verbose=0)


def test_a_layer_of_somebodys_own_speaks_for_itself() -> None:
    class Words(layers.Layer):
        def call(self, inputs: Any) -> Any:
            raise LookupError(inputs[0])

    with pytest.raises(LookupError, match="cat"):
        Words()(np.array(["cat"]))
