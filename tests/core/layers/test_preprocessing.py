"""What preprocessing layers learn, draw and hand on, by laws that need no reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from core.layers.test_contract import BUILT_IN
from layerscope import layers
from layerscope.layers.preprocessing.image_layer import _ImageLayer, _RandomImageLayer
from layerscope.layers.preprocessing.resizing import _ImagesOfSize

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 6, 5, 3)).astype("float32")

IMAGE_LAYERS: list[Any] = [cls for cls in BUILT_IN if issubclass(cls, _ImageLayer)]
RANDOM_LAYERS: list[Any] = [cls for cls in IMAGE_LAYERS if issubclass(cls, _RandomImageLayer)]


def on_colours(cls: Any, **options: Any) -> Any:
    """Return a layer with the arguments of its first example, for images up to 255."""
    arguments = {**cls.examples[0].arguments, **options}
    arguments.pop("value_range", None)
    return cls(**arguments)


@pytest.mark.parametrize("cls", RANDOM_LAYERS)
def test_a_seed_repeats_what_is_drawn(cls: Any) -> None:
    first, again, other = (on_colours(cls, seed=seed) for seed in (3, 3, 4))
    sequence = [first(IMAGES) for _ in range(4)]
    np.testing.assert_array_equal(sequence, [again(IMAGES) for _ in range(4)])
    everything = [*sequence, *(other(IMAGES) for _ in range(4))]
    assert any(not np.array_equal(everything[0], one) for one in everything[1:])


@pytest.mark.parametrize("cls", RANDOM_LAYERS)
def test_nothing_is_drawn_at_inference(cls: Any) -> None:
    layer = on_colours(cls)
    before = np.array(layer.generator.state.value)
    out = layer(IMAGES, training=False)
    np.testing.assert_array_equal(layer.generator.state.value, before)
    if not issubclass(cls, _ImagesOfSize):
        np.testing.assert_array_equal(out, IMAGES)


@pytest.mark.parametrize("cls", IMAGE_LAYERS)
def test_one_image_is_a_batch_of_one(cls: Any) -> None:
    if cls.__name__ == "CutMix":
        pytest.skip("one image alone has nothing to be mixed with")
    one, batch = on_colours(cls), on_colours(cls)
    drawn = one.get_random_transformation(IMAGES[0])
    np.testing.assert_array_equal(
        one.transform_images(IMAGES[0], drawn), batch.transform_images(IMAGES[:1], drawn)[0]
    )


@pytest.mark.parametrize("cls", IMAGE_LAYERS)
def test_the_layout_does_not_matter(cls: Any) -> None:
    # Random values are drawn in the order in which the layout has them.
    options: Any = {"fill_value": 7.0} if cls.__name__ == "RandomErasing" else {}
    last = on_colours(cls, data_format="channels_last", **options)
    first = on_colours(cls, data_format="channels_first", **options)
    swapped = np.ascontiguousarray(np.moveaxis(IMAGES, -1, 1))
    found = np.moveaxis(first(swapped), 1, -1)
    np.testing.assert_allclose(found, last(IMAGES), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("cls", IMAGE_LAYERS)
def test_what_belongs_to_images_goes_with_them(cls: Any) -> None:
    layer = on_colours(cls)
    masks = np.random.default_rng(1).integers(0, 4, (4, 6, 5, 1)).astype("float32")
    labels = np.eye(4, dtype="float32")
    out = layer({"images": IMAGES, "segmentation_masks": masks, "labels": labels})
    assert out["segmentation_masks"].shape[:3] == out["images"].shape[:3]
    if cls.__name__ not in ("MixUp", "AugMix", "CenterCrop", "RandomCrop"):
        assert set(np.unique(out["segmentation_masks"])) <= {0, 1, 2, 3}
    np.testing.assert_allclose(out["labels"].sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="bounding_boxes"):
        layer({"images": IMAGES, "bounding_boxes": np.zeros((4, 1, 4))})


def test_brightness_stays_in_the_range_of_whole_numbers() -> None:
    layer = layers.RandomBrightness(factor=(0.2, 0.2))
    found = layer(np.array([0, 100, 240], "uint8").reshape(1, 1, 3, 1))
    assert found.dtype == "uint8"
    assert found.ravel().tolist() == [51, 151, 255]


def test_normalization_learns_mean_and_variance() -> None:
    data = np.random.default_rng(0).normal(3, 2, (60, 4)).astype("float32")
    layer, back = layers.Normalization(), layers.Normalization(invert=True)
    layer.adapt(data)
    back.adapt([data[:20], data[20:]])
    out = layer(data)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(back(out), data, rtol=1e-4)


def test_bins_of_learned_boundaries_are_equally_full() -> None:
    data = np.random.default_rng(0).exponential(size=1000)
    layer = layers.Discretization(num_bins=5, epsilon=0.001)
    layer.adapt(data)
    np.testing.assert_allclose(np.bincount(layer(data)), 200, atol=10)


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup"])
def test_a_vocabulary_there_and_back(name: str) -> None:
    tokens: Any = ["c", "a", "b"] if name == "StringLookup" else [30, 10, 20]
    data = np.repeat(tokens, [5, 3, 1])
    layer = getattr(layers, name)()
    layer.adapt(data)
    assert layer.get_vocabulary(include_special_tokens=False) == tokens
    back = getattr(layers, name)(vocabulary=layer.get_vocabulary(), invert=True)
    np.testing.assert_array_equal(back(layer(data)), data)
    copy = ls.layers.deserialize(json.loads(json.dumps(ls.layers.serialize(layer))))
    np.testing.assert_array_equal(copy(data), layer(data))


def test_vocabularies_in_files(tmp_path: Path) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text("10\n20\n")
    assert layers.IntegerLookup(vocabulary=str(path))([20, 10, 5]).tolist() == [2, 1, 0]
    assert layers.StringLookup(vocabulary=str(path))(["20", "x"]).tolist() == [2, 0]
    path.write_text("10\nten\n")
    with pytest.raises(ValueError, match=r"numbers\.txt.*'ten'"):
        layers.IntegerLookup(vocabulary=str(path))
    for name in ("StringLookup", "TextVectorization"):
        with pytest.raises(ValueError, match=r"numbers\.txt"):
            getattr(layers, name).from_config({"vocabulary": str(path)})


def test_texts_become_words() -> None:
    layer = layers.TextVectorization(ngrams=(2,))
    layer.adapt(["a b c", "a b", "b"])
    assert layer.get_vocabulary() == ["", "[UNK]", "a b", "b c"]
    assert layer([["A, b C!"], ["c"]]).tolist() == [[2, 3], [0, 0]]
    one_hot = layers.TextVectorization(output_mode="one_hot", vocabulary=["a", "b"])
    assert one_hot(["a b", "b"]).tolist() == [[[0, 1, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 0]]]
    assert one_hot(["b"]).shape == (1, 1, 3)
    with pytest.raises(ValueError, match=r"inputs\.shape=\(1, 2\)"):
        layer([["a", "b"]])


def commas(texts: np.ndarray) -> list[list[str]]:
    return [text.split(",") for text in texts.tolist()]


def test_functions_cut_texts_too() -> None:
    layer = layers.TextVectorization(
        standardize=np.char.upper, split=commas, vocabulary=["A B", "C"]
    )
    assert layer(["a b,c", "c"]).tolist() == [[2, 3], [3, 0]]
    cutting = layers.TextVectorization(split=commas, standardize=None, vocabulary=["a"])
    config = json.loads(json.dumps(ls.layers.serialize(cutting)))
    with pytest.raises(TypeError, match=r"(?s)`split`.*commas"):
        ls.layers.deserialize(config)
    copy = ls.layers.deserialize(config, custom_objects={"commas": commas})
    assert copy(["a,b"]).tolist() == [[2, 1]]
