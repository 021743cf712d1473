"""The penalty lens: what regularizers add to the loss, and what constraints do after a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from layerscope import constraints, regularizers
from layerscope.layers.layer import Layer
from layerscope_explorer.lenses import wording
from layerscope_explorer.lenses.caption import legend_entry
from layerscope_explorer.lenses.comparison import both_rows, both_sentences, of_a
from layerscope_explorer.lenses.figure import MARKER, MEASURED
from layerscope_explorer.lenses.lens import LayerLens, LensBody, Words
from layerscope_explorer.lenses.penalty_pictures import (
    ACTIVITY,
    CONTOUR,
    STEPPED,
    NormsPicture,
    PlanePicture,
    SharesPicture,
)
from layerscope_explorer.lenses.side_by_side import SideBySide
from layerscope_explorer.penalties import (
    LayerPenalty,
    Norms,
    gradient_of,
    group_axes,
    norms_of,
    own_activity_penalty,
    penalties_of,
    scalar,
    step_rate,
)
from layerscope_explorer.planes import Plane, plane_of
from layerscope_explorer.snapshot import LayerView
from layerscope_explorer.steps import Stack, Step, weight_names
from layerscope_explorer.strings import text

__all__ = ["PenaltyLens", "PenaltyStudy", "sentence", "study", "table"]

#: Rows of the picture of shares beside that of the data.
_MOST_ROWS = 6


def output_label() -> str:
    """Return what a layer's output is called beside the names of its weights."""
    return text("lenses.layer_output")


@dataclass(frozen=True, slots=True)
class PenaltyStudy:
    """What acts on one weight of a layer, and what all layers add to the loss.

    Attributes
    ----------
    shares
        Penalties of every layer that was reached.
    labels, label
        What can be looked at, weights and perhaps the output, and what is; none where there are
        none.
    regularizer, constraint
        Names of what acts on it, "" for nothing.
    supposed
        Whether neither does, and the pictures show what `L2` and `MaxNorm` would do.
    trained
        Whether it is trained; if not, nothing acts on it.
    penalty
        What it alone adds to the loss.
    rate
        Learning rate of the step shown, 0 where nothing moves it.
    pull
        The penalty's share of the step's gradient, NaN without one.
    norms, plane
        What the pictures draw, None where that makes no sense.
    problem
        Why an object failed.
    """

    shares: tuple[LayerPenalty, ...] = ()
    labels: tuple[str, ...] = ()
    label: str = ""
    regularizer: str = ""
    constraint: str = ""
    supposed: bool = False
    trained: bool = True
    penalty: float = 0.0
    rate: float = 0.0
    pull: float = math.nan
    norms: Norms | None = None
    plane: Plane | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Target:
    """Values that something acts on: a weight, or the output for the first sample."""

    label: str
    values: np.ndarray
    gradient: np.ndarray | None
    regularizer: Any = None
    constraint: Any = None
    trained: bool = True


# --- study --------------------------------------------------------------------------------------


def study(stack: Stack, layer_id: str, options: Mapping[str, Any]) -> PenaltyStudy:
    """Find what acts on one weight of a layer.

    Parameters
    ----------
    stack, layer_id
        Where the layer is.
    options
        `weight`, the label of the weight, or of the output.
    """
    shares = penalties_of(stack)
    step = stack.step(layer_id)
    labels = [] if step is None else _labels(step.layer)
    if step is None or not labels:
        return PenaltyStudy(shares)
    label = options["weight"] if options["weight"] in labels else labels[0]
    target = _target(stack, step, label)
    found = PenaltyStudy(
        shares,
        tuple(labels),
        label,
        _name(target.regularizer),
        _name(target.constraint),
        supposed=target.regularizer is None and target.constraint is None,
        trained=target.trained,
    )
    # Regularizers and constraints may be anybody's, and fail in any way.
    try:
        return _measured(replace(found, penalty=_cost(step, target)), target)
    except Exception as error:
        return replace(found, problem=str(error) or type(error).__name__)


