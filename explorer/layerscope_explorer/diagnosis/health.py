"""Whether a stack that works is healthy: one rule for each way of being ill, without state.

Thresholds are shown in the notes' own numbers. A layer is judged against the data and the end of
the stack, and a layer that only suffers from one above or below it is never more than a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope_explorer.diagnosis import cures
from layerscope_explorer.diagnosis.readings import S_SHAPED, Reading, measured
from layerscope_explorer.document import INPUT
from layerscope_explorer.snapshot import Fix, Health, Histogram, LayerView
from layerscope_explorer.steps import Stack, Step
from layerscope_explorer.strings import text

#: A signal this small beside the data's is fading, and lost; this large is growing, and exploding.
FADING, FADED = 1e-2, 1e-4
GROWING, EXPLODED = 1e2, 1e4
#: One layer alone should pass on more and less than this; several on average, once it adds up.
LITTLE, MUCH = 0.1, 30.0
SLOW, SLOWLY_FADED = 0.75, 0.12
#: Differences between samples this small beside the values are hardly any, and none.
ALIKE, SAME = 1e-3, 1e-5
#: Shares of a layer's units, or values, above which it is worth a look, and broken.
DEAD_WARN, DEAD_BAD = 0.40, 0.60
SATURATED_WARN, SATURATED_BAD = 0.50, 0.90
DUPLICATE_WARN, DUPLICATE_BAD = 0.50, 0.99
LOST_WARN, LOST_BAD = 0.50, 0.90
#: A gradient this small beside that at the end learns slowly, and not at all; this large leaps.
WEAK, GONE = 1e-3, 1e-8
STRONG, WILD = 1e3, 1e6
#: Scores that large make softmax all but choose one class.
SHARP = 30.0
#: More than this is dropped.
DROPPED = 0.8

_SHARES = frozenset({"softmax", "log_softmax", "sparsemax"})
#: Layers behind which a signal has the size they give it.
_ANEW = frozenset({"normalization", "embedding"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a layer that works.

    Attributes
    ----------
    rule : name of the rule.
    health : how bad it is.
    note : why, in a few words.
    layer_id : whose it is.
    consequence : whether it only suffers from another layer.
    """

    rule: str
    health: Health
    note: str
    layer_id: str = ""
    consequence: bool = False


