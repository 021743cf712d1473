"""One declaration per argument, and everything that follows from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

import layerscope as ls
from layerscope.configurable import REQUIRED, Configurable, field, fields_of, sizes


class Sample(Configurable):
    """A class with an argument of every kind."""

    count: int = field(ge=1, le=9, help="A number of things.")
    share: float = field(default=0.5, gt=0, lt=1, slider=(0.1, 0.9), help="A share.")
    mode: Literal["fast", "slow"] = field(default="fast", help="How.")
    flag: bool = field(default=True, help="Whether.")
    word: str | None = field(default=None, help="A word.")
    pair: tuple[int, int] = field(default=(1, 1), converter=sizes, ge=1, help="Two numbers.")
    several: tuple[int, ...] = field(default=(), help="Any number of numbers.")
    function: Callable[[Any], Any] | None = field(default=None, help="A function.")
    late: int | None = field(default=None, kw_only=True, help="Only by name.")


def test_fields_follow_from_the_annotations() -> None:
    found = {one.name: one for one in fields_of(Sample)}
    assert {name: one.kind for name, one in found.items()} == {
        "count": "int",
        "share": "float",
        "mode": "choice",
        "flag": "bool",
        "word": "text",
        "pair": "ints",
        "several": "ints",
        "function": "activation",
        "late": "int",
    }
    assert found["mode"].choices == ("fast", "slow")
    assert (found["pair"].length, found["several"].length) == (2, None)
    assert [name for name, one in found.items() if one.optional] == ["word", "function", "late"]
    assert found["count"].default is REQUIRED
    assert (found["share"].slider, found["share"].gt) == ((0.1, 0.9), 0)


def test_values_are_stored_in_one_form() -> None:
    made = Sample(np.int64(3), 1e-3, "slow", np.bool_(False), pair=2, several=[1, 2], late=4)  # pyright: ignore[reportArgumentType]
    assert (made.count, type(made.count)) == (3, int)
    assert (made.flag, type(made.flag)) == (False, bool)
    assert (made.pair, made.several, made.late) == ((2, 2), (1, 2), 4)
    assert made.get_config() == {
        "count": 3,
        "share": 0.001,
        "mode": "slow",
        "flag": False,
        "word": None,
        "pair": (2, 2),
        "several": (1, 2),
        "function": None,
        "late": 4,
    }
    assert Sample.from_config(made.get_config()).get_config() == made.get_config()
    assert repr(Sample(3, word="w")) == "Sample(count=3, word='w')"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "`count` must be an integer at least 1 and at most 9. Received: count=0"),
        ({"count": 2.5}, "Received: count=2.5"),
        ({"count": True}, "Received: count=True"),
        ({"count": None}, "Received: count=None"),
        ({"share": 1}, "`share` must be a number greater than 0 and less than 1"),
        ({"share": float("nan")}, "Received: share=nan"),
        ({"share": "a"}, "Received: share='a'"),
        ({"mode": "odd"}, "`mode` must be one of 'fast', 'slow'. Received: mode='odd'"),
        ({"flag": 1}, "`flag` must be True or False"),
        ({"word": 3}, "`word` must be a string or None"),
        ({"pair": (1, 2, 3)}, "an integer or a tuple of 2 integers, each at least 1"),
        ({"pair": 0}, "Received pair=0, including values {0} that do not satisfy `value > 0`"),
        ({"pair": (1, 2.5)}, "Received: pair=(1, 2.5)"),
        ({"late": "x"}, "`late` must be an integer or None"),
    ],
)
def test_invalid_values_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)argument") as caught:
        Sample(**{"count": 1, **options})
    assert message in str(caught.value)


WRONGLY: Any = Sample


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: WRONGLY(), TypeError, "Sample is missing required argument `count`"),
        (lambda: WRONGLY(1, count=2), TypeError, "two values for argument `count`"),
        (lambda: WRONGLY(*range(10)), TypeError, "at most 8 positional arguments"),
        (lambda: WRONGLY(1, shar=0.2), ValueError, "Did you mean `share`?"),
        (lambda: WRONGLY(1, zzzz=0.2), ValueError, "Valid arguments: count, share"),
    ],
)
def test_wrong_calls_are_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match="Sample") as caught:
        call()
    assert message in str(caught.value)


def test_signature_is_the_declaration() -> None:
    signature = inspect.signature(Sample)
    assert list(signature.parameters) == [one.name for one in fields_of(Sample)]
    assert signature.parameters["late"].kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.parameters["share"].default == 0.5


def test_subclasses_add_and_replace() -> None:
    class More(Sample):
        # A dataclass could not do this, so type checkers do not know it.
        extra: int = field(help="Required.")  # pyright: ignore[reportGeneralTypeIssues]
        share: float = field(default=2.0, ge=1, help="Another range.")

    assert [one.name for one in fields_of(More)][:2] == ["count", "extra"]
    make: Any = More
    assert make(1, 2).share == 2.0
    with pytest.raises(ValueError, match="at least 1"):
        make(1, 2, share=0.5)
    assert Sample(1).share == 0.5


def test_a_class_without_arguments_takes_none() -> None:
    class Nothing(Configurable):
        pass

    class Below(Nothing):
        pass

    assert Below().get_config() == {}
    assert repr(Below()) == "Below()"
    with pytest.raises(ValueError, match=r"passed to Below.*Valid arguments: none"):
        Below(foo=1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="at most 0"):
        Below(1)  # pyright: ignore[reportCallIssue]


class _Ranked(Configurable):
    lengths: tuple[int, ...] = field(converter=sizes, per_axis=True, ge=1, help="Lengths.")
    steps: tuple[int, ...] = field(default=1, per_axis=True, help="Steps.")
    last: bool = field(default=False, help="Last.")


class _OverPlanes(_Ranked):
    rank: ClassVar[int] = 2
    between: int = field(default=0, after="lengths", help="Between.")


def test_one_number_per_axis_as_the_rank_says() -> None:
    made: Any = _OverPlanes(3)
    assert (made.lengths, made.steps) == ((3, 3), (1, 1))
    with pytest.raises(ValueError, match=r"tuple of 2 integers.*lengths=\(1, 2, 3\)"):
        _OverPlanes((1, 2, 3))
    assert inspect.signature(_OverPlanes).parameters["steps"].default == (1, 1)


def test_an_argument_may_follow_one_of_a_base_class() -> None:
    assert list(inspect.signature(_OverPlanes).parameters) == [
        "lengths",
        "between",
        "steps",
        "last",
    ]
    assert [one.name for one in fields_of(_OverPlanes)] == ["lengths", "between", "steps", "last"]


class _Placed(_OverPlanes):
    _positional: ClassVar[dict[str, str]] = {"late": "steps", "unknown": "nowhere"}
    axis: int | tuple[int, ...] = field(default=-1, ge=-3, help="One or several.")
    late: int | None = field(default=None, kw_only=True, help="By name elsewhere.")


def test_an_argument_of_a_base_class_may_be_placed() -> None:
    class Below(_Placed):
        pass

    for cls in (_Placed, Below):
        parameters = inspect.signature(cls).parameters
        assert list(parameters) == ["lengths", "between", "steps", "late", "last", "axis"]
        assert parameters["late"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def test_arguments_of_base_classes_may_stand_last_in_another_order() -> None:
    class Named(Configurable):
        _last: ClassVar[tuple[str, ...]] = ("reduction", "name")
        name: str | None = field(default=None, kw_only=True, help="By name only.")
        reduction: str = field(default="sum", kw_only=True, help="By name only.")

    class Below(Named):
        share: float = field(default=0.5, help="Of its own.")

    parameters = inspect.signature(Below).parameters
    assert list(parameters) == ["share", "reduction", "name"]
    assert {one.kind for one in parameters.values()} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    made: Any = Below
    assert (made(0.25, "mean", "loss").name, made(0.25, "mean").reduction) == ("loss", "mean")


def test_one_axis_is_not_several() -> None:
    make: Any = _Placed
    assert make(1, axis=np.int64(2)).axis == 2
    assert make(1, axis=[2, 1]).axis == (2, 1)
    for axis in (-4, (0, -4), 1.5, "x"):
        with pytest.raises(ValueError, match=r"axis"):
            make(1, axis=axis)


def test_an_array_is_shown() -> None:
    made = ls.initializers.Constant(np.arange(2.0))
    assert repr(made) == "Constant(value=array([0., 1.]))"


def test_a_rank_leaves_a_constructor_written_by_hand_alone() -> None:
    class Written(Configurable):
        def __init__(self, value: int) -> None:
            self.value = value

    class Below(Written):
        rank: ClassVar[int] = 2

    made: Any = Below
    assert made(3).value == 3


def test_what_a_class_sets_itself_is_no_argument() -> None:
    class Quick(Sample):
        count = 3
        word = "said"

    made: Any = Quick
    assert "count" not in inspect.signature(Quick).parameters
    assert (made().count, made().word, made(0.25).share) == (3, "said", 0.25)
    assert not {"count", "word"} & made().get_config().keys()