def _labels(layer: Layer) -> list[str]:
    labels = weight_names(layer)
    return [*labels, output_label()] if layer.activity_regularizer is not None else labels


def _target(stack: Stack, step: Step, label: str) -> _Target:
    gradients = stack.gradients.get(step.spec.id)
    samples = max(1, len(step.output))
    layer = step.layer
    if label == output_label() and layer.activity_regularizer is not None:
        arriving = None if gradients is None else gradients.output
        gradient = None if arriving is None else arriving[:1]
        return _Target(label, step.output[:1], gradient, layer.activity_regularizer)
    weight = layer.weights[weight_names(layer).index(label)]
    trained = layer.trainable_weights
    known = zip(trained, gradients.weights if gradients else (), strict=False)
    # The gradients are those of the samples' sum; a step takes their mean.
    gradient = next(
        (one / samples for each, one in known if each is weight and one is not None), None
    )
    if not any(each is weight for each in trained):
        return _Target(label, weight.value, None, trained=False)
    return _Target(label, weight.value, gradient, weight.regularizer, weight.constraint)


def _name(acting: Any) -> str:
    if acting is None:
        return ""
    return getattr(acting, "__name__", type(acting).__name__)


def _cost(step: Step, target: _Target) -> float:
    """Return what a target alone adds to the loss."""
    if target.label == output_label():
        return own_activity_penalty(step)
    return 0.0 if target.regularizer is None else scalar(target.regularizer(target.values))


def _measured(found: PenaltyStudy, target: _Target) -> PenaltyStudy:
    values = np.asarray(target.values)
    if values.dtype.kind != "f" or not values.size:
        return found
    regularizer, constraint = target.regularizer, target.constraint
    axes = group_axes(constraint, values.ndim)
    if found.supposed:
        axes = axes or tuple(range(values.ndim))
        regularizer, constraint = regularizers.L2(0.01), _felt_limit(values, axes)
    pull = gradient_of(target.regularizer, values)
    gradient = pull if target.gradient is None else target.gradient + pull
    rate = step_rate(values, gradient)
    stepped = (values - rate * gradient).astype(values.dtype) if rate else values
    whole = np.linalg.norm(gradient)
    return replace(
        found,
        rate=rate,
        pull=float(np.linalg.norm(pull) / whole) if whole > 0 and target.regularizer else math.nan,
        norms=None if constraint is None else norms_of(values, stepped, constraint),
        plane=plane_of(values, stepped, regularizer, constraint, axes),
    )


def _felt_limit(values: np.ndarray, axes: tuple[int, ...]) -> constraints.MaxNorm:
    """Return the constraint shown where there is none: one that most columns would feel."""
    norms = np.sqrt(np.square(values, dtype=np.float64).sum(axis=axes))
    median = float(np.median(norms))
    limit = float(f"{0.75 * median:.1g}") if math.isfinite(median) else 0.0
    return constraints.MaxNorm(limit or 1.0, axis=axes)


# --- words --------------------------------------------------------------------------------------


def sentence(layer: LayerView, found: PenaltyStudy, loss: float | None) -> str:
    """Say what the penalty costs and what the constraint does."""
    if found.problem:
        return text("lenses.penalty_problem", label=found.label, problem=found.problem)
    if not found.labels:
        return " ".join([text("lenses.no_weights", layer=layer.class_name), _whole(found, loss)])
    if not found.trained:
        return text("lenses.penalty_not_trained", label=found.label)
    if found.supposed:
        return " ".join([text("lenses.nothing_acts", label=found.label), _whole(found, loss)])
    parts = []
    if found.regularizer:
        parts.append(
            text(
                "lenses.penalty_costs",
                regularizer=found.regularizer,
                penalty=wording.number(found.penalty),
                label=found.label,
            )
        )
    if found.constraint:
        parts.append(_constraint_words(found))
    return " ".join([*parts, _whole(found, loss)])


