"""Preprocessing layers compute, learn and describe themselves as Keras's do.

What is random is compared by giving both libraries the same draws, and by factors that leave
nothing to chance; what is drawn is compared with Keras's draws in distribution.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.structure import map_structure
from oracle.layer_comparison import (
    Arguments,
    Configuration,
    Draw,
    as_lists,
    comparable,
    comparison_of,
    each_configuration,
)
from oracle.reference import (
    COUNT,
    choose,
    close,
    double_precision,
    generator_of,
    keras,
    numbers,
    numpy_of,
)

LAYOUTS = ("channels_last", "channels_first")
#: Where Keras keeps its image layers.
IMAGES = "keras.src.layers.preprocessing.image_preprocessing"

# --- numbers: forward, gradients, configs ----------------------------------------------------


def image_shape(generator: np.random.Generator, layout: str, channels: int) -> tuple[int, ...]:
    batch = () if generator.random() < 0.2 else numbers(generator, 1, 4, 1)
    height, width = numbers(generator, 2, 8, 2)
    inner = (height, width, channels) if layout == "channels_last" else (channels, height, width)
    return (*batch, *inner)


def rescaling(generator: np.random.Generator) -> Configuration:
    channels = int(generator.integers(1, 4))
    scale, offset = (
        choose(generator, float(values[0]), values.tolist())
        for values in generator.normal(size=(2, channels)).astype("float32").astype(float)
    )
    return {"scale": scale, "offset": offset}, (*numbers(generator, 1, 4, 2), channels)


def normalization(generator: np.random.Generator) -> Configuration:
    shape = numbers(generator, 1, 5, int(generator.integers(2, 5)))
    axes = generator.permutation(len(shape))[: generator.integers(0, len(shape))]
    kept = tuple(sorted(int(axis) for axis in axes if axis))
    axis = choose(generator, kept, tuple(axis - len(shape) for axis in kept)) or None
    statistics = [shape[one] for one in kept]
    given = () if generator.random() < 0.3 else statistics[generator.integers(0, 2) :]
    mean = generator.normal(size=given).astype("float32").tolist()
    variance = generator.uniform(0.1, 3, given).astype("float32").tolist()
    invert = bool(generator.random() < 0.4)
    return {"axis": axis, "mean": mean, "variance": variance, "invert": invert}, shape


def resizing(generator: np.random.Generator) -> Configuration:
    layout = choose(generator, *LAYOUTS)
    arguments: Arguments = {
        "height": int(generator.integers(1, 9)),
        "width": int(generator.integers(1, 9)),
        "interpolation": choose(generator, "bilinear", "nearest", "bicubic", "lanczos3"),
        "antialias": bool(generator.random() < 0.5),
        "data_format": layout,
    }
    match generator.integers(3):
        case 0:
            arguments["crop_to_aspect_ratio"] = True
        case 1:
            arguments |= {"pad_to_aspect_ratio": True, "fill_value": 0.5}
    return arguments, image_shape(generator, layout, 2)


def center_crop(generator: np.random.Generator) -> Configuration:
    layout = choose(generator, *LAYOUTS)
    height, width = numbers(generator, 1, 8, 2)
    arguments = {"height": height, "width": width, "data_format": layout}
    return arguments, image_shape(generator, layout, 2)


CONFIGURATIONS: dict[str, Draw] = {
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Resizing": resizing,
    "CenterCrop": center_crop,
}


@each_configuration(CONFIGURATIONS)
def test_layer_of_numbers(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_forward()
    compared.check_gradients()
    compared.check_config()


# --- categories: forward, configs ------------------------------------------------------------

MODES = ("int", "one_hot", "multi_hot", "count")
WORDS = np.array(["", "a", "b", "ß", "layer", "a much longer word", "x" * 40, "y" * 90])


def few_axes(generator: np.random.Generator) -> tuple[int, ...]:
    return numbers(generator, 1, 5, int(generator.integers(1, 3)))


def discretization(generator: np.random.Generator) -> Configuration:
    boundaries = np.sort(generator.normal(size=int(generator.integers(1, 5))))
    arguments = {
        "bin_boundaries": boundaries.astype("float32").tolist(),
        "output_mode": choose(generator, *MODES),
    }
    return arguments, generator.normal(size=few_axes(generator)).astype("float32")


def category_encoding(generator: np.random.Generator) -> Configuration:
    tokens = int(generator.integers(1, 7))
    mode = choose(generator, *MODES[1:])
    x = generator.integers(0, tokens, few_axes(generator))
    return {"num_tokens": tokens, "output_mode": mode}, x.astype("int32")


def salted(generator: np.random.Generator) -> Any:
    return choose(generator, None, 133, [int(n) for n in generator.integers(0, 2**40, 2)])


def hashing(generator: np.random.Generator) -> Configuration:
    shape = few_axes(generator)
    words = generator.random() < 0.6
    numerals = generator.integers(-50, 10**12, shape)
    x = generator.choice(WORDS, shape) if words else numerals
    arguments = {
        "num_bins": int(generator.integers(1, 20)),
        "salt": salted(generator),
        "mask_value": choose(generator, None, "a" if words else int(numerals.ravel()[0])),
        "output_mode": choose(generator, *MODES),
    }
    return arguments, x


def hashed_crossing(generator: np.random.Generator) -> Configuration:
    batch = int(generator.integers(1, 6))
    shape = choose(generator, (batch,), (batch, 1))
    columns = [
        choose(generator, generator.choice(WORDS, shape), generator.integers(-9, 99, shape))
        for _ in range(generator.integers(2, 4))
    ]
    mode = choose(generator, "int", "one_hot")
    return {"num_bins": int(generator.integers(1, 30)), "output_mode": mode}, columns


def vocabulary_options(generator: np.random.Generator, vocabulary: list[Any]) -> Arguments:
    mode = choose(generator, *MODES, "tf_idf")
    arguments: Arguments = {
        "vocabulary": vocabulary,
        "num_oov_indices": int(generator.integers(1, 4)),
        "output_mode": mode,
    }
    if mode == "tf_idf":
        weights = generator.uniform(0.1, 2, len(vocabulary))
        arguments["idf_weights"] = weights.astype("float32").tolist()
    if mode != "int" and generator.random() < 0.5:
        size = len(vocabulary) + arguments["num_oov_indices"]
        arguments |= {"pad_to_max_tokens": True, "max_tokens": size + 3}
    return arguments


def string_lookup(generator: np.random.Generator) -> Configuration:
    vocabulary = generator.permutation(WORDS[1:])[: generator.integers(1, 6)].tolist()
    arguments = vocabulary_options(generator, vocabulary)
    arguments |= {"mask_token": choose(generator, None, ""), "salt": salted(generator)}
    return arguments, generator.choice(WORDS, few_axes(generator))


def integer_lookup(generator: np.random.Generator) -> Configuration:
    if generator.random() < 0.2:
        arguments: Arguments = {"vocabulary": [7, 3, 5], "invert": True, "oov_token": -9}
        return arguments, generator.integers(0, 6, few_axes(generator))
    vocabulary = generator.permutation(np.arange(1, 12))[: generator.integers(1, 6)].tolist()
    arguments = vocabulary_options(generator, vocabulary)
    arguments["mask_token"] = choose(generator, None, 0)
    if generator.random() < 0.5:
        arguments |= {"oov_method": "farmhash", "salt": salted(generator)}
    return arguments, generator.integers(-5, 15, few_axes(generator))


TEXTS = np.array(["", "a", "To be, or not to be?", "A  b\ta\n", "Ünder THE [b]-ß", "be be b"])


def text_vectorization(generator: np.random.Generator) -> Configuration:
    mode = choose(generator, "int", "multi_hot", "count", "tf_idf")
    split = choose(generator, "whitespace", "character", None)
    words = ["a", "be", "to", "b", "to be", "be,", "be be b", "Ünder", "b a", "ß"]
    vocabulary = generator.permutation(words)[: generator.integers(1, 10)].tolist()
    arguments: Arguments = {
        "vocabulary": vocabulary,
        "output_mode": mode,
        "split": split,
        "standardize": choose(
            generator, None, "lower", "strip_punctuation", "lower_and_strip_punctuation"
        ),
        "ngrams": choose(generator, None, 2, (1, 3), (2,)) if split else None,
    }
    if mode == "int":
        arguments["output_sequence_length"] = choose(generator, None, 3, 9)
    elif generator.random() < 0.5:
        arguments |= {"pad_to_max_tokens": True, "max_tokens": len(vocabulary) + 4}
    if mode == "tf_idf":
        weights = generator.uniform(0.1, 2, len(vocabulary))
        arguments["idf_weights"] = weights.astype("float32").tolist()
    batch = int(generator.integers(1, 6))
    shape = choose(generator, (batch,), (batch, 1)) if split else (batch, 3)
    return arguments, generator.choice(TEXTS, shape)


CATEGORIES: dict[str, Draw] = {
    "Discretization": discretization,
    "CategoryEncoding": category_encoding,
    "Hashing": hashing,
    "HashedCrossing": hashed_crossing,
    "StringLookup": string_lookup,
    "IntegerLookup": integer_lookup,
    "TextVectorization": text_vectorization,
}


@each_configuration(CATEGORIES)
def test_layer_of_categories(name: str, index: int) -> None:
    arguments, x = CATEGORIES[name](generator_of(name, index))
    theirs, ours = (getattr(library.layers, name)(**arguments) for library in (keras, ls))
    expected = numpy_of(theirs(x))
    found = ours(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.shape, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    shape: Any = map_structure(lambda one: one.shape, x)
    promised = ours.compute_output_shape(shape)
    assert len(promised) == expected.ndim
    assert all(one in (None, real) for one, real in zip(promised, expected.shape, strict=True))
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    np.testing.assert_allclose(numpy_of(there(x)), expected, rtol=1e-6)
    np.testing.assert_allclose(back(x), expected, rtol=1e-6)
    assert comparable(back.get_config()) == comparable(theirs.get_config())


# --- what layers learn -----------------------------------------------------------------------

each_index = pytest.mark.parametrize("index", range(COUNT))


@each_index
def test_normalization_learns_the_same(index: int) -> None:
    generator = generator_of("adapt Normalization", index)
    arguments, shape = normalization(generator)
    arguments = {key: arguments[key] for key in ("axis", "invert")}
    data = (generator.normal(size=(3, 7, *shape[1:])) * 3 + 1).astype("float32")
    whole = generator.random() < 0.5
    theirs, ours = keras.layers.Normalization(**arguments), ls.layers.Normalization(**arguments)
    for layer in (theirs, ours):
        layer.adapt(data.reshape(-1, *shape[1:]) if whole else list(data))
    close(ours.get_weights()[:2], theirs.get_weights()[:2], rtol=1e-4)
    assert [one.name for one in ours.weights] == [one.name for one in theirs.weights]
    assert [one.dtype for one in ours.weights] == [str(one.dtype) for one in theirs.weights]
    x = data[0]
    close(ours(x), theirs(x), rtol=1e-4)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    back.build(x.shape)
    back.set_weights(theirs.get_weights())
    close(back(x), theirs(x))


@each_index
def test_discretization_learns_the_same(index: int) -> None:
    generator = generator_of("adapt Discretization", index)
    arguments = {
        "num_bins": int(generator.integers(2, 9)),
        "epsilon": choose(generator, 0.01, 0.1),
    }
    batches = list(generator.normal(size=(4, int(generator.integers(5, 400)))))
    steps = choose(generator, None, 2)
    theirs, ours = (library.layers.Discretization(**arguments) for library in (keras, ls))
    for layer in (theirs, ours):
        layer.adapt(iter(batches), steps=steps)
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-5, atol=1e-6)
    x = generator.normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(ours(x), numpy_of(theirs(x)))
    for library, source in ((ls, theirs), (keras, ours)):
        config = json.loads(json.dumps(source.get_config()))
        made = library.layers.Discretization.from_config(config)
        np.testing.assert_array_equal(numpy_of(made(x)), ours(x))


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup"])
@each_index
def test_vocabularies_are_learned_the_same(name: str, index: int) -> None:
    generator = generator_of(f"adapt {name}", index)
    words = name == "StringLookup"
    pool: np.ndarray = WORDS if words else np.arange(-3, 5)
    mode = choose(generator, *MODES, "tf_idf")
    arguments: Arguments = {
        "output_mode": mode,
        "mask_token": choose(generator, None, "" if words else 0),
        "num_oov_indices": int(generator.integers(1, 3)),
        "max_tokens": choose(generator, None, 6),
    }
    if arguments["max_tokens"] and mode != "int":
        arguments["pad_to_max_tokens"] = bool(generator.random() < 0.5)
    weights = generator.dirichlet(np.ones(len(pool)))
    data = generator.choice(pool, (9, 5), p=weights)
    theirs, ours = (getattr(library.layers, name)(**arguments) for library in (keras, ls))
    batches = choose(generator, data, [data[:4], data[4:]])
    for layer in (theirs, ours):
        layer.adapt(batches if isinstance(batches, np.ndarray) else iter(batches))
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    x = generator.choice(pool, (4, 3))
    np.testing.assert_allclose(ours(x), numpy_of(theirs(x)), rtol=1e-5)
    # What was learned is in our config, and Keras takes it from there.
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    np.testing.assert_allclose(numpy_of(there(x)), ours(x), rtol=1e-5)


@each_index
def test_words_of_texts_are_learned_the_same(index: int) -> None:
    generator = generator_of("adapt TextVectorization", index)
    mode = choose(generator, "int", "count", "tf_idf")
    arguments: Arguments = {
        "output_mode": mode,
        "max_tokens": choose(generator, None, 6),
        "ngrams": choose(generator, None, 2),
        "split": choose(generator, "whitespace", "character"),
    }
    data = generator.choice(TEXTS, int(generator.integers(2, 20)))
    # Without any word neither library knows how many numbers there are.
    data[-1] = choose(generator, *TEXTS[1:])
    batches = choose(generator, data, [data[:1], data[1:]])
    theirs, ours = (library.layers.TextVectorization(**arguments) for library in (keras, ls))
    for layer in (theirs, ours):
        layer.adapt(batches if isinstance(batches, np.ndarray) else iter(batches))
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    x = generator.choice(TEXTS, 4)
    np.testing.assert_allclose(ours(x), numpy_of(theirs(x)), rtol=1e-5)
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    np.testing.assert_allclose(numpy_of(there(x)), ours(x), rtol=1e-5)


# --- images: the same draws give the same images ---------------------------------------------


def between(generator: np.random.Generator, low: float, high: float) -> Any:
    """Return one number, or two limits in order."""
    one, other = sorted(round(float(n), 3) for n in generator.uniform(low, high, 2))
    return choose(generator, abs(one), [one, other])


def plane(generator: np.random.Generator) -> Arguments:
    return {
        "fill_mode": choose(generator, "reflect", "wrap", "constant", "nearest"),
        "interpolation": choose(generator, "nearest", "bilinear"),
        "fill_value": choose(generator, 0.0, 1.5),
    }


def valued(generator: np.random.Generator) -> Arguments:
    return {"value_range": choose(generator, [0, 1], [0, 255], [-1, 1])}


Options = Callable[[np.random.Generator], Arguments]

RANDOM: dict[str, Options] = {
    "RandomFlip": lambda g: {
        "mode": choose(g, "horizontal", "vertical", "horizontal_and_vertical")
    },
    "RandomTranslation": lambda g: {
        "height_factor": between(g, -1, 1), "width_factor": between(g, -1, 1), **plane(g)
    },
    "RandomRotation": lambda g: {"factor": between(g, -1, 1), **plane(g)},
    "RandomZoom": lambda g: {
        "height_factor": between(g, -0.9, 1),
        "width_factor": choose(g, None, between(g, -0.9, 1)),
        **plane(g),
    },
    "RandomShear": lambda g: {
        "x_factor": between(g, 0, 1), "y_factor": between(g, 0, 1), **plane(g)
    },
    "RandomPerspective": lambda g: {
        "factor": between(g, 0, 1), "scale": 0.6, "fill_value": 0.5,
        "interpolation": choose(g, "nearest", "bilinear"),
    },
    "RandomContrast": lambda g: {"factor": between(g, 0, 1), **valued(g)},
    "RandomBrightness": lambda g: {"factor": between(g, -1, 1), **valued(g)},
    "RandomGrayscale": lambda g: {"factor": round(float(g.random()), 2)},
    "RandomHue": lambda g: {"factor": between(g, 0, 1), **valued(g)},
    "RandomSaturation": lambda g: {"factor": between(g, 0, 0.9), **valued(g)},
    "RandomSharpness": lambda g: {"factor": between(g, 0, 1), **valued(g)},
    "RandomPosterization": lambda g: {
        "factor": choose(g, 3, [2, 5], [4, 4]), **valued(g)
    },
    "RandomInvert": lambda g: {"factor": between(g, 0, 1), **valued(g)},
    "RandomColorDegeneration": lambda g: {"factor": between(g, -1, 1), **valued(g)},
    "RandomErasing": lambda g: {
        "factor": between(g, 0, 1), "scale": between(g, 0.1, 0.9),
        "fill_value": choose(g, None, 0.5), **valued(g),
    },
    "RandomGaussianBlur": lambda g: {
        "factor": between(g, 0, 1), "kernel_size": choose(g, 3, 5), "sigma": between(g, 0.2, 1),
        **valued(g),
    },
    "Solarization": lambda g: {
        "addition_factor": between(g, 0, 1), "threshold_factor": between(g, 0, 1), **valued(g)
    },
    "Equalization": lambda g: {"bins": choose(g, 256, 16), **valued(g)},
    "AutoContrast": valued,
    "RandomCrop": lambda g: dict(zip(("height", "width"), numbers(g, 1, 9, 2), strict=True)),
    "MixUp": lambda g: {"alpha": choose(g, 0.2, 1.0)},
    "CutMix": lambda g: {"factor": between(g, 0.1, 1)},
}  # fmt: skip

#: What has tests of its own below.
ALSO_COMPARED = (*CATEGORIES, *RANDOM, "RandomColorJitter", "RandAugment", "AugMix")

#: Keras draws or mixes across the axis that is not the batch's.
ONLY_CHANNELS_LAST = {"AutoContrast"}


def random_layers(name: str, index: int) -> tuple[Any, Any, np.ndarray]:
    """Return both libraries' layers with random arguments, and images for them."""
    generator = generator_of(name, index)
    layout = choose(generator, *LAYOUTS)
    if name in ONLY_CHANNELS_LAST:
        layout = "channels_last"
    arguments = {"data_format": layout, **RANDOM[name](generator)}
    if name not in ("Equalization", "AutoContrast", "RandomGrayscale"):
        arguments["seed"] = 5
    theirs, ours = (getattr(library.layers, name)(**arguments) for library in (keras, ls))
    low, high = arguments.get("value_range", (0, 1))
    shape = (3, *image_shape(generator, layout, 3)[-3:])
    return theirs, ours, generator.uniform(low, high, shape).astype("float32")