@dataclass(frozen=True, slots=True)
class Exam:
    """A layer among the others, as the rules see it.

    Attributes
    ----------
    step, reading : the layer, and what was measured of it.
    reference : root mean square the signal had when it was last of known size; 0 if it never was.
    start : whose that is.
    depth : layers with weights since.
    arriving : root mean square of what it gets.
    ill_above : name of a layer it gets its input from that is broken, "" if none is.
    gradient : length of a sample's gradient behind the layer, beside that at the end; None if
        there is none.
    blocked_by : name of the nearest layer below that lets no gradient through.
    same_gradients : share of the units that are alike, and whose gradients are alike too.
    merged : whether a layer of several inputs takes what it gives.
    fresh_end : whether it is the end, with weights of zero that the first step will change.
    """

    step: Step
    reading: Reading
    reference: float
    start: str
    depth: int
    arriving: float
    ill_above: str = ""
    gradient: float | None = None
    blocked_by: str = ""
    same_gradients: float = 0.0
    merged: bool = False
    fresh_end: bool = False

    @property
    def ratio(self) -> float:
        """How large the signal is beside the reference."""
        return self.reading.rms / self.reference if self.reference else 1.0

    @property
    def gain(self) -> float:
        """How large what it gives is beside what it gets."""
        return self.reading.rms / self.arriving if self.arriving else 1.0

    @property
    def weighs(self) -> bool:
        """Whether it multiplies by weights of its own."""
        return self.reading.kernel > 0 or self.reading.fan_in > 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Views with their health, and what the rules found, worst first."""

    views: tuple[LayerView, ...]
    findings: tuple[Finding, ...] = ()
    exams: Mapping[str, Exam] | None = None


# --- rules --------------------------------------------------------------------------------------


def _found(rule: str, health: Health, consequence: bool = False, **values: Any) -> Finding:
    return Finding(rule, health, text(f"diagnosis.{rule}", **values), "", consequence)


def nonfinite(exam: Exam) -> Finding | None:
    """NaN or infinite outputs."""
    return _found("nonfinite", "bad") if exam.reading.nonfinite else None


def duplicates(exam: Exam) -> Finding | None:
    """Units with equal weights and equal gradients stay equal for ever."""
    share = exam.same_gradients
    if share < DUPLICATE_WARN:
        return None
    health: Health = "bad" if share >= DUPLICATE_BAD else "warn"
    return _found("duplicates", health, share=f"{share:.0%}")


def one_share(exam: Exam) -> Finding | None:
    """A softmax over one unit is always 1."""
    length = exam.step.output.shape[-1] if exam.step.output.ndim > 1 else 0
    if exam.reading.activation in _SHARES and length == 1:
        return _found("one_share", "bad", activation=exam.reading.activation)
    return None


def dropping(exam: Exam) -> Finding | None:
    """A dropout that drops nothing, or nearly everything."""
    rate = getattr(exam.step.layer, "rate", None)
    if "Dropout" not in exam.step.spec.class_name or not isinstance(rate, (int, float)):
        return None
    if rate >= 1:
        return _found("drops_all", "bad")
    if rate > DROPPED:
        return _found("drops_most", "warn", rate=f"{rate:.0%}")
    return _found("drops_nothing", "warn") if rate == 0 else None


def silent(exam: Exam) -> Finding | None:
    """The same output for every input."""
    reading = exam.reading
    if exam.fresh_end:
        return None
    if reading.rms == 0:
        if exam.merged and exam.gradient:
            return _found("adds_nothing", "warn")
        own = exam.weighs and reading.kernel == 0
        if exam.ill_above and not own:
            return _found("silent_above", "warn", True, above=exam.ill_above)
        return _found("silent", "bad")
    # Dead units are for the rule that names them, and few units need not differ.
    between = reading.varying / reading.rms
    if between >= ALIKE or reading.varying > FADING * (exam.reference or math.inf):
        return None
    if exam.ill_above:
        return _found("silent_above", "warn", True, above=exam.ill_above)
    return _found("constant", "bad" if between < SAME else "warn", share=f"{between:.1g}")


def exploding(exam: Exam) -> Finding | None:
    """Values far larger than the data's."""
    words: dict[str, Any] = {"ratio": f"{exam.ratio:.2g}", "start": exam.start}
    if exam.ratio > EXPLODED:
        return _found("exploded", "bad", **words)
    if exam.ratio > GROWING:
        return _found("growing", "warn", **words)
    # What a bounded activation gives has its own size, and normalization is there to change it.
    bounded = exam.reading.activation in _SHARES | S_SHAPED.keys()
    if exam.gain > MUCH and exam.weighs and not bounded:
        return _found("amplifies", "warn", gain=f"{exam.gain:.2g}")
    return None


def fading(exam: Exam) -> Finding | None:
    """Values far smaller than the data's."""
    # Shares have the size they have, whatever comes in.
    shares = exam.reading.activation in _SHARES
    if not exam.reference or not exam.weighs or shares or not exam.reading.rms:
        return None
    words: dict[str, Any] = {"ratio": f"{exam.ratio:.2g}", "start": exam.start}
    suffers = bool(exam.ill_above) and exam.gain > SLOW
    if exam.ratio < FADED:
        return _found("faded", "warn" if suffers else "bad", suffers, **words)
    if exam.ratio < FADING:
        return _found("fading", "warn", suffers, **words)
    if exam.step.layer.section == "recurrent":
        # Gates rightly let a part through.
        return None
    if exam.gain < LITTLE and exam.ratio < LITTLE:
        return _found("little", "warn", gain=f"{exam.gain:.1%}")
    rate = exam.ratio ** (1 / exam.depth) if exam.depth else 1.0
    if exam.depth > 2 and rate < SLOW and exam.ratio < SLOWLY_FADED:
        return _found("slow", "warn", rate=f"{rate:.0%}", depth=exam.depth, **words)
    return None


def dead(exam: Exam) -> Finding | None:
    """Units with no slope on any sample: they never learn."""
    share = exam.reading.dead
    if share < DEAD_WARN:
        return None
    return _found("dead", "bad" if share >= DEAD_BAD else "warn", share=f"{share:.0%}")


