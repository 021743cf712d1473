"""The state of a stack in one plain sentence, and the best thing to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from layerscope_explorer import edits
from layerscope_explorer.data import Data
from layerscope_explorer.diagnosis.exams import Exam
from layerscope_explorer.diagnosis.health import Finding, Judgement
from layerscope_explorer.diagnosis.words import shape_words
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.objective import takes
from layerscope_explorer.snapshot import Fix, Problem
from layerscope_explorer.strings import text

_FALLING = frozenset({"faded", "fading", "little", "slow"})
_RISING = frozenset({"exploded", "growing", "amplifies"})
_BACKWARD = frozenset({"gradient_gone", "gradient_weak", "gradient_wild", "gradient_strong"})


def status(
    document: Document, data: Data, judgement: Judgement, problem: Problem | None, parameters: int
) -> tuple[str, Fix | None]:
    """Return one sentence on the whole stack, and the cure it speaks of.

    Parameters
    ----------
    document, data : the stack, and what it is shown.
    judgement : how its layers are doing.
    problem : of the first layer that cannot work.
    parameters : of the whole stack.
    """
    if problem is not None:
        return _with_cure(problem.message, problem.fixes)
    reached = [view for view in judgement.views if view.output is not None]
    if not judgement.views or not reached:
        return text("session.empty"), None
    findings = judgement.findings
    broken = [one for one in findings if one.health == "bad"]
    last = reached[-1]
    if data.missing:
        return text("input.missing", file=data.missing), None
    shape = last.output_shape or ()
    if not broken and data.outputs and not takes(data, shape):
        words = end_words(data, last.name, shape)
        return _with_cure(words, end_repairs(document, data, last.id, shape))
    if findings:
        worst = findings[0]
        view = next(one for one in judgement.views if one.id == worst.layer_id)
        return _with_cure(_of_finding(worst, judgement, document), view.cures)
    first = judgement.exams or {}
    start = math.sqrt(float((data.sample.astype(float) ** 2).mean()))
    end = list(first.values())[-1].reading.rms if first else 0.0
    return text(
        "session.healthy",
        layers=len(judgement.views),
        params=f"{parameters:,}",
        first=f"{start:.2g}",
        last=f"{end:.2g}",
    ), None


def _with_cure(words: str, fixes: tuple[Fix, ...]) -> tuple[str, Fix | None]:
    if not fixes:
        return words, None
    return text("session.try", sentence=words, cure=fixes[0].label), fixes[0]


def end_words(data: Data, name: str, shape: tuple[int | None, ...]) -> str:
    """Say that a stack whose end has this shape cannot learn the data."""
    key = "not_classes" if data.classes else "not_numbers"
    return text(f"session.{key}", name=name, have=shape_words(shape), count=data.outputs)


def end_repairs(
    document: Document, data: Data, layer_id: str, shape: tuple[int | None, ...]
) -> tuple[Fix, ...]:
    """Return what would let a stack end in a number for each class, or for each that is learned."""
    count = data.outputs
    activation = "softmax" if data.classes else "linear"
    arguments = {"units": count, "activation": activation}
    owner = document.owner(layer_id)
    fixes = []
    if len(shape) == 2 and owner.class_name == "Dense" and not document.layer(layer_id).shares:
        changed = document
        for name, value in arguments.items():
            changed = edits.set_argument(changed, layer_id, name, value)
        fixes.append(Fix(text("session.end_units", count=count, activation=activation), changed))
    try:
        if len(shape) > 2 and owner.arguments.get("units") == count:
            at = document.index(layer_id)
            flat = edits.add_layer(document, "Flatten", at, {})
            fixes.append(Fix(text("session.end_flatten", name=document.names()[layer_id]), flat))
        changed = document
        if len(shape) > 2:
            changed = edits.add_layer(changed, "Flatten", None, {})
        changed = edits.add_layer(changed, "Dense", None, arguments)
    except ValueError:
        # The stack is full.
        return tuple(fixes)
    key = "end_add_flat" if len(shape) > 2 else "end_add"
    fixes.append(Fix(text(f"session.{key}", count=count, activation=activation), changed))
    return tuple(fixes)


# --- what the rules found -----------------------------------------------------------------------


def _of_finding(worst: Finding, judgement: Judgement, document: Document) -> str:
    exams: Mapping[str, Exam] = judgement.exams or {}
    kind = next((one for one in (_FALLING, _RISING, _BACKWARD) if worst.rule in one), None)
    if kind is None:
        name = exams[worst.layer_id].step.name
        return text("session.unhealthy", name=name, note=worst.note)
    same = [one for one in judgement.findings if one.rule in kind]
    picked = [exams[one.layer_id] for one in same]
    if kind is _BACKWARD:
        key = "gradient_falls" if "gone" in worst.rule or "weak" in worst.rule else "gradient_rises"
        choose = min if key == "gradient_falls" else max
        far = choose(picked, key=lambda exam: exam.gradient or 0.0)
        values = {"ratio": f"{far.gradient:.2g}", "name": far.step.name}
    else:
        key, choose = ("signal_falls", min) if kind is _FALLING else ("signal_rises", max)
        far = choose(picked, key=lambda exam: exam.ratio)
        values = {"first": f"{far.reference:.2g}", "last": f"{far.reading.rms:.2g}"}
        values["layers"] = _layers(far)
    return text(f"session.{key}", **values, why=_why(far, kind, judgement, document))


def _layers(far: Exam) -> str:
    if far.start == INPUT and far.depth == 1:
        return text("session.in_one_layer", name=far.step.name)
    return text("session.over_layers", count=max(far.depth, 1))


def _why(far: Exam, kind: frozenset[str], judgement: Judgement, document: Document) -> str:
    """Return what is to blame: an initializer that does not suit, if one is."""
    ids = [one.layer_id for one in judgement.findings if one.rule in kind]
    for layer_id in (far.step.spec.id, *ids):
        owner = document.owner(layer_id)
        value = owner.arguments.get("kernel_initializer")
        exam = (judgement.exams or {})[layer_id]
        if value is None or not exam.reading.fan_in:
            continue
        # Weights that keep the size of values have about this spread.
        fitting = exam.reading.fan_in**-0.5
        measured = exam.reading.kernel / fitting
        if 0.5 < measured < 2:
            continue
        words = {"initializer": initializer_words(value), "spread": f"{exam.reading.kernel:.2g}"}
        words["activation"] = exam.reading.activation or text("session.this_layer")
        return text(f"session.why_{'small' if measured < 1 else 'large'}", **words)
    activation = far.reading.activation
    if kind is not _RISING and activation and activation != "linear":
        return text("session.why_activation", activation=activation)
    return text("session.why_unknown")


def initializer_words(value: Any) -> str:
    """Return an initializer with its arguments: ``RandomNormal with stddev 0.01``."""
    if not isinstance(value, Mapping):
        return str(value)
    config = {name: one for name, one in value.get("config", {}).items() if name != "seed"}
    name = str(value.get("class_name", ""))
    if not config:
        return name
    rest = ", ".join(f"{argument} {one}" for argument, one in config.items())
    return text("session.initializer_with", name=name, arguments=rest)
