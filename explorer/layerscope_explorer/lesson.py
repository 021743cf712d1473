"""Lessons as data: what a YAML file says, checked part by part.

A lesson is a title and steps. A step says something, may change the page, put a light on parts of
it, hide or lock others, ask for a prediction, and wait for a goal::

    title: {en: Dead units, zh: 死亡单元}
    start: {demo: dead-relu}
    steps:
      - say: {en: Look at the first layer., zh: 看第一层。}
        spotlight: [signal, argument bias_initializer]
        select: layer2
        lens: activation
        only: [activation, kernel_initializer]
        hide: [code]
        ask:
          question: {en: How many units are dead?, zh: 有多少单元死亡？}
          options:
            - {en: None, zh: 没有}
            - {en: Most, zh: 大多数}
          right: 1
          because: {en: The bias is far below zero., zh: 偏置远低于零。}
        reveal:
          arguments: {layer2: {activation: relu}}
        goal: most(dead) < 5 %
        hint: {en: Choose another activation., zh: 换一个激活函数。}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import yaml

from layerscope_explorer import edits
from layerscope_explorer.conditions import Condition
from layerscope_explorer.document import Document
from layerscope_explorer.presets import PRESETS
from layerscope_explorer.rules import FREE, Rules
from layerscope_explorer.spotlight import HIDEABLE, selector_of
from layerscope_explorer.task import Task

__all__ = [
    "LANGUAGES",
    "Ask",
    "Change",
    "Lesson",
    "Progress",
    "Said",
    "Step",
    "lesson_of",
    "read_lesson",
]

LANGUAGES = ("en", "zh")
#: A text in every language.
Said = Mapping[str, str]

_MAX_STEPS, _MAX_SOURCE, _MAX_WORDS = 30, 60_000, 900


@dataclass(frozen=True, slots=True)
class Ask:
    """A prediction that is asked for before anything is shown.

    Attributes
    ----------
    question, because : what is asked, and what is said after the answer.
    options : what can be answered.
    right : which of them is true.
    """

    question: Said
    options: tuple[Said, ...]
    right: int
    because: Said


@dataclass(frozen=True, slots=True)
class Change:
    """What a step changes on the page.

    Attributes
    ----------
    document : the stack to begin with; None to go on with the one there is.
    arguments : arguments by layer id.
    options : of the document: seed, phase, and options of training.
    """

    document: Document | None = None
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def of(self, document: Document) -> Document:
        """Return a document with the change made.

        Raises
        ------
        ValueError
            If it cannot be made; the message says why.
        """
        document = self.document or document
        for layer_id, arguments in self.arguments.items():
            for name, value in arguments.items():
                document = edits.set_argument(document, layer_id, name, value)
        for name, value in self.options.items():
            match name:
                case "seed":
                    document = edits.set_seed(document, value)
                case "phase":
                    document = edits.set_phase(document, value)
                case _:
                    document = edits.set_training(document, name, value)
        return document


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lesson.

    Attributes
    ----------
    say, hint : what it says, and what helps where somebody is stuck.
    change : made when it begins.
    selected, lens : what is looked at from then on; "" for what is.
    spotlight : selectors of the parts with a light on them.
    hidden : names of the parts that are not there.
    rules : what may be changed.
    ask : a prediction that is asked for first.
    reveal : change that is made after the answer.
    goal : what must hold before it goes on; None where reading is enough.
    """

    say: Said
    hint: Said = field(default_factory=dict)
    change: Change = Change()
    selected: str = ""
    lens: str = ""
    spotlight: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    rules: Rules = FREE
    ask: Ask | None = None
    reveal: Change = Change()
    goal: Condition | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson.

    Attributes
    ----------
    name : in its address.
    title : its name for people.
    steps : in order.
    task : the teacher's task that it was made of, None for one from a file.
    """

    name: str
    title: Said
    steps: tuple[Step, ...]
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person is in a lesson.

    Attributes
    ----------
    step : number of the step, from 0.
    answer : which answer was given; -1 for none yet.
    reached : whether the step's goal has been reached.
    finished : whether the last step is done.
    """

    step: int = 0
    answer: int = -1
    reached: bool = False
    finished: bool = False

    def completes(self, step: Step) -> bool:
        """Tell whether everything that a step asks for is there."""
        return (step.ask is None or self.answer >= 0) and (step.goal is None or self.reached)