def _constraint_words(found: PenaltyStudy) -> str:
    norms = found.norms
    if norms is None:
        return ""
    values = {
        "what": text("lenses.single_values" if norms.alone else "lenses.columns"),
        "constraint": found.constraint,
        "now": wording.count(norms.moved_now),
        "groups": wording.count(norms.groups),
        "stepped": wording.count(norms.moved_stepped),
        "rate": wording.number(found.rate),
    }
    key = "lenses.constraint_acts" if found.rate else "lenses.constraint_acts_now"
    return text(key, **values)


def _whole(found: PenaltyStudy, loss: float | None) -> str:
    penalties = sum(share.total for share in found.shares)
    if not penalties > 0.0:
        return ""
    if loss is None or not math.isfinite(loss):
        return text("lenses.penalties_alone", penalties=wording.number(penalties))
    share = wording.percent(penalties / (penalties + loss))
    return text("lenses.penalties_share", share=share, whole=wording.number(penalties + loss))


def rows(layer_id: str, found: PenaltyStudy, loss: float | None) -> list[dict[str, Any]]:
    """Return the bars of the loss: the data's, then the layers that add most, and the rest."""
    known = 0.0 if loss is None or not math.isfinite(loss) else loss
    adding = [share for share in found.shares if share.total > 0.0]
    whole = known + sum(share.total for share in adding)
    listed = sorted(adding, key=lambda share: (share.layer_id != layer_id, -share.total))
    kept = {share.layer_id for share in listed[:_MOST_ROWS]}
    rest = [share for share in adding if share.layer_id not in kept]
    bars: list[tuple[str, list[tuple[float, str]], bool]] = []
    if loss is not None:
        bars.append((text("lenses.data_loss"), [(known, MARKER)], False))
    for share in adding:
        if share.layer_id in kept:
            parts = [(share.weights, MEASURED), (share.activity, ACTIVITY)]
            bars.append((share.name, parts, share.layer_id == layer_id))
    if rest:
        total = sum(share.total for share in rest)
        bars.append((text("lenses.other_layers", count=len(rest)), [(total, MEASURED)], False))
    return [
        {"name": name, "parts": parts, "selected": selected, "label": _bar_label(parts, whole)}
        for name, parts, selected in bars
    ]


def _bar_label(parts: list[tuple[float, str]], whole: float) -> str:
    size = sum(part for part, _ in parts)
    if not whole > 0.0:
        return wording.number(size)
    return f"{wording.number(size)} · {wording.percent(size / whole)}"


def table(found: PenaltyStudy, loss: float | None) -> list[tuple[str, str]]:
    """Return the numbers behind the pictures."""
    said = [(text("lenses.data_loss"), "–" if loss is None else wording.number(loss))]
    for share in found.shares:
        if share.total != 0.0:
            words = text(
                "lenses.penalty_row",
                weights=wording.number(share.weights),
                activity=wording.number(share.activity),
            )
            said.append((share.name, words))
    if not found.labels or found.problem:
        return said
    said += [
        (text("lenses.regularizer"), found.regularizer or "–"),
        (text("lenses.constraint"), found.constraint or "–"),
        (text("lenses.step_rate"), wording.number(found.rate)),
    ]
    if math.isfinite(found.pull):
        said.append((text("lenses.penalty_pull"), wording.percent(found.pull)))
    if found.norms is not None:
        said += _norm_rows(found.norms)
    return said


def _norm_rows(norms: Norms) -> list[tuple[str, str]]:
    pairs = (
        ("lenses.norms_now", norms.now, norms.now_projected),
        ("lenses.norms_stepped", norms.stepped, norms.stepped_projected),
    )
    return [
        (
            text(key),
            text(
                "lenses.norm_row",
                before=wording.number(float(before.max())),
                after=wording.number(float(after.max())),
            ),
        )
        for key, before, after in pairs
        if before.size
    ]


