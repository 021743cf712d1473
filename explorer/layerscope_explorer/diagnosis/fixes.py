"""One-click repairs of a layer that cannot work: thought up, tried in a dry run, the best kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from layerscope_explorer.diagnosis import arranging, choosing, merging, replacing
from layerscope_explorer.diagnosis.dry_run import COMPLAINTS, Checked, Outline, dry_run
from layerscope_explorer.diagnosis.patient import Idea, Patient
from layerscope_explorer.document import Document
from layerscope_explorer.snapshot import Fix, Problem

#: So many are offered at most.
MOST = 3
#: Think up repairs, in the order in which they are worth trying.
_IDEAS: tuple[Callable[[Patient], Iterable[Idea]], ...] = (
    replacing.whole_cell,
    choosing.arguments,
    merging.other_inputs,
    arranging.other_axes,
    choosing.smaller,
    replacing.other_layer,
    choosing.resets,
    arranging.other_channels,
    arranging.other_data,
    replacing.without,
)


def prescribe(
    document: Document, problem: Problem, rehearse: Callable[[Document], bool] | None = None
) -> Problem:
    """Return a problem with the best few repairs: stacks in which the layer works.

    Parameters
    ----------
    document : the stack.
    problem : of its first layer that cannot work.
    rehearse : tells whether a stack really works, for problems that only numbers show.
    """
    memo: dict[Any, Checked] = {}
    outline = dry_run(document, memo)
    patient = Patient.of(document, problem, outline)
    # What preprocessing does with plain arrays no dry run follows.
    doubtful = getattr(patient.layer, "section", "") == "preprocessing"
    if outline.problem is not None and not doubtful:
        rehearse = None
    # A repair of the whole stack comes before one that only moves the problem down.
    whole: list[Fix] = []
    part: list[Fix] = []
    seen: list[Document] = []
    for idea in (idea for think in _IDEAS for idea in _thought_up(think, patient)):
        for fix in [idea] if isinstance(idea, Fix) else idea:
            if fix.document in seen:
                continue
            seen.append(fix.document)
            found = _tried(fix, memo)
            if found is None or not _reaches(patient, found):
                continue
            if rehearse is not None and not rehearse(fix.document):
                continue
            (whole if found.problem is None else part).append(fix)
            break
        if len(whole) == MOST:
            break
    return replace(problem, fixes=tuple((whole + part)[:MOST]))


def _thought_up(think: Callable[[Patient], Iterable[Idea]], patient: Patient) -> Iterator[Idea]:
    """Return ideas up to the first that cannot even be written down."""
    try:
        yield from think(patient)
    except COMPLAINTS:
        # The stack is full, or what a person chose leaves nothing to reason with.
        return


def _tried(fix: Fix, memo: dict[Any, Checked]) -> Outline | None:
    try:
        return dry_run(fix.document, memo)
    except ValueError:
        return None


def _reaches(patient: Patient, found: Outline) -> bool:
    """Tell whether a repaired stack gets beyond the layer that could not work."""
    if found.problem is None:
        return True
    ids = [layer.id for layer in found.document.layers]
    broken = ids.index(found.problem.layer_id)
    if patient.spec.id in ids:
        return ids.index(patient.spec.id) < broken
    below = [layer.id for layer in patient.document.layers[patient.index + 1 :]]
    return found.problem.layer_id in below