def as_arrays(drawn: Any) -> Any:
    """Return what Keras drew in the form we draw it."""
    if isinstance(drawn, dict):
        return {key: as_arrays(value) for key, value in drawn.items()}
    if isinstance(drawn, (list, tuple)):
        return type(drawn)(map(as_arrays, drawn))
    return numpy_of(drawn) if hasattr(drawn, "shape") else drawn


def as_tensors(drawn: Any) -> Any:
    """Return what we drew in the form Keras draws it."""
    if isinstance(drawn, dict):
        return {key: as_tensors(value) for key, value in drawn.items()}
    if isinstance(drawn, np.ndarray):
        return keras.ops.convert_to_tensor(drawn)
    return drawn


def tensor_of(x: np.ndarray) -> Any:
    """Return images as a tensor of their own, for Keras adds to what it was given."""
    return keras.ops.convert_to_tensor(x.copy())


def rotation_of(theirs: Any, drawn: Any, shape: tuple[int, ...]) -> Any:
    """Complete our draw of a rotation by the matrix that Keras draws."""
    height, width = (shape[axis] for axis in ((1, 2), (2, 3))[theirs.data_format[9] == "f"])
    zeros, ones = np.zeros(len(drawn["angle"]), "float32"), np.ones(len(drawn["angle"]), "float32")
    parts = (drawn["angle"], zeros, zeros, ones, zeros, zeros)
    matrix = theirs._compute_affine_matrix(
        0.5, 0.5, *(keras.ops.convert_to_tensor(part) for part in parts), height, width
    )
    return {"rotation_matrix": matrix}


