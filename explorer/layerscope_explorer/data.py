"""What the stack is shown: real digits, or made-up inputs of any shape."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope.configurable import Configurable, field
from layerscope.datasets import digits
from layerscope_explorer import own_data
from layerscope_explorer.limits import MAX_OUTPUT
from layerscope_explorer.own_data import MOST_CLASSES
from layerscope_explorer.strings import text
from layerscope_explorer.toys import TOYS

#: How many samples the live pictures are computed on.
SAMPLE = 256
#: Most axes of one input, and their most values.
MOST_AXES, MOST_VALUES = 4, MAX_OUTPUT // SAMPLE
#: Kind of data that a person brings.
OWN = "own"


class InputData(Configurable):
    """What the stack is shown: digits, points to tell apart, sequences, noise, or your own data."""

    kind: ClassVar[str] = "input"
    section: ClassVar[str] = "input"
    formula: ClassVar[str] = ""

    data: Literal[
        "digits", "spiral", "circles", "xor", "gauss", "ripple", "chirps", "noise", "waves",
        "tokens", "own",
    ] = field(
        default="digits",
        help="Digits are real images of 8×8 pixels, standardized. Spiral, circles, xor and gauss "
        "are points of two classes in the plane; a ripple is a height over it. Chirps are "
        "sequences that swing faster, slower or evenly. Noise is standard normal, waves are sums "
        "of sines, tokens are whole numbers over steps, 0 filling up short ones: with nothing to "
        "learn. Own data is loaded in the Train lens.",
    )  # fmt: skip
    shape: tuple[int, ...] = field(
        default=(64,),
        ge=1,
        help="Lengths of one input without the batch: of noise any; of waves steps and features; "
        "of tokens steps. Digits have their own.",
    )
    vocabulary: int = field(
        default=20, ge=2, le=100_000, slider=(2, 1000), help="Tokens are below this number."
    )
    jitter: float = field(
        default=0.1, ge=0.0, le=1.0, help="Spread of the noise that is added: 0 is the pure form."
    )
    points: int = field(
        default=500, ge=50, le=5000, slider=(50, 2000), help="How many samples there are."
    )
    file: str = field(default="", help="Name of the file.")
    digest: str = field(default="", help="SHA-256 of its bytes.")
    target: str = field(default="", help="What is learned.")
    classes: int = field(default=0, ge=0, le=MOST_CLASSES, help="How many classes it has.")


#: Arguments that matter for each kind of data, and the shape it starts with.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "digits": ("data",),
    **dict.fromkeys(TOYS, ("data", "jitter", "points")),
    "noise": ("data", "shape"),
    "waves": ("data", "shape"),
    "tokens": ("data", "shape", "vocabulary"),
    OWN: ("data", "shape", "file", "digest", "target", "classes"),
}
#: Those that a person may type: what a file is called and holds is for the file to say.
EDITABLE: Mapping[str, tuple[str, ...]] = {**ARGUMENTS, OWN: ("data",)}
FIRST_SHAPES: Mapping[str, list[int]] = {"noise": [64], "waves": [32, 2], "tokens": [16]}


@dataclass(frozen=True)
class Data:
    """Inputs, and targets where there are any, split once for training and for judging.

    Attributes
    ----------
    x : for training and the live pictures: float32 or int32 (n, ...).
    y : class numbers, int32 (n,), or numbers, float32 (n, k); None for inputs without targets.
    x_test, y_test : for judging.
    classes : number of classes, 0 where there are none.
    names : of the classes, where they have any but their numbers.
    scale : mean and spread that numbers to be learned had before they were standardized.
    missing : name of the file that would be needed, and is not here.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    classes: int = 0
    names: tuple[str, ...] = ()
    scale: tuple[float, float] = (0.0, 1.0)
    missing: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.x.shape[1:]

    @property
    def sample(self) -> np.ndarray:
        """Inputs the live pictures are computed on."""
        return self.x[:SAMPLE]

    @property
    def targets(self) -> np.ndarray | None:
        """What is to be learned of the sample, None where there is nothing."""
        return None if self.y is None else self.y[:SAMPLE]

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers of the sample, None where there are none."""
        return self.targets if self.classes else None

    @property
    def outputs(self) -> int:
        """How many numbers a stack gives that learns this: one per class, or what is learned."""
        if self.y is None:
            return 0
        return self.classes or self.y.shape[1]


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
    if options.data in TOYS:
        return _toy(options.data, options.points, options.jitter)
    if options.data == OWN:
        return _own(options)
    return _made_up(options.data, options.shape, options.vocabulary)


@lru_cache(maxsize=32)
def _toy(name: str, points: int, jitter: float) -> Data:
    """Return a task with half as many points again for judging."""
    draw, classes = TOYS[name]
    sets = [
        draw(count, jitter, np.random.default_rng(seed))
        for seed, count in enumerate((points, max(points // 2, 2)))
    ]
    (x, y), (x_test, y_test) = sets
    order = np.random.default_rng(2).permutation(len(x))
    kinds = (np.float32, np.int32 if classes else np.float32)
    arrays = (x[order], y[order], x_test, y_test)
    return Data(
        *(_read_only(one.astype(kind)) for one, kind in zip(arrays, kinds * 2, strict=True)),
        classes=classes,
    )


def own_arguments(file: own_data.OwnFile, target: str) -> dict[str, Any]:
    """Return an input card's arguments for a file and what is learned from it.

    Raises
    ------
    ValueError
        If nothing can be learned from it, or one input is too large.
    """
    samples = file.samples(target)
    shape = samples.x.shape[1:]
    _check_size(shape)
    return {
        "data": OWN,
        "shape": list(shape),
        "file": file.name,
        "digest": file.digest,
        "target": target,
        "classes": len(samples.names),
    }


def _own(options: InputData) -> Data:
    """Return a person's data; noise of the same shape where the file is not here."""
    named = isinstance(options.file, str) and 0 < len(options.file) <= 120
    if not named or not re.fullmatch("[0-9a-f]{64}", options.digest) or len(options.target) > 120:
        raise ValueError(text("input.no_file"))
    file = own_data.find(options.digest)
    if file is None or options.target not in file.targets:
        stand_in = _made_up("noise", options.shape, options.vocabulary)
        return Data(stand_in.x, missing=options.file)
    samples = file.samples(options.target)
    return Data(
        samples.x, samples.y, samples.x_test, samples.y_test,
        len(samples.names), samples.names, samples.scale,
    )  # fmt: skip


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MOST_VALUES:
        raise ValueError(text("input.too_large", have=str(shape), limit=f"{MOST_VALUES:,}"))


@lru_cache(maxsize=32)
def _made_up(kind: str, shape: tuple[int, ...], vocabulary: int) -> Data:
    axes = {"noise": range(1, MOST_AXES + 1), "waves": (2,), "tokens": (1,)}[kind]
    if len(shape) not in axes:
        wanted = f"1–{MOST_AXES}" if kind == "noise" else str(axes[0])
        raise ValueError(text("input.bad_axes", kind=kind, wanted=wanted, have=str(shape)))
    _check_size(shape)
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