def legend(found: PenaltyStudy) -> list[dict[str, str]]:
    """Return what each mark of the pictures means."""
    entries = []
    if any(share.weights > 0 for share in found.shares):
        entries.append(legend_entry("fill", MEASURED, text("lenses.on_weights")))
    if any(share.activity > 0 for share in found.shares):
        entries.append(legend_entry("fill", ACTIVITY, text("lenses.on_outputs")))
    if found.plane is None and found.norms is None:
        return entries
    entries.append(legend_entry("dot", MEASURED, text("lenses.now")))
    if found.rate:
        rate = wording.number(found.rate)
        entries.append(legend_entry("line", STEPPED, text("lenses.after_step"), rate))
    if found.plane is not None and found.plane.penalty is not None:
        name = found.regularizer or "L2"
        entries.append(legend_entry("line", CONTOUR, text("lenses.equal_penalty", name=name)))
    if found.norms is not None:
        name = found.constraint or "MaxNorm"
        entries.append(legend_entry("line", MARKER, text("lenses.projected", name=name)))
        if found.norms.limits:
            limits = " – ".join(map(wording.number, found.norms.limits))
            entries.append(legend_entry("dash", CONTOUR, text("lenses.limit"), limits))
    return entries


# --- lens ---------------------------------------------------------------------------------------


class PenaltyLens(LayerLens):
    """Shares of the loss, norms before and after a constraint, and a plane of two weights.

    Parameters
    ----------
    session
        What `LayerLens` needs.
    """

    key: ClassVar[str] = "penalty"
    study = staticmethod(study)
    options: ClassVar[Mapping[str, Any]] = {"weight": ""}

    def __init__(self, session: Any) -> None:
        self.shares = SharesPicture(text("lenses.shares_picture"))
        self.norms = NormsPicture(text("lenses.norms_picture"))
        self.plane = PlanePicture(text("lenses.plane_picture"))
        pictures = SideBySide([self.norms.pane], [self.plane.pane])
        body = LensBody(self.shares.pane, pictures, choices_label=text("lenses.choose_weight"))
        super().__init__(session, body)
        body.caption.param.watch(self._choose, "choice")

    def title(self, layer: LayerView) -> str:
        """Name what is shown."""
        return text("lenses.penalty_of", name=layer.name)

    def _choose(self, event: Any) -> None:
        if event.new in self.body.caption.content["choices"]:
            self.session.set_option(self.key, weight=event.new)

    def _show(self, layer: LayerView, found: PenaltyStudy) -> None:
        loss = self.session.snapshot.loss
        subject = (layer.id, found.label)
        old: PenaltyStudy | None = self.found_other
        their_loss = None if old is None else self.session.compared.loss
        self.shares.show(
            rows(layer.id, found, loss), [] if old is None else rows(layer.id, old, their_loss)
        )
        self.norms.show(found.norms, subject, found.supposed, old and old.norms)
        said, entries = sentence(layer, found, loss), legend(found)
        if old is not None and self.other is not None:
            said = both_sentences(said, sentence(self.other, old, their_loss))
            entries.append(of_a())
        self.norms.message.say("" if found.norms is not None else text("lenses.no_norms"))
        self.plane.show(found.plane, subject, found.supposed)
        self.plane.message.say("" if found.plane is not None else text("lenses.no_plane"))
        self.body.say(
            Words(
                subject=self.title(layer),
                detail=_detail(found),
                sentence=said,
                tone="bad" if found.problem else "plain",
                legend=entries,
                choices=found.labels,
                choice=found.label,
                table=lambda: both_rows(
                    lambda pair: table(*pair),
                    (found, loss),
                    None if old is None else (old, their_loss),
                ),
            )
        )

    def _show_nothing(self, words: Words) -> None:
        self.shares.show([])
        self.norms.show(None, None, faint=False)
        self.norms.message.say(text("lenses.no_picture"))
        self.plane.show(None, None, faint=False)
        self.plane.message.say(text("lenses.no_picture"))
        self.body.say(words)


def _detail(found: PenaltyStudy) -> str:
    """Name what acts, and which two values the plane shows."""
    if not found.labels:
        return ""
    parts = [found.regularizer or "–", found.constraint or "–"]
    acting = text("lenses.acting", regularizer=parts[0], constraint=parts[1])
    if found.plane is None:
        return acting
    first, second = (wording.shape(place) for place in found.plane.places)
    return f"{acting} · {text('lenses.plane_of', first=first, second=second)}"
