"""Pooling, resizing and noise layers do what Keras's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from oracle.layer_comparison import (
    Arguments,
    Configuration,
    Draw,
    comparison_of,
    each_configuration,
)
from oracle.reference import (
    ON_TORCH,
    choose,
    close,
    gradients_of,
    keras,
    numbers,
    numpy_of,
    only_right_on_jax,
)


def input_shape(
    generator: np.random.Generator, smallest: tuple[int, ...], layout: str
) -> tuple[int, ...]:
    spatial = tuple(int(n + generator.integers(0, 4)) for n in smallest)
    batch, channels = numbers(generator, 1, 4, 2)
    if layout == "channels_first":
        return batch, channels, *spatial
    return batch, *spatial, channels


def layout_of(generator: np.random.Generator) -> str:
    return choose(generator, "channels_last", "channels_first")


def pooling(rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        size, layout = numbers(generator, 1, 5, rank), layout_of(generator)
        arguments = {
            "pool_size": choose(generator, size, size[0]),
            "strides": choose(generator, None, numbers(generator, 1, 4, rank), 2),
            "padding": choose(generator, "valid", "same"),
            "data_format": layout,
        }
        return arguments, input_shape(generator, (max(size),) * rank, layout)

    return make


def adaptive_pooling(rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        size, layout = numbers(generator, 1, 5, rank), layout_of(generator)
        arguments = {"output_size": choose(generator, size, size[0]), "data_format": layout}
        return arguments, input_shape(generator, (1,) * rank, layout)

    return make


def global_pooling(rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        layout = layout_of(generator)
        arguments = {"data_format": layout, "keepdims": choose(generator, True, False)}
        return arguments, input_shape(generator, (1,) * rank, layout)

    return make


def borders(name: str, rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        layout = layout_of(generator)
        pairs = tuple(numbers(generator, 0, 3, 2) for _ in range(rank))
        forms: list[Any] = [pairs[0][0], pairs[0] if rank == 1 else pairs]
        if rank > 1:
            forms.append(tuple(before for before, _ in pairs))
        arguments = {name: choose(generator, *forms), "data_format": layout}
        if (name, rank) == ("cropping", 1):
            layout = arguments.pop("data_format") and "channels_last"
        return arguments, input_shape(generator, (5 if name == "cropping" else 1,) * rank, layout)

    return make


def up_sampling(rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        size, layout = numbers(generator, 1, 4, rank), layout_of(generator)
        if rank == 1:
            return {"size": size[0]}, input_shape(generator, (1,), "channels_last")
        arguments = {"size": choose(generator, size, size[0]), "data_format": layout}
        if rank == 2:
            arguments["interpolation"] = choose(
                generator, "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"
            )
        return arguments, input_shape(generator, (1,) * rank, layout)

    return make


def permute(generator: np.random.Generator) -> Configuration:
    rank = int(generator.integers(1, 5))
    dims = tuple(int(n) + 1 for n in generator.permutation(rank))
    return {"dims": dims}, numbers(generator, 1, 5, rank + 1)


def repeat_vector(generator: np.random.Generator) -> Configuration:
    return {"n": int(generator.integers(1, 6))}, numbers(generator, 1, 5, 2)


def activity_regularization(generator: np.random.Generator) -> Configuration:
    factors = [float(choose(generator, 0.0, value)) for value in generator.uniform(0, 1, 2)]
    rank = int(generator.integers(1, 4))
    return {"l1": factors[0], "l2": factors[1]}, numbers(generator, 1, 5, rank)


def rate(generator: np.random.Generator) -> Arguments:
    return {"rate": round(float(generator.uniform(0, 0.9)), 3), "seed": 3}


def spatial_dropout(rank: int) -> Draw:
    def make(generator: np.random.Generator) -> Configuration:
        layout = layout_of(generator)
        arguments = rate(generator) | ({"data_format": layout} if rank > 1 else {})
        return arguments, input_shape(generator, (2,) * rank, layout)

    return make


def gaussian_noise(generator: np.random.Generator) -> Configuration:
    return {"stddev": rate(generator)["rate"], "seed": 3}, (3, 4)


def gaussian_dropout(generator: np.random.Generator) -> Configuration:
    return rate(generator), (3, 4)


def alpha_dropout(generator: np.random.Generator) -> Configuration:
    noise_shape = choose(generator, None, (None, 1), (3, 4))
    return rate(generator) | {"noise_shape": noise_shape}, (3, 4)


RANKS = (1, 2, 3)
CONFIGURATIONS: dict[str, Draw] = {
    **{f"MaxPooling{rank}D": pooling(rank) for rank in RANKS},
    **{f"AveragePooling{rank}D": pooling(rank) for rank in RANKS},
    **{f"AdaptiveMaxPooling{rank}D": adaptive_pooling(rank) for rank in RANKS},
    **{f"AdaptiveAveragePooling{rank}D": adaptive_pooling(rank) for rank in RANKS},
    **{f"GlobalMaxPooling{rank}D": global_pooling(rank) for rank in RANKS},
    **{f"GlobalAveragePooling{rank}D": global_pooling(rank) for rank in RANKS},
    **{f"Cropping{rank}D": borders("cropping", rank) for rank in RANKS},
    **{f"ZeroPadding{rank}D": borders("padding", rank) for rank in RANKS},
    **{f"UpSampling{rank}D": up_sampling(rank) for rank in RANKS},
    **{f"SpatialDropout{rank}D": spatial_dropout(rank) for rank in RANKS},
    "Permute": permute,
    "RepeatVector": repeat_vector,
    "GaussianNoise": gaussian_noise,
    "GaussianDropout": gaussian_dropout,
    "AlphaDropout": alpha_dropout,
    "ActivityRegularization": activity_regularization,
}


@each_configuration(CONFIGURATIONS)
def test_layer(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    compared.check_values()
    compared.check_config()


@each_configuration(CONFIGURATIONS)
def test_unknown_lengths(name: str, index: int) -> None:
    compared = comparison_of(CONFIGURATIONS, name, index)
    if "interpolation" in compared.ours.get_config():
        pytest.skip("Keras needs the lengths to resize")
    unknown = (None,) * len(compared.shape)
    expected = tuple(compared.theirs.compute_output_shape(unknown))
    assert compared.ours.compute_output_shape(unknown) == expected


@pytest.mark.parametrize(
    "kind", ["Max", pytest.param("Average", marks=only_right_on_jax("AveragePooling2D"))]
)
def test_special_values_and_ties_in_windows(kind: str) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        x = generator.integers(-1, 2, (2, 6, 5, 2)).astype("float32")
        at = generator.random(x.shape) < 0.1
        x[at] = generator.choice([np.nan, np.inf, -np.inf], size=int(at.sum()))
        arguments = {"pool_size": (3, 2), "strides": 2, "padding": "same"}
        theirs = getattr(keras.layers, f"{kind}Pooling2D")(**arguments)
        ours = getattr(ls.layers, f"{kind}Pooling2D")(**arguments)
        close(ours(x), theirs(x))
        x = np.nan_to_num(x, nan=1, posinf=1, neginf=-1)
        (wanted,) = gradients_of(lambda value, layer=theirs: keras.ops.sum(layer(value) ** 2), x)
        found = ls.value_and_grad(lambda value, layer=ours: ls.ops.sum(layer(value) ** 2))(x)[1]
        close(found, wanted)


# --- random layers -----------------------------------------------------------------------------


def trained(layer: Any, x: np.ndarray) -> np.ndarray:
    return numpy_of(layer(x, training=True))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GaussianNoise", {"stddev": 0.3}),
        ("GaussianNoise", {"stddev": 1.0}),
        ("GaussianDropout", {"rate": 0.3}),
        ("GaussianDropout", {"rate": 0.8}),
        ("AlphaDropout", {"rate": 0.2}),
        ("AlphaDropout", {"rate": 0.7}),
    ],
)
def test_noise_has_the_same_distribution(name: str, arguments: Arguments) -> None:
    x = np.random.default_rng(0).normal(size=400_000).astype("float32")
    expected = trained(getattr(keras.layers, name)(**arguments, seed=0), x)
    found = trained(getattr(ls.layers, name)(**arguments, seed=0), x)
    assert found.mean() == pytest.approx(expected.mean(), abs=0.02)
    assert found.std() == pytest.approx(expected.std(), rel=0.02)
    levels = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(
        np.quantile(found, levels), np.quantile(expected, levels), atol=0.03, rtol=0.03
    )
    assert np.corrcoef(x, found)[0, 1] == pytest.approx(np.corrcoef(x, expected)[0, 1], abs=0.01)


def test_alpha_dropout_has_the_same_two_values() -> None:
    x = np.zeros((100, 10), "float32")
    for noise_shape in (None, (None, 1), (1, 10)):
        arguments = {"rate": 0.4, "noise_shape": noise_shape, "seed": 0}
        expected = trained(keras.layers.AlphaDropout(**arguments), x)
        found = trained(ls.layers.AlphaDropout(**arguments), x)
        np.testing.assert_allclose(np.unique(found), np.unique(expected), rtol=1e-5)
        for axis in (0, 1):
            # The same value along the axes the mask is broadcast over, in both.
            constant = [bool((one == one.take([0], axis)).all()) for one in (found, expected)]
            assert constant[0] == constant[1]


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_spatial_dropout_takes_whole_channels(rank: int, layout: str) -> None:
    if rank == 1 and layout == "channels_first":
        pytest.skip("a sequence has its channels last")
    first = layout == "channels_first"
    shape = (40, 50, *(2,) * rank) if first else (40, *(2,) * rank, 50)
    spatial = tuple(range(2, rank + 2)) if first else tuple(range(1, rank + 1))
    options = {"data_format": layout} if rank > 1 else {}
    for library in (keras, ls):
        layer = getattr(library.layers, f"SpatialDropout{rank}D")(0.3, seed=0, **options)
        out = trained(layer, np.ones(shape, "float32"))
        assert (out.max(spatial) == out.min(spatial)).all()
        np.testing.assert_allclose(np.unique(out), [0, 1 / 0.7], rtol=1e-6)
        assert (out == 0).mean() == pytest.approx(0.3, abs=0.05)


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("AveragePooling2D", {}, None),
        ("MaxPooling2D", {"pool_size": (1, 2, 3)}, None),
        pytest.param(
            *("MaxPooling2D", {"padding": "full"}, (1, 3, 3, 1)),
            marks=[
                pytest.mark.on_jax,
                pytest.mark.skipif(ON_TORCH, reason="Keras on torch takes any word for 'valid'"),
            ],
        ),
        ("GlobalMaxPooling2D", {"data_format": "middle"}, None),
        ("Cropping1D", {"cropping": 3}, (1, 6, 1)),
        ("Cropping2D", {"cropping": 4}, (1, 6, 7, 1)),
        ("Cropping2D", {"cropping": (1, 2, 3)}, None),
        ("Cropping2D", {"cropping": -1}, None),
        ("Cropping3D", {"cropping": "1"}, None),
        ("ZeroPadding2D", {"padding": ((1, 2), (3,))}, None),
        ("ZeroPadding1D", {"padding": (1, 2, 3)}, None),
        ("UpSampling1D", {"size": 2.0}, None),
        ("UpSampling1D", {"size": 0}, None),
        ("UpSampling2D", {"interpolation": "area"}, (1, 2, 2, 1)),
        ("UpSampling3D", {"size": (1, 2)}, None),
        ("Permute", {"dims": (0, 1)}, None),
        ("Permute", {"dims": (2, 1)}, (2, 3)),
        ("RepeatVector", {"n": 2.0}, None),
        ("RepeatVector", {"n": 0}, None),
        ("GaussianNoise", {"stddev": 2.0}, None),
        ("GaussianDropout", {"rate": 1.5}, None),
        ("GaussianDropout", {"rate": 1.0}, (2, 3)),
        ("AlphaDropout", {"rate": 1.0}, (2, 3)),
        ("SpatialDropout1D", {"rate": 0.5}, (2, 3)),
    ],
)
def test_errors_are_of_the_same_type(
    name: str, arguments: Arguments, shape: tuple[int, ...] | None
) -> None:
    def attempt(library: Any) -> None:
        layer = getattr(library.layers, name)(**arguments)
        if shape is not None:
            options = {"training": True} if "rate" in arguments else {}
            layer(np.ones(shape, "float32"), **options)

    raised = []
    for library in (keras, ls):
        with pytest.raises((TypeError, ValueError, ZeroDivisionError)) as caught:
            attempt(library)
        raised.append(caught.type)
    theirs, ours = raised
    assert issubclass(ours, theirs)


@pytest.mark.parametrize("name", ["MaxPooling1D", "AveragePooling1D"])
@pytest.mark.parametrize("size", [4, 9])
def test_a_window_longer_than_the_sequence(name: str, size: int) -> None:
    for library in (keras, ls):
        with pytest.raises(ValueError, match="zero or negative"):
            getattr(library.layers, name)(size)(library.Input((3, 1)))
        with pytest.raises(ValueError, match="zero or negative"):
            getattr(library.layers, name)(size).compute_output_shape((1, 3, 1))
    found = getattr(ls.layers, name)(size)(np.ones((1, 3, 1), "float32"))
    # On torch Keras refuses arrays too, on JAX it returns nothing for them.
    if ON_TORCH:
        assert found.shape == (1, 0, 1)
    else:
        close(found, getattr(keras.layers, name)(size)(np.ones((1, 3, 1), "float32")))
