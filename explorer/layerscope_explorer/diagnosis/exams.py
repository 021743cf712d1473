"""A layer among the others: what came before it, and what comes back to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerscope_explorer.diagnosis.readings import Reading, root_mean_square
from layerscope_explorer.document import INPUT
from layerscope_explorer.snapshot import Histogram, LayerView
from layerscope_explorer.steps import Stack, Step

#: Activations that give shares of one.
SHARES = frozenset({"softmax", "log_softmax", "sparsemax"})
#: Layers behind which a signal has the size they give it.
_ANEW = frozenset({"normalization", "embedding"})


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


def examined(
    stack: Stack, views: Mapping[str, LayerView], readings: Mapping[str, Reading]
) -> dict[str, Exam]:
    """Place every layer among the others: what came before it, what comes back to it."""
    data = root_mean_square(stack.data.sample) if stack.data.sample.dtype.kind == "f" else 0.0
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
    anew = section in _ANEW or reading.activation in SHARES or not exam.reference
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
    return root_mean_square(gradient) * math.sqrt(gradient.size / len(gradient))


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
