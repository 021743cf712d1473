"""Lessons: what a file may say, that each can be completed, and none by doing nothing."""

from __future__ import annotations

import pytest

from explorer.lesson_answers import SOLUTIONS
from layerscope_explorer.components.lesson_card import LessonCard
from layerscope_explorer.conditions import Condition
from layerscope_explorer.edits import set_argument
from layerscope_explorer.facts import Facts
from layerscope_explorer.lesson import LANGUAGES, lesson_of, read_lesson
from layerscope_explorer.lessons import LESSONS, lesson
from layerscope_explorer.presets import PRESETS, why_did_it_die
from layerscope_explorer.rules import AREAS, Rules, changes
from layerscope_explorer.session import Session
from layerscope_explorer.snapshot import TrainingState
from layerscope_explorer.task import Task
from layerscope_explorer.tutor import Tutor


def begun(name: str) -> tuple[Session, Tutor]:
    session = Session()
    tutor = Tutor(session)
    tutor.begin(lesson(name))
    return session, tutor


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_completed_by_what_it_asks_for(name: str) -> None:
    session, tutor = begun(name)
    solutions = iter(SOLUTIONS[name])
    for number, step in enumerate(lesson(name).steps):
        assert session.progress.step == number
        if step.ask is not None:
            tutor.guess(step.ask.right)
        if step.goal is not None:
            assert not tutor.done, step.goal.source
            next(solutions)(session)
            assert session.notice == ""
        assert tutor.done, step.goal and step.goal.source
        tutor.forward()
    assert session.progress.finished
    assert next(solutions, None) is None


@pytest.mark.parametrize("name", LESSONS)
def test_no_lesson_is_completed_by_doing_nothing(name: str) -> None:
    session, tutor = begun(name)
    for _ in range(2 * len(lesson(name).steps)):
        tutor.forward()
        session.reset_weights()
    assert session.progress.step == 0
    assert not session.progress.finished


@pytest.mark.parametrize("name", LESSONS)
def test_answers_alone_do_not_complete_a_lesson(name: str) -> None:
    session, tutor = begun(name)
    for _ in range(2 * len(lesson(name).steps)):
        tutor.guess(0)
        tutor.forward()
    assert not session.progress.finished


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_speaks_every_language(name: str) -> None:
    for step in lesson(name).steps:
        said = [step.say, step.hint or step.say, lesson(name).title]
        if step.ask is not None:
            said += [step.ask.question, step.ask.because, *step.ask.options]
        for one in said:
            assert set(one) == set(LANGUAGES)
            words = {"L1", "L2"} & set(one.values()) or any("×" in text for text in one.values())
            assert words or one["en"] != one["zh"], one


def test_a_prediction_is_asked_for_before_anything_is_shown() -> None:
    session, tutor = begun("initializers")
    card = LessonCard(session, tutor)
    before = session.document
    assert "right" not in card.content["ask"]
    assert not card.content["done"]
    card._handle_msg({"type": "guess", "option": 0})
    assert session.document != before
    assert card.content["ask"]["because"].startswith("It is otherwise.")
    assert card.content["done"]
    shown = session.document
    card._handle_msg({"type": "guess", "option": 2})
    assert session.progress.answer == 0
    assert session.document == shown


def test_what_a_step_locks_cannot_be_changed() -> None:
    session, tutor = begun("initializers")
    tutor.guess(2)
    tutor.forward()
    before = session.document
    session.set_argument("layer3", "units", 3)
    session.add_layer("Dense")
    session.remove_layer("layer2")
    session.set_seed(5)
    session.set_phase("inference")
    session.reroll_layer("layer2")
    session.set_json(Session().json().replace('"units": 64', '"units": 8'))
    assert session.document == before
    assert "Locked here" in session.notice
    session.undo()
    assert session.document == before
    session.set_argument("layer3", "kernel_initializer", "he_normal")
    assert session.document != before
    tutor.leave()
    session.set_seed(5)
    assert session.document.seed == 5


def test_what_a_step_hides_cannot_be_opened() -> None:
    session, _ = begun("recurrence")
    assert session.hidden == ("signal",)
    session.hidden = ("math",)
    session.open_lens("outputs")
    session.open_lens("math")
    assert session.lens == "outputs"


def test_a_task_locks_and_is_done() -> None:
    session = Session(start=PRESETS["dead-relu"]())
    tutor = Tutor(session)
    task = Task("Wake them.", "most(dead) < 10 %", Rules.of(["bias_initializer"]))
    tutor.begin(lesson_of(task))
    card = LessonCard(session, tutor)
    assert card.content["say"] == "Wake them."
    session.set_argument("layer2", "activation", "tanh")
    assert session.document == PRESETS["dead-relu"]()
    SOLUTIONS["activations"][0](session)
    assert session.progress.reached
    assert card.content["goal"] == "Task done."


# --- goals ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dying() -> Facts:
    return Facts(Session().snapshot, TrainingState())


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("least(rms) < 0.001", True),
        ('rms("dense_7") < 1e-6 and rms("layer2") > 0.01', True),
        ("most(dead) < 5 %", True),
        ("most(dead) > 0", False),
        ("layers() == 10 and params() == 33930", True),
        ('params("first") == 0', True),
        ('argument("dense", "kernel_initializer") == "RandomNormal"', True),
        ('option("dense", "kernel_initializer", "stddev") == 0.01', True),
        ('argument("dense", "units") == 64', True),
        ('argument("dense", "use_bias") == True', True),
        ('shape("last") == [10] and count("Dense") == 9', True),
        ("shared() == 0 and works()", True),
        ("not works() or seed() != 0", False),
        ("0 < loss() < 3 * 1", True),
        ('norm("dense") < 1 and sparsity("dense") < 10 %', True),
        ('gradient("dense") < 1e-6', True),
        ('dead("nowhere") < 5 %', False),
        ('rms("dense") < "x"', False),
        ("steps() / steps() > 0", False),
        ('"a" * 1000000000 == "b"', False),
        ("penalty() == 0 and epochs() == 0 and accuracy() == 0", True),
    ],
)
def test_goals_are_conditions_on_the_state(goal: str, expected: bool, dying: Facts) -> None:
    assert Condition.read(goal).holds(dying) is expected


