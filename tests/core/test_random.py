"""Seeds, draws and what they leave alone; numbers as classes; nested structures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import layerscope as ls
from layerscope import random
from layerscope.structure import leaves, map_shapes, map_structure


def test_whole_numbers_are_from_an_interval_without_its_end() -> None:
    draws = random.randint((1000,), 2, 5, seed=0)
    assert draws.dtype == "int32"
    assert set(draws.tolist()) == {2, 3, 4}


def test_shuffling_keeps_the_entries() -> None:
    x = np.arange(20).reshape(10, 2)
    shuffled = random.shuffle(x, seed=0)
    assert (shuffled != x).any()
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), x)
    np.testing.assert_array_equal(random.shuffle(x, seed=0), shuffled)


def test_dropping_everything_leaves_zeros() -> None:
    assert not random.dropout(np.ones((3, 4), "float32"), 1.0).any()
    mask = random.dropout_mask((3, 4), "float32", 1.0, (None, 1), seed=0)
    assert mask.shape == (3, 1)


@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ValueError, match=rf"`seed`.*seed={seed!r}"):
        random.SeedGenerator(seed)


def test_a_generator_goes_on() -> None:
    one, other = random.SeedGenerator(3), random.SeedGenerator(3)
    assert [one.next(), one.next()] == [other.next(), other.next()]
    assert one.next() != random.SeedGenerator(3).next()


def test_numbers_as_classes() -> None:
    found = ls.utils.to_categorical(np.array([[0], [2]]))
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 0, 1]])
    assert ls.utils.to_categorical([1], num_classes=4).tolist() == [[0, 1, 0, 0]]
    for numbers in ([3], [-1]):
        with pytest.raises(ValueError, match=f"from 0 to 2.*{numbers[0]}"):
            ls.utils.to_categorical(numbers, num_classes=3)


class Pair(NamedTuple):
    first: Any
    second: Any


def test_structures_keep_their_kind() -> None:
    nested = {"a": Pair(1, [2, (3,)]), "b": 4}
    assert map_structure(lambda one: 10 * one, nested) == {"a": Pair(10, [20, (30,)]), "b": 40}
    assert leaves(nested) == [1, 2, 3, 4]
    shapes = {"a": [(None, 2), [3, 4]], "b": None}
    assert map_shapes(len, shapes) == {"a": [2, 2], "b": None}