def saturated(exam: Exam) -> Finding | None:
    """Units on the flat ends of their activation."""
    reading = exam.reading
    if reading.activation in _SHARES and (reading.before or 0.0) > SHARP:
        return _found(
            "sharp", "warn", scores=f"{reading.before:.2g}", activation=reading.activation
        )
    if reading.flat < SATURATED_WARN:
        return None
    health: Health = "bad" if reading.flat >= SATURATED_BAD else "warn"
    return _found("saturated", health, share=f"{reading.flat:.0%}")


def unvaried(exam: Exam) -> Finding | None:
    """Normalization of what hardly varies."""
    share = exam.reading.lost
    if share < LOST_WARN:
        return None
    health: Health = "bad" if share >= LOST_BAD and not exam.ill_above else "warn"
    return _found("unvaried", health, bool(exam.ill_above), share=f"{share:.0%}")


def backwards(exam: Exam) -> Finding | None:
    """A gradient far smaller, or larger, than that at the end."""
    ratio = exam.gradient
    if ratio is None or not exam.step.layer.trainable_weights:
        return None
    if math.isnan(ratio) or ratio == math.inf:
        return _found("gradient_nonfinite", "bad")
    words: dict[str, Any] = {"ratio": f"{ratio:.2g}"}
    if ratio == 0:
        if exam.blocked_by:
            return _found("gradient_blocked", "warn", True, below=exam.blocked_by)
        return _found("gradient_gone", "bad", **words)
    if ratio < GONE:
        return _found("gradient_gone", "bad", **words)
    if ratio < WEAK:
        return _found("gradient_weak", "warn", **words)
    if ratio > WILD:
        return _found("gradient_wild", "bad", **words)
    return _found("gradient_strong", "warn", **words) if ratio > STRONG else None


#: In the order in which they explain each other: what comes first says most.
RULES: tuple[Callable[[Exam], Finding | None], ...] = (
    one_share,
    dropping,
    duplicates,
    dead,
    silent,
    exploding,
    fading,
    saturated,
    unvaried,
    backwards,
)
_ORDER: dict[Health, int] = {"bad": 0, "warn": 1, "ok": 2, "off": 3}


# --- the whole stack ----------------------------------------------------------------------------


def judge(stack: Stack, views: Sequence[LayerView], readings: Mapping[str, Reading]) -> Judgement:
    """Return how each layer is doing, why, and what would cure it.

    Parameters
    ----------
    stack : layers at work, with their gradients.
    views : how the layers look, in order, with the distributions of their gradients.
    readings : what was measured of each reached layer, by id.
    """
    looks = {view.id: view for view in views}
    exams = _examined(stack, looks, readings)
    found: list[Finding] = []
    worst_of: dict[str, Finding] = {}
    ill: dict[str, str] = {}
    for layer_id, exam in exams.items():
        above = next((ill[one] for one in exam.step.input_ids if one in ill), "")
        exam = exams[layer_id] = replace(exam, ill_above=above)
        reasons = _reasons(exam)
        found += (replace(one, layer_id=layer_id) for one in reasons)
        if not reasons:
            continue
        # The worst; of equally bad ones the first, which explains the others.
        worst_of[layer_id] = min(reasons, key=lambda one: _ORDER[one.health])
        forward = [one for one in reasons if not one.rule.startswith("gradient")]
        if any(one.health == "bad" for one in forward):
            ill[layer_id] = exam.step.name
        elif any(one.consequence for one in forward):
            ill[layer_id] = above
    repairs = cures.Pharmacy(stack, readings)
    judged = tuple(
        _with_health(view, worst_of.get(view.id), repairs) if view.id in exams else view
        for view in views
    )
    ranked = sorted(found, key=lambda one: (_ORDER[one.health], one.consequence))
    return Judgement(judged, tuple(ranked), exams)


def _reasons(exam: Exam) -> list[Finding]:
    """Return what all rules find; of numbers that are none there is nothing more to say."""
    broken = nonfinite(exam)
    if broken is not None:
        return [broken]
    return [one for rule in RULES if (one := rule(exam)) is not None]


def _with_health(view: LayerView, finding: Finding | None, repairs: cures.Pharmacy) -> LayerView:
    if finding is None:
        return replace(view, health="ok", health_note=text("diagnosis.ok"), cures=())
    offered: tuple[Fix, ...] = repairs.cures(finding.rule, view.id)
    return replace(view, health=finding.health, health_note=finding.note, cures=offered)


