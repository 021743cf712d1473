"""What the stack is shown: real digits, or made-up inputs of any shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope.configurable import Configurable, field
from layerscope.datasets import digits
from layerscope_explorer.limits import MAX_OUTPUT
from layerscope_explorer.strings import text

#: How many samples the live pictures are computed on.
SAMPLE = 256
#: Most axes of one input, and their most values.
_MOST_AXES, _MOST_VALUES = 4, MAX_OUTPUT // SAMPLE


class InputData(Configurable):
    """What the stack is shown: handwritten digits, noise, waves, or tokens."""

    kind: ClassVar[str] = "input"
    section: ClassVar[str] = "input"
    formula: ClassVar[str] = ""

    data: Literal["digits", "noise", "waves", "tokens"] = field(
        default="digits",
        help="Digits are real images of 8×8 pixels, standardized. Noise is standard normal. Waves "
        "are sums of sines over steps. Tokens are whole numbers over steps; 0 fills up short ones.",
    )
    shape: tuple[int, ...] = field(
        default=(64,),
        ge=1,
        help="Lengths of one input without the batch: of noise any; of waves steps and features; "
        "of tokens steps. Digits have their own.",
    )
    vocabulary: int = field(
        default=20, ge=2, le=100_000, slider=(2, 1000), help="Tokens are below this number."
    )


#: Arguments that matter for each kind of data, and the shape it starts with.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "digits": ("data",),
    "noise": ("data", "shape"),
    "waves": ("data", "shape"),
    "tokens": ("data", "shape", "vocabulary"),
}
FIRST_SHAPES: Mapping[str, list[int]] = {"noise": [64], "waves": [32, 2], "tokens": [16]}


@dataclass(frozen=True)
class Data:
    """Inputs, and class numbers where there are any, split once for training and for judging.

    Attributes
    ----------
    x : for training and the live pictures: float32 or int32 (n, ...).
    y : class numbers, int32 (n,); None for inputs without classes.
    x_test, y_test : for judging.
    classes : number of classes, 0 where there are none.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    classes: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.x.shape[1:]

    @property
    def sample(self) -> np.ndarray:
        """Inputs the live pictures are computed on."""
        return self.x[:SAMPLE]

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers of the sample, None where there are none."""
        return None if self.y is None else self.y[:SAMPLE]


def data_of(arguments: Mapping[str, Any]) -> Data:
    """Return the data that an input card's arguments stand for.

    Raises
    ------
    ValueError
        If there is no such data, or it would be too large.
    """
    options = InputData(**{**arguments, "shape": tuple(arguments.get("shape", (64,)))})
    if options.data == "digits":
        return digits_data()
    return _made_up(options.data, options.shape, options.vocabulary)


@lru_cache(maxsize=32)
def _made_up(kind: str, shape: tuple[int, ...], vocabulary: int) -> Data:
    axes = {"noise": range(1, _MOST_AXES + 1), "waves": (2,), "tokens": (1,)}[kind]
    if len(shape) not in axes:
        wanted = f"1–{_MOST_AXES}" if kind == "noise" else str(axes[0])
        raise ValueError(text("input.bad_axes", kind=kind, wanted=wanted, have=str(shape)))
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(text("input.too_large", have=str(shape), limit=f"{_MOST_VALUES:,}"))
    makers: dict[str, Callable[[], np.ndarray]] = {
        "noise": lambda: _noise(shape),
        "waves": lambda: _waves(*shape),
        "tokens": lambda: _tokens(shape[0], vocabulary),
    }
    return Data(_read_only(makers[kind]()))


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SAMPLE, *shape), dtype=np.float32)


def _waves(steps: int, features: int) -> np.ndarray:
    """Return two sines of random frequency and phase for each feature."""
    generator = np.random.default_rng(0)
    frequency = generator.uniform(0.5, 4.0, (SAMPLE, 1, features, 2))
    phase = generator.uniform(0.0, 2 * np.pi, frequency.shape)
    time = np.linspace(0.0, 2 * np.pi, steps)[None, :, None, None]
    return np.sin(frequency * time + phase).sum(axis=-1).astype(np.float32)


def _tokens(steps: int, vocabulary: int) -> np.ndarray:
    """Return sequences of unlike lengths, filled up with 0 at the end."""
    generator = np.random.default_rng(0)
    tokens = generator.integers(1, vocabulary, (SAMPLE, steps), dtype=np.int32)
    lengths = generator.integers(max(1, steps // 2), steps + 1, (SAMPLE, 1))
    return np.where(np.arange(steps) < lengths, tokens, 0).astype(np.int32)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@cache
def digits_data() -> Data:
    """Return the handwritten digits, standardized as a whole; shared by all, so read-only."""
    (x, y), (x_test, y_test) = digits.load_data(test_fraction=0.2, seed=0)
    mean, std = float(x.mean()), float(x.std())
    x, x_test = ((one - mean) / std for one in (x, x_test))
    return Data(*map(_read_only, (x, y, x_test, y_test)), classes=10)