def lesson_of(task: Task) -> Lesson:
    """Return a teacher's task as a lesson of one step."""
    goal = Condition.read(task.goal) if task.goal else None
    said: dict[str, str] = dict.fromkeys(LANGUAGES, task.words)
    return Lesson("", {}, (Step(said, rules=task.rules, goal=goal),), task)


# --- reading --------------------------------------------------------------------------------------


def read_lesson(source: str, name: str) -> Lesson:
    """Return the lesson that a YAML text states.

    Raises
    ------
    ValueError
        If it states none; the message says where, and what would be valid.
    """
    if len(source) > _MAX_SOURCE:
        raise ValueError(f"{name}: longer than {_MAX_SOURCE:,} characters.")
    try:
        data = yaml.safe_load(source)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{name}: not YAML: {error}") from None
    found = _mapping(data, name, required=("title", "start", "steps"))
    steps = found["steps"]
    if not isinstance(steps, list) or not 1 <= len(steps) <= _MAX_STEPS:
        raise ValueError(f"{name}: `steps` must be a list of 1 to {_MAX_STEPS}.")
    start = _change(found["start"], f"{name}: start")
    if start.document is None:
        raise ValueError(f"{name}: start: needs a `demo` or `layers`.")
    read = [_step(step, f"{name}: step {number}") for number, step in enumerate(steps, 1)]
    if read[0].change == Change():
        read[0] = replace(read[0], change=start)
    else:
        raise ValueError(f"{name}: step 1: what it begins with belongs into `start`.")
    _try(read, name)
    if not any(step.goal or step.ask for step in read):
        raise ValueError(f"{name}: no step has a `goal` or asks: doing nothing would be enough.")
    return Lesson(name, _said(found["title"], f"{name}: title"), tuple(read))


def _try(steps: list[Step], name: str) -> None:
    """Raise if a change of a step cannot be made, or looks at a layer that is not there."""
    document = Document()
    for number, step in enumerate(steps, 1):
        where = f"{name}: step {number}"
        for change in (step.change, step.reveal):
            try:
                document = change.of(document)
            except (ValueError, KeyError) as error:
                raise ValueError(f"{where}: {error}") from None
        if step.selected:
            try:
                document.layer(step.selected)
            except KeyError:
                raise ValueError(f"{where}: select: there is no {step.selected!r}.") from None


def _step(data: Any, where: str) -> Step:
    readers: dict[str, Any] = {
        "say": _said,
        "hint": _said,
        "set": _change,
        "select": _word,
        "lens": _word,
        "spotlight": _spotlight,
        "hide": _hidden,
        "only": _rules,
        "ask": _ask,
        "reveal": _change,
        "goal": _goal,
    }
    fields = {"set": "change", "select": "selected", "hide": "hidden", "only": "rules"}
    found = _mapping(data, where, required=("say",), known=tuple(readers))
    values = {
        fields.get(key, key): readers[key](one, f"{where}: {key}") for key, one in found.items()
    }
    if "reveal" in found and "ask" not in found:
        raise ValueError(f"{where}: `reveal` is for a step that asks.")
    return Step(**values)


