"""Whether a stack that works is healthy: one rule for each way of being ill, without state.

Every note tells the number and the threshold it passed. A layer is judged against the data and the
end of the stack; one that only suffers from another is never more than a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope_explorer.diagnosis import cures
from layerscope_explorer.diagnosis.exams import SHARES, Exam, examined
from layerscope_explorer.diagnosis.readings import S_SHAPED, Reading
from layerscope_explorer.snapshot import Fix, Health, LayerView
from layerscope_explorer.steps import Stack
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
    return _found("duplicates", health, share=f"{share:.0%}", limit=f"{DUPLICATE_WARN:.0%}")


def one_share(exam: Exam) -> Finding | None:
    """A softmax over one unit is always 1."""
    length = exam.step.output.shape[-1] if exam.step.output.ndim > 1 else 0
    if exam.reading.activation in SHARES and length == 1:
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
        return _found("drops_most", "warn", rate=f"{rate:.0%}", limit=f"{DROPPED:.0%}")
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
    health: Health = "bad" if between < SAME else "warn"
    return _found("constant", health, share=f"{between:.1g}", limit=ALIKE)


def exploding(exam: Exam) -> Finding | None:
    """Values far larger than the data's."""
    if not exam.weighs and exam.gain < 2:
        # It only hands on what is too large already.
        return None
    words: dict[str, Any] = {"ratio": f"{exam.ratio:.2g}", "start": exam.start}
    if exam.ratio > EXPLODED:
        return _found("exploded", "bad", limit=f"{EXPLODED:,.0f}", **words)
    if exam.ratio > GROWING:
        return _found("growing", "warn", limit=f"{GROWING:.0f}", **words)
    # What a bounded activation gives has its own size, and normalization is there to change it.
    bounded = exam.reading.activation in SHARES | S_SHAPED.keys()
    if exam.gain > MUCH and exam.weighs and not bounded:
        return _found("amplifies", "warn", gain=f"{exam.gain:.2g}", limit=f"{MUCH:.0f}")
    return None


def fading(exam: Exam) -> Finding | None:
    """Values far smaller than the data's."""
    # Shares have the size they have, whatever comes in.
    shares = exam.reading.activation in SHARES
    if not exam.reference or not exam.weighs or shares or not exam.reading.rms:
        return None
    words: dict[str, Any] = {"ratio": f"{exam.ratio:.2g}", "start": exam.start}
    suffers = bool(exam.ill_above) and exam.gain > SLOW
    if exam.ratio < FADED:
        return _found("faded", "warn" if suffers else "bad", suffers, limit=FADED, **words)
    if exam.ratio < FADING:
        return _found("fading", "warn", suffers, limit=FADING, **words)
    if exam.step.layer.section == "recurrent":
        # Gates rightly let a part through.
        return None
    if exam.gain < LITTLE and exam.ratio < LITTLE:
        return _found("little", "warn", gain=f"{exam.gain:.1%}", limit=f"{LITTLE:.0%}")
    rate = exam.ratio ** (1 / exam.depth) if exam.depth else 1.0
    if exam.depth > 2 and rate < SLOW and exam.ratio < SLOWLY_FADED:
        words |= {"rate": f"{rate:.0%}", "depth": exam.depth, "limit": f"{SLOW:.0%}"}
        return _found("slow", "warn", **words)
    return None


def dead(exam: Exam) -> Finding | None:
    """Units with no slope on any sample: they never learn."""
    share = exam.reading.dead
    if share < DEAD_WARN:
        return None
    health: Health = "bad" if share >= DEAD_BAD else "warn"
    return _found("dead", health, share=f"{share:.0%}", limit=f"{DEAD_WARN:.0%}")


def saturated(exam: Exam) -> Finding | None:
    """Units on the flat ends of their activation."""
    reading = exam.reading
    if reading.activation in SHARES and (reading.before or 0.0) > SHARP:
        scores = f"{reading.before:.2g}"
        words: dict[str, Any] = {"scores": scores, "activation": reading.activation}
        return _found("sharp", "warn", limit=f"{SHARP:.0f}", **words)
    if reading.flat < SATURATED_WARN:
        return None
    health: Health = "bad" if reading.flat >= SATURATED_BAD else "warn"
    return _found("saturated", health, share=f"{reading.flat:.0%}", limit=f"{SATURATED_WARN:.0%}")


def unvaried(exam: Exam) -> Finding | None:
    """Normalization of what hardly varies."""
    share = exam.reading.lost
    if share < LOST_WARN:
        return None
    health: Health = "bad" if share >= LOST_BAD and not exam.ill_above else "warn"
    words = {"share": f"{share:.0%}", "limit": f"{LOST_WARN:.0%}"}
    return _found("unvaried", health, bool(exam.ill_above), **words)


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
        return _found("gradient_gone", "bad", limit=GONE, **words)
    if ratio < GONE:
        return _found("gradient_gone", "bad", limit=GONE, **words)
    if ratio < WEAK:
        return _found("gradient_weak", "warn", limit=WEAK, **words)
    if ratio > WILD:
        return _found("gradient_wild", "bad", limit=f"{WILD:,.0f}", **words)
    if ratio > STRONG:
        return _found("gradient_strong", "warn", limit=f"{STRONG:,.0f}", **words)
    return None


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
    exams = examined(stack, looks, readings)
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
    # What is lost on the way there is the reason for what is lost on the way back.
    ranked = sorted(
        found,
        key=lambda one: (_ORDER[one.health], one.consequence, one.rule.startswith("gradient")),
    )
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