@each_configuration(RANDOM)
def test_the_same_draws_give_the_same_images(name: str, index: int) -> None:
    theirs, ours, x = random_layers(name, index)
    drawn = as_arrays(theirs.get_random_transformation(x, training=True))
    expected = numpy_of(theirs.transform_images(tensor_of(x), as_tensors(drawn), training=True))
    found = ours.transform_images(x, drawn, training=True)
    assert found.dtype == expected.dtype
    tolerance = {"atol": 1e-4} if name in ("RandomHue", "RandomPerspective") else {}
    close(found, expected, rtol=1e-4, **tolerance)
    # What we draw, Keras understands.
    mine = ours.get_random_transformation(x)
    also = rotation_of(theirs, mine, x.shape) if name == "RandomRotation" else as_tensors(mine)
    close(
        ours.transform_images(x, mine),
        theirs.transform_images(tensor_of(x), also, training=True),
        rtol=1e-4,
        **tolerance,
    )


def refuses_its_config(layer: Any) -> bool:
    """Tell whether Keras wrote limits that its constructor does not take."""
    shear = type(layer).__name__ == "RandomShear"
    return shear and min(*layer.x_factor, *layer.y_factor) < 0


@each_configuration(RANDOM)
def test_configs_of_random_layers(name: str, index: int) -> None:
    theirs, ours, x = random_layers(name, index)
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    assert comparable(back.get_config()) == comparable(theirs.get_config())
    if not refuses_its_config(theirs):
        there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
        assert comparable(there.get_config()) == comparable(theirs.get_config())
    assert as_lists(ours.compute_output_shape(x.shape)) == as_lists(
        theirs.compute_output_shape(x.shape)
    )
    if name != "RandomCrop":  # Keras leaves images whole at inference, whatever it announces
        close(ours(x, training=False), theirs(x, training=False), rtol=1e-4)
        close(ours(x[0], training=False), theirs(x[0], training=False), rtol=1e-4)