def _examined(
    stack: Stack, views: Mapping[str, LayerView], readings: Mapping[str, Reading]
) -> dict[str, Exam]:
    """Place every layer among the others: what came before it, what comes back to it."""
    data = measured(stack.data.sample)[0] if stack.data.sample.dtype.kind == "f" else 0.0
    known = {INPUT: (data, INPUT, 0, data)}
    merged = {one for step in stack.steps if len(step.input_ids) > 1 for one in step.input_ids}
    end = _end(stack)
    exams: dict[str, Exam] = {}
    for step in stack.steps:
        reading = readings[step.spec.id]
        from_above = [known[one] for one in step.input_ids if one in known]
        reference, start, depth, arriving = max(from_above, default=(0.0, INPUT, 0, 0.0))
        exam = Exam(step, reading, reference, start, depth, arriving)
        depth += exam.weighs
        exam = replace(exam, depth=depth, merged=step.spec.id in merged)
        exams[step.spec.id] = _with_way_back(exam, stack, views[step.spec.id].gradient, end)
        known[step.spec.id] = _onward(exam, start, depth)
    _find_blocks(exams)
    return exams


def _onward(exam: Exam, start: str, depth: int) -> tuple[float, str, int, float]:
    """Return the reference for the layers that take this one's output."""
    step, reading = exam.step, exam.reading
    section = step.layer.section
    anew = section in _ANEW or reading.activation in _SHARES or not exam.reference
    if anew and reading.rms:
        return reading.rms, step.name, 0, reading.rms
    # Pooling, gates and merging rightly change the size of values; only weights must keep it.
    if section == "recurrent" or (not exam.weighs and section != "activation"):
        allowed = min(max(exam.gain, 0.1), 2.0)
        return exam.reference * allowed, start, depth, reading.rms
    return exam.reference, start, depth, reading.rms


def _end(stack: Stack) -> float:
    """Return the length of a sample's gradient at the end, before the last activation."""
    if not stack.steps:
        return 0.0
    last = stack.gradients.get(stack.steps[-1].spec.id)
    if last is None:
        return 0.0
    gradient = last.output if last.before is None else last.before
    if gradient is None or not gradient.size:
        return 0.0
    return measured(gradient)[0] * math.sqrt(gradient.size / len(gradient))


def _with_way_back(exam: Exam, stack: Stack, gradient: Histogram | None, end: float) -> Exam:
    if exam.step is stack.steps[-1]:
        # The gradient of shares, which the last layer often gives, has a size of its own.
        found = stack.gradients[exam.step.spec.id].weights
        fresh = exam.weighs and exam.reading.kernel == 0
        fresh = fresh and any(one is not None and np.any(one) for one in found)
        exam = replace(exam, gradient=1.0 if end > 0 else None, fresh_end=fresh)
    elif gradient is not None and end > 0:
        samples = max(len(exam.step.output), 1)
        length = math.hypot(gradient.mean, gradient.std) * math.sqrt(gradient.count / samples)
        ratio = math.inf if gradient.nonfinite else length / end
        exam = replace(exam, gradient=ratio)
    if exam.reading.alike:
        found = stack.gradients.get(exam.step.spec.id)
        alike = exam.reading.alike if found is None else _alike_too(exam, found.weights)
        exam = replace(exam, same_gradients=alike)
    return exam


def _alike_too(exam: Exam, gradients: Sequence[np.ndarray | None]) -> float:
    """Return the share of units that are alike if they also get the same gradients."""
    for weight, gradient in zip(exam.step.layer.trainable_weights, gradients, strict=False):
        if gradient is None or weight.value.ndim < 2:
            continue
        values = np.asarray(gradient).reshape(-1, gradient.shape[-1])
        spread = float(np.abs(values - values[:, :1]).max(initial=0.0))
        if spread > 1e-3 * float(np.abs(values).max(initial=0.0)):
            return 0.0
    return exam.reading.alike


def _find_blocks(exams: dict[str, Exam]) -> None:
    """Name, for layers without a gradient, the one below that lets none through."""
    blocking = ""
    fresh = any(exam.fresh_end for exam in exams.values())
    for layer_id in reversed(list(exams)):
        exam = exams[layer_id]
        if exam.gradient == 0 and fresh:
            exams[layer_id] = replace(exam, gradient=None)
        elif exam.gradient == 0 and blocking:
            exams[layer_id] = replace(exam, blocked_by=blocking)
        elif exam.gradient:
            # The last one that still gets a gradient is the one that passes none on.
            blocking = exam.step.name