def _mapping(
    data: Any, where: str, required: tuple[str, ...] = (), known: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a mapping of known keys, all the required ones among them."""
    known = known or required
    if not isinstance(data, dict):
        raise ValueError(f"{where}: must have {', '.join(f'`{one}`' for one in known)}.")
    for key in data:
        if key not in known:
            valid = ", ".join(f"`{one}`" for one in known)
            raise ValueError(f"{where}: there is no `{key}`; valid are {valid}.")
    for key in required:
        if key not in data:
            raise ValueError(f"{where}: `{key}` is missing.")
    return data


def _said(data: Any, where: str) -> Said:
    found = _mapping(data, where, required=LANGUAGES)
    for language, words in found.items():
        if not isinstance(words, str) or not words.strip() or len(words) > _MAX_WORDS:
            raise ValueError(
                f"{where}: {language}: must be a text of 1 to {_MAX_WORDS} characters."
            )
    return {language: words.strip() for language, words in found.items()}


def _word(data: Any, where: str) -> str:
    if not isinstance(data, str) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", data):
        raise ValueError(f"{where}: must be a name, got {data!r}.")
    return data


def _change(data: Any, where: str) -> Change:
    options = ("seed", "phase", "optimizer", "learning_rate", "batch_size", "epochs")
    known = ("demo", "input", "layers", "arguments", *options)
    found = _mapping(data, where, known=known)
    arguments = found.get("arguments", {})
    if not isinstance(arguments, dict) or not all(
        isinstance(one, dict) for one in arguments.values()
    ):
        raise ValueError(f"{where}: arguments: must be arguments by layer id.")
    given = {name: found[name] for name in options if name in found}
    return Change(_document(found, where), arguments, given)


def _document(found: Mapping[str, Any], where: str) -> Document | None:
    """Return the stack that a change begins with: a demo's, or one of layers that are listed."""
    if "demo" in found:
        if found["demo"] not in PRESETS:
            raise ValueError(f"{where}: demo: there is no {found['demo']!r}.")
        return PRESETS[found["demo"]]()
    if "layers" not in found:
        return None
    layers = found["layers"]
    if not isinstance(layers, list) or not all(
        isinstance(one, dict) and len(one) == 1 for one in layers
    ):
        raise ValueError(
            f"{where}: layers: must be a list of layers, such as `- Dense: {{units: 8}}`."
        )
    try:
        document = edits.set_input(Document(), found.get("input") or {})
        for ((name, arguments),) in (one.items() for one in layers):
            for argument, value in (arguments or {}).items():
                edits.check_argument(name, argument, value)
            document = edits.add_layer(document, name, None, arguments or {})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: {error}") from None
    return document


def _names(data: Any, where: str) -> list[str]:
    if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
        raise ValueError(f"{where}: must be a list of names, got {data!r}.")
    return data


def _spotlight(data: Any, where: str) -> tuple[str, ...]:
    try:
        return tuple(selector_of(name) for name in _names(data, where))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _hidden(data: Any, where: str) -> tuple[str, ...]:
    names = _names(data, where)
    for name in names:
        if name not in HIDEABLE:
            raise ValueError(
                f"{where}: {name!r} cannot be hidden; valid are {', '.join(HIDEABLE)}."
            )
    return tuple(names)


def _rules(data: Any, where: str) -> Rules:
    try:
        return Rules.of(_names(data, where))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _ask(data: Any, where: str) -> Ask:
    found = _mapping(data, where, required=("question", "options", "right", "because"))
    options, right = found["options"], found["right"]
    if not isinstance(options, list) or not 2 <= len(options) <= 6:
        raise ValueError(f"{where}: `options` must be a list of 2 to 6.")
    if isinstance(right, bool) or not isinstance(right, int) or not 0 <= right < len(options):
        raise ValueError(f"{where}: `right` must be the number of an option, counted from 0.")
    said = partial(_said, where=f"{where}: options")
    return Ask(
        _said(found["question"], f"{where}: question"),
        tuple(said(one) for one in options),
        right,
        _said(found["because"], f"{where}: because"),
    )


def _goal(data: Any, where: str) -> Condition:
    try:
        return Condition.read(data)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