#: Factors that leave nothing to chance.
CERTAIN: dict[str, Arguments] = {
    "RandomTranslation": {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)},
    "RandomRotation": {"factor": (0.13, 0.13)},
    "RandomZoom": {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)},
    "RandomBrightness": {"factor": (0.2, 0.2)},
    "RandomGrayscale": {"factor": 1.0},
    "RandomSaturation": {"factor": (0.3, 0.3)},
    "RandomSharpness": {"factor": (0.9, 0.9)},
    "RandomPosterization": {"factor": (3, 3)},
    "RandomInvert": {"factor": (1, 1)},
    "RandomColorDegeneration": {"factor": (0.4, 0.4)},
    "RandomErasing": {"factor": (1, 1), "scale": (1, 1), "fill_value": 9},
    "RandomGaussianBlur": {"factor": (1, 1), "sigma": (0.7, 0.7)},
    "Solarization": {"addition_factor": (0, 0), "threshold_factor": (0, 0)},
    "Equalization": {},
    "AutoContrast": {},
    "RandomCrop": {"height": 9, "width": 4},
    "RandomColorJitter": {"brightness_factor": (0.1, 0.1), "saturation_factor": (0.4, 0.4)},
}

#: What Keras does to whole numbers: it refuses them, or lets them run over.
REAL_ONLY = {"RandomSaturation", "RandomBrightness"}