@pytest.mark.parametrize(
    "goal",
    [
        "",
        "most(dead) <",
        "x > 1",
        "open('/etc/passwd')",
        "().__class__.__mro__",
        "most(dead).real",
        "[x for x in range(9)]",
        "lambda: 1",
        "most(layers)",
        'dead("a", "b")',
        "rms()",
        "2 ** 1000",
        "1 << 9",
        "f'{1}'",
        'params("a") if 1 else 2',
        "(" * 200 + ")" * 200,
        "most(dead) < 5 %" + " and works()" * 50,
        "rms(*[1])",
        "rms(x=1)",
        "eval('1')",
    ],
)
def test_what_is_no_goal_is_refused_in_words(goal: str) -> None:
    with pytest.raises(ValueError, match="This is no goal: "):
        Condition.read(goal)


# --- rules ----------------------------------------------------------------------------------------


def test_changes_are_named() -> None:
    document = why_did_it_die()
    assert changes(document, document) == []
    session = Session(start=document, may_write_code=True)
    for edit, expected in (
        (lambda: session.set_argument("layer2", "units", 8), ["layer2.units"]),
        (lambda: session.add_layer("Dense"), ["layers"]),
        (lambda: session.bypass_layer("layer3"), ["layers"]),
        (lambda: session.set_seed(3), ["seed"]),
        (lambda: session.set_phase("inference"), ["phase"]),
        (lambda: session.reroll_layer("layer2"), ["rerolls"]),
        (lambda: session.set_training("epochs", 3), ["training"]),
        (lambda: session.set_argument("input", "data", "noise"), ["input"]),
        (lambda: session.write_code("def double(x):\n    return 2 * x\n"), ["code"]),
    ):
        before = session.document
        edit()
        assert changes(before, session.document) == expected
        assert Rules.of(AREAS).forbidden(before, session.document) == []
        assert Rules.of([]).forbidden(before, session.document) == expected


def test_an_argument_can_be_left_open_for_one_layer() -> None:
    document = why_did_it_die()
    rules = Rules.of(["layer2.units"])
    assert rules.forbidden(document, set_argument(document, "layer2", "units", 8)) == []
    assert rules.forbidden(document, set_argument(document, "layer3", "units", 8))


# --- files ----------------------------------------------------------------------------------------

GOOD = """
title: {en: A, zh: 甲}
start: {demo: digits}
steps:
  - say: {en: B, zh: 乙}
    goal: layers() > 9
"""


def test_a_good_file_is_read() -> None:
    read = read_lesson(GOOD, "good")
    assert read.steps[0].change.document == PRESETS["digits"]()
    assert read.title["zh"] == "甲"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title", "titel", "there is no `titel`; valid are `title`"),
        ("zh: 乙", "de: B", "step 1: say: there is no `de`"),
        (", zh: 甲", "", "title: `zh` is missing"),
        ("demo: digits", "demo: none-such", "start: demo: there is no 'none-such'"),
        ("demo: digits", "seed: 3", "needs a `demo` or `layers`"),
        ("demo: digits", "layers: [{Dense: {units: -1}}]", "start: .*units"),
        ("demo: digits", "layers: [Dense]", "such as `- Dense"),
        ("demo: digits", "layers: [{Nope: {}}]", "no layer called “Nope”"),
        ("goal: layers() > 9", "goal: exec(1)", "step 1: goal: This is no goal"),
        ("    goal: layers() > 9", "", "doing nothing would be enough"),
        ("goal: layers() > 9", "spotlight: [moon]", "there is no part 'moon'; valid are stack"),
        ("goal: layers() > 9", "hide: [moon]", "'moon' cannot be hidden; valid are weights"),
        ("goal: layers() > 9", "only: [../x]", "nothing to lock or open"),
        ("goal: layers() > 9", "only: 3", "only: must be a list of names, got 3"),
        ("goal: layers() > 9", "select: layer99", "select: there is no 'layer99'"),
        ("goal: layers() > 9", "reveal: {seed: 3}", "`reveal` is for a step that asks"),
        ("goal: layers() > 9", "set: {seed: -3}", "belongs into `start`"),
        ("goal: layers() > 9", "ask: {question: {en: a, zh: b}}", "`options` is missing"),
        ("goal: layers() > 9", "goal: layers() > 9\n  - say: {en: a, zh: b}\n    set: {seed: -3}",
         "step 2: The seed must be"),
        ("title", "!!python/object/apply:os.system ['true']\ntitle", "not YAML"),
        ("steps:", "steps: {", "not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(old: str, new: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        read_lesson(GOOD.replace(old, new, 1), "good")
    assert str(error.value).startswith("good: ")


def test_there_is_a_lesson_for_every_section() -> None:
    assert len(LESSONS) == len(set(LESSONS)) == 8
    assert set(SOLUTIONS) == set(LESSONS)
    with pytest.raises(KeyError):
        lesson("../strings/en")