@pytest.mark.parametrize("training", [None, True])
@pytest.mark.parametrize("name", CERTAIN)
def test_calls_without_chance(name: str, training: bool | None) -> None:
    generator = generator_of(f"certain {name}")
    theirs, ours = (getattr(library.layers, name)(**CERTAIN[name]) for library in (keras, ls))
    options = {} if training is None else {"training": training}
    for shape in ((2, 6, 5, 3), (6, 5, 3)):
        x = generator.uniform(0, 255, shape).astype("float32")
        if name == "AutoContrast" and len(shape) == 3:
            continue
        close(ours(x, **options), theirs(tensor_of(x), **options), rtol=1e-4)
    if name in REAL_ONLY:
        return
    whole = generator.integers(0, 256, (2, 6, 5, 3)).astype("uint8")
    found, expected = ours(whole, **options), numpy_of(theirs(tensor_of(whole), **options))
    assert found.dtype == expected.dtype
    close(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["RandomColorJitter", "RandAugment", "AugMix"])
def test_policies_describe_themselves(name: str) -> None:
    arguments: Arguments = {"value_range": (0, 1), "seed": 3}
    if name == "RandomColorJitter":
        arguments |= {"brightness_factor": 0.2, "hue_factor": (0.1, 0.3)}
    theirs, ours = (getattr(library.layers, name)(**arguments) for library in (keras, ls))
    assert comparable(ours.get_config()) == comparable(theirs.get_config())
    there = keras.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(ours))))
    back = ls.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(theirs))))
    for one in (there, back):
        assert comparable(one.get_config()) == comparable(theirs.get_config())


@pytest.fixture
def in_double() -> Iterator[None]:
    """Let all layers made inside others compute in float64."""
    before = keras.config.floatx(), ls.config.floatx()
    for library in (keras, ls):
        library.config.set_floatx("float64")
    with double_precision():
        yield
    for library, floatx in zip((keras, ls), before, strict=True):
        library.config.set_floatx(floatx)


#: What cuts fractions off: a value that is whole but for its rounding may jump.
CUTTING = {"equalization", "random_posterization"}


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("name", ["RandAugment", "AugMix"])
@each_index
def test_the_same_policy_gives_the_same_images(
    name: str, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = generator_of(name, index)
    # Keras draws the links of chains from Python's own generator, whatever the seed.
    monkeypatch.setattr(f"{IMAGES}.aug_mix.py_random", random.Random(index))
    arguments = {"value_range": (0, 255), "factor": 0.4, "seed": index}
    theirs, ours = (getattr(library.layers, name)(**arguments) for library in (keras, ls))
    cut: list[Any] = []
    for change in ours._choices():
        make_steady(getattr(theirs, change), keras.ops.round, change in CUTTING, [])
        make_steady(getattr(ours, change), ls.ops.round, change in CUTTING, cut)
    drawn = as_arrays(theirs.get_random_transformation(np.zeros((2, 6, 7, 3)), training=True))
    for _ in range(20):
        cut.clear()
        x = generator.uniform(0, 255, (2, 6, 7, 3))
        found = ours.transform_images(x, drawn)
        if not near_a_half(cut):
            break
    else:
        pytest.fail("All images drawn have values that float32 cannot round reliably.")
    close(found, theirs.transform_images(tensor_of(x), as_tensors_in(drawn)))


def make_steady(layer: Any, whole: Callable[[Any], Any], cutting: bool, cut: list[Any]) -> None:
    """Let a layer change copies, as Keras does not always on torch, and cut only whole numbers.

    What is made whole comes into `cut` as it was before.
    """
    transform = layer.transform_images

    def careful(images: Any, drawn: Any) -> Any:
        if cutting:
            cut.append(images)
        return transform(whole(images) if cutting else images + 0, copy.deepcopy(drawn))

    layer.transform_images = careful


def near_a_half(images: list[Any]) -> bool:
    """Return whether the last digits of float32 decide which way a value is rounded."""
    return any(np.any(np.abs(numpy_of(one) % 1 - 0.5) < 1e-3) for one in images)


def as_tensors_in(drawn: Any) -> Any:
    if isinstance(drawn, list):
        return [as_tensors_in(one) for one in drawn]
    if isinstance(drawn, dict):
        return {key: as_tensors_in(one) for key, one in drawn.items()}
    return as_tensors(drawn)


#: What to look at of a draw, for its distribution.
DRAWS: dict[str, tuple[Arguments, str]] = {
    "RandomFlip": ({}, "flips"),
    "RandomTranslation": ({"height_factor": 0.2, "width_factor": (0.1, 0.4)}, "translations"),
    "RandomRotation": ({"factor": (-0.1, 0.3)}, "angle"),
    "RandomZoom": ({"height_factor": 0.3, "width_factor": (0.1, 0.2)}, "width_zoom"),
    "RandomShear": ({"x_factor": 0.3, "y_factor": (0.1, 0.5)}, "shear_factor"),
    "RandomPerspective": ({"factor": (0.2, 0.8)}, "end_points"),
    "RandomContrast": ({"factor": (0.2, 0.6)}, "contrast_factor"),
    "RandomBrightness": ({"factor": (-0.2, 0.6)}, "rgb_delta"),
    "RandomHue": ({"factor": (0.2, 0.6)}, "factor"),
    "RandomSaturation": ({"factor": (0.2, 0.6)}, "factor"),
    "RandomSharpness": ({"factor": 0.6}, "factor"),
    "RandomPosterization": ({"factor": (2, 6)}, "shift_factor"),
    "RandomInvert": ({"factor": (0.1, 0.5)}, "apply_inversion"),
    "RandomColorDegeneration": ({"factor": 0.5}, "factor"),
    "RandomErasing": ({"factor": (0.1, 0.5)}, "batch_masks"),
    "RandomGaussianBlur": ({"factor": (0.1, 0.5)}, "should_apply_blur"),
    "Solarization": ({"addition_factor": 0.3, "threshold_factor": (0.1, 0.5)}, "thresholds"),
    "MixUp": ({"alpha": 0.4}, "mix_weight"),
    "CutMix": ({"factor": (1, 1)}, "mix_weight"),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_the_same_distribution(name: str) -> None:
    arguments, key = DRAWS[name]
    x = np.zeros((3000, 4, 5, 3), "float32")
    found, expected = (
        as_arrays(getattr(library.layers, name)(seed=8, **arguments).get_random_transformation(x))[
            key
        ].astype(float)
        for library in (ls, keras)
    )
    assert found.shape == expected.shape
    spread = expected.std(axis=0)
    error = 5 * spread / np.sqrt(len(x)) * np.sqrt(2) + 1e-6
    assert np.all(np.abs(found.mean(axis=0) - expected.mean(axis=0)) < error)
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=0.15, atol=1e-6)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_labels_are_mixed_as_images_are(name: str) -> None:
    generator = generator_of(name)
    theirs, ours = getattr(keras.layers, name)(seed=1), getattr(ls.layers, name)(seed=1)
    x = generator.normal(size=(4, 5, 5, 1)).astype("float32")
    labels = np.eye(4, dtype="float32")
    drawn = as_arrays(theirs.get_random_transformation(x))
    expected = theirs.transform_labels(keras.ops.convert_to_tensor(labels), as_tensors(drawn))
    close(ours.transform_labels(labels, drawn), expected)
    mixed = ours({"images": x, "labels": labels})
    np.testing.assert_allclose(mixed["labels"].sum(axis=1), 1, rtol=1e-6)
