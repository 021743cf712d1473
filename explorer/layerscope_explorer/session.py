"""One browser tab: its document, its history, the newest pictures and its training."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import param

from layerscope.compiled.jit import compiling_progress
from layerscope.configurable import fields_of
from layerscope_explorer import edits, own_code
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.comparing import Difference, PinnedStack, differences, on_same_ground
from layerscope_explorer.data import own_arguments
from layerscope_explorer.document import INPUT, Document
from layerscope_explorer.engine import Engine, Weights
from layerscope_explorer.faults import note
from layerscope_explorer.file_reading import read_file
from layerscope_explorer.history import History
from layerscope_explorer.ledger import ledger
from layerscope_explorer.lesson import Progress
from layerscope_explorer.making import origin_of
from layerscope_explorer.own_code import defining, with_own_code
from layerscope_explorer.own_data import OwnFile, Shelf
from layerscope_explorer.presets import OPENING, PRESETS
from layerscope_explorer.recording import Moment
from layerscope_explorer.rules import FREE
from layerscope_explorer.snapshot import Draft, Fix, Snapshot, Study, TrainingState
from layerscope_explorer.steps import Stack
from layerscope_explorer.strings import FIRST, LANGUAGES, speaking, speaks, text
from layerscope_explorer.sweeping import Drawn, Sweep, draws
from layerscope_explorer.trainer import Trainer
from layerscope_explorer.view_state import ViewState
from layerscope_explorer.workers import EDITS, InlineScheduler, Scheduler, SlicedJob

_LOG = logging.getLogger(__name__)

#: Looking for something new to show, and the least time between two pictures of a training; where
#: a picture takes long, its curves go on alone after `LATE`. In milliseconds.
TICK, FRAME, LATE = 10, 45, 200
#: Pictures that are older than this are dimmed, in milliseconds.
STALE_AFTER = 250
#: How far compiling is, is looked at this often, in milliseconds.
LOOK_AGAIN = 1000

#: Stands for no value at all, where None is one.
NOTHING: Any = object()

#: What the merge keys of edits begin with that exchange A and B.
_SWAP = "swap "

#: What a lens computes of one layer beyond the snapshot: (stack, layer id, options) -> found.
StudyFunction = Callable[[Stack, str, Mapping[str, Any]], Any]


def opening_snapshot(preset: str = OPENING, language: str = FIRST) -> Snapshot:
    """Return the pictures of a preset's stack; computed once per process and language."""
    return _opening(preset, language)


@cache
def _opening(preset: str, language: str) -> Snapshot:
    # Apart from its caller: a cache takes an argument that is left out for another one.
    with speaking(language):
        return Engine().snapshot(PRESETS[preset]())


@dataclass(frozen=True)
class Brought:
    """A file that a person brought, with what is to be learned from it, or why it is none."""

    file: OwnFile | None = None
    target: str = ""
    error: str = ""


@speaks
@with_own_code
class Session(param.Parameterized):
    """Everything one person does; views watch its params and call its methods.

    Heavy work runs in the scheduler's pool. The newest document wins: while one picture is
    computed, any number of edits lead to one more, not to a queue.

    Parameters
    ----------
    scheduler : where heavy work runs.
    start : stack to open with, or its finished pictures; default: the opening demo's.
    language : what the page speaks, one of `strings.LANGUAGES`.
    weights : by layer id, those that `start` shows; the initial ones where there are none.
    may_write_code : whether Python may be written in the page, to be run here.
    """

    document: Any = param.Parameter(doc="The stack, an immutable Document.")
    selected: Any = param.String(default="", doc="Id of the layer that is looked at.")
    lens: Any = param.String(default="", doc="Name of the lens that is open.")
    snapshot: Any = param.Parameter(doc="Newest pictures, a Snapshot.")
    study: Any = param.Parameter(doc="What the open lens found, a Study; None if it asks nothing.")
    training: Any = param.Parameter(default=TrainingState(), doc="Where training is.")
    brought: Any = param.Parameter(doc="The file that was read last, a Brought; or None.")
    anew: Any = param.String(default="", doc="What the last edit did to what was learned.")
    ghost: Any = param.Parameter(doc="Pictures of a choice that is only looked at; or None.")
    stale: Any = param.Boolean(default=False, doc="Newer pictures are under way.")
    history: Any = param.Parameter(doc="The edits so far and those undone, a History.")
    rules: Any = param.Parameter(default=FREE, doc="What may be edited, Rules.")
    hidden: Any = param.Parameter(default=(), doc="Names of lenses and parts that are not there.")
    lesson: Any = param.Parameter(doc="The Lesson that is open, or None.")
    progress: Any = param.Parameter(default=Progress(), doc="How far it is, a Progress.")
    notice: Any = param.String(default="", doc="What could not be done, to be read once.")
    draft: Any = param.Parameter(default=Draft(), doc="Python that is being written, a Draft.")
    pinned: Any = param.Parameter(doc="The stack A to compare with, a Document; None without.")
    compared: Any = param.Parameter(doc="Pictures of A on the seed and data of B, a Snapshot.")
    sweep: Any = param.Parameter(doc="How the stack fares with other seeds, a Sweep; or None.")
    compiling = param.Tuple(default=(0, 0), doc="How many loops are compiled, and of how many.")
    language: Any = param.Selector(default=FIRST, objects=list(LANGUAGES), doc="What is spoken.")

    def __init__(
        self,
        scheduler: Scheduler | None = None,
        start: Document | Snapshot | None = None,
        language: str = FIRST,
        weights: Weights | None = None,
        *,
        may_write_code: bool = False,
    ) -> None:
        start = start or opening_snapshot(language=language)
        document = start.document if isinstance(start, Snapshot) else start
        super().__init__(document=document, history=History(document), language=language)
        self._scheduler: Scheduler = scheduler or InlineScheduler()
        self._engine, self._ghosts = Engine(), Engine()
        # What is looked at without making it, and whether its pictures are under way.
        self._previewed: Document | None = None
        self._previewing = False
        # When the oldest edit that has no picture yet was made; 0 for none.
        self._asked = 0.0
        self._resting = False
        self.may_write_code = may_write_code
        self._studies: dict[str, StudyFunction] = {}
        self._paces: dict[str, float] = {}
        self._framed = self._studied = -math.inf
        # What is shown of a training as soon as its picture stands.
        self._waiting: TrainingState | None = None
        self._options: dict[str, dict[str, Any]] = {}
        # By layer id, with what the weights came from before they were trained.
        self._learned: dict[str, tuple[str, Sequence[np.ndarray]]] = {}
        self._trained: Weights = {}
        self._taken_weights: Weights | None = None
        self._trainer: Trainer | None = None
        self._shelf, self._reading = Shelf(), 0
        self._stop_ticking: Callable[[], None] | None = None
        if weights:
            self._learn(document, weights)
        self._shown_weights: Weights = self._trained
        self._shown_language = language
        self._other: PinnedStack | None = None
        self.pinned_training: TrainingState | None = None
        self._sweeping: SlicedJob | None = None
        self._swept: list[Drawn] = []
        self._stop_watching: Callable[[], None] | None = None
        self._computing = self._again = self._closed = False
        if isinstance(start, Snapshot):
            self.snapshot = start
        else:
            self._refresh()
        self.selected = _worth_a_look(document, self.snapshot)
        self._look_at_compiling()
        self._scheduler.every(LOOK_AGAIN, self._look_at_compiling)

    def _look_at_compiling(self) -> None:
        self.compiling = compiling_progress()

    # --- edits ---------------------------------------------------------------------------

    def add_layer(self, class_name: str, index: int | None = None) -> None:
        """Insert a layer and select it; one of several inputs also takes one that fits."""
        document = edits.add_layer(self.document, class_name, index)
        added = f"layer{document.next_id - 1}"
        if sources := self._fitting_sources(document, added):
            document = edits.set_sources(document, added, sources)
        self._edit(text("session.edit_add", name=class_name), document)
        self.selected = added

    def _fitting_sources(self, document: Document, layer_id: str) -> list[str]:
        """Return what a new layer of several inputs should take beside the card above it.

        The nearest layer of the same shape further up, which makes a residual; else that card
        once more.
        """
        layer = document.layer(layer_id)
        cls = layerscope_catalogue().layer(layer.class_name)
        if cls is None or not takes_several_inputs(cls):
            return []
        above = [INPUT, *(one.id for one in document.layers[: document.index(layer_id)])]
        shapes = {view.id: view.output_shape for view in self.snapshot.layers}
        shapes[INPUT] = (None, *self.snapshot.input_shape)
        *further, last = above
        fitting = [one for one in reversed(further) if shapes.get(one) == shapes.get(last)]
        return [fitting[0] if fitting else last]

    def remove_layer(self, layer_id: str) -> None:
        """Take a layer out; its neighbour becomes the selected one."""
        at = self.document.index(layer_id)
        name = self.document.names()[layer_id]
        document = edits.remove_layer(self.document, layer_id)
        if self.selected == layer_id and document.layers:
            self.selected = document.layers[min(at, len(document.layers) - 1)].id
        self._edit(text("session.edit_remove", name=name), document)

    def duplicate_layer(self, layer_id: str) -> None:
        """Insert a copy of a layer after it and select the copy."""
        self._edit_layer("edit_duplicate", layer_id, edits.duplicate_layer)
        self.selected = f"layer{self.document.next_id - 1}"

    def share_layer(self, layer_id: str) -> None:
        """Use a layer once more at the end, with the same weights, and select that."""
        self._edit_layer("edit_share", layer_id, edits.share_layer)
        self.selected = f"layer{self.document.next_id - 1}"

    def unshare_layer(self, layer_id: str) -> None:
        """Give a layer that shares another's weights its own."""
        self._edit_layer("edit_unshare", layer_id, edits.unshare_layer)

    def move_layer(self, layer_id: str, index: int) -> None:
        """Put a layer at another position."""
        self._edit_layer("edit_move", layer_id, edits.move_layer, index)

    def bypass_layer(self, layer_id: str) -> None:
        """Let values pass a layer by, or through it again if they do already."""
        bypassed = not self.document.layer(layer_id).bypassed
        key = "edit_bypass" if bypassed else "edit_unbypass"
        self._edit_layer(key, layer_id, edits.set_bypassed, bypassed)

    def reroll_layer(self, layer_id: str) -> None:
        """Draw the weights of one layer anew."""
        self._edit_layer("edit_reroll", layer_id, edits.reroll_layer)

    def set_sources(self, layer_id: str, sources: Sequence[str]) -> None:
        """Choose whose outputs a layer takes beside that of the card above it.

        Raises
        ------
        ValueError
            If it takes one input only, or there is no such layer above it.
        """
        self._edit_layer("edit_sources", layer_id, edits.set_sources, sources)

    def _edit_layer(
        self, key: str, layer_id: str, edit: Callable[..., Document], *values: Any
    ) -> None:
        name = self.document.names()[layer_id]
        self._edit(text(f"session.{key}", name=name), edit(self.document, layer_id, *values))

    def apply_fix(self, fix: Fix) -> None:
        """Make the repair that a problem, or an unhealthy layer, offers."""
        # A repair of an older stack would undo what was edited since.
        if self.snapshot.document == self.document:
            self._edit(fix.label, fix.document)

    def set_json(self, source: str) -> None:
        """Take over a document written as JSON.

        Raises
        ------
        ValueError
            If it is none; the message says what is wrong with it.
        """
        self._edit(text("session.edit_document"), from_json(source), "json")

    def json(self) -> str:
        """Return the document as JSON for a person to read."""
        return to_json(self.document, indent=2)

    def set_argument(self, layer_id: str, argument: str, value: Any) -> None:
        """Give a layer's argument a value.

        Raises
        ------
        ValueError
            If the layer could not have it; nothing is changed then.
        """
        document = edits.set_argument(self.document, layer_id, argument, value)
        self._edit(self._argument_edit(layer_id, argument), document, f"{layer_id}.{argument}")

    def reset_argument(self, layer_id: str, argument: str) -> None:
        """Give a layer's argument its default back."""
        document = edits.reset_argument(self.document, layer_id, argument)
        self._edit(self._argument_edit(layer_id, argument), document)

    def _argument_edit(self, layer_id: str, argument: str) -> str:
        name = self.document.names()[layer_id]
        return text("session.edit_argument", name=name, argument=argument)

    def set_everywhere(self, layer_id: str, argument: str) -> None:
        """Give all layers of the same class the value this one has of an argument."""
        document = edits.set_everywhere(self.document, layer_id, argument)
        name = self.document.layer(layer_id).class_name
        self._edit(text("session.edit_everywhere", name=name, argument=argument), document)

    def preview(self, layer_id: str, argument: str, value: Any) -> None:
        """Compute what the stack would be if all layers alike had a value; it becomes `ghost`.

        A value that cannot be, or `NOTHING`, takes the ghost away. As with edits the newest wins:
        a pointer that moves over a list of choices has the first and the last of them computed.
        """
        self._previewed = self._with_everywhere(layer_id, argument, value)
        if self._previewed is None:
            self.ghost = None
        elif not self._previewing:
            self._look_ahead(self._previewed)

    def _with_everywhere(self, layer_id: str, argument: str, value: Any) -> Document | None:
        """Return the stack if all layers alike had a value; None for one that cannot be."""
        if value is NOTHING:
            return None
        try:
            document = edits.set_argument(self.document, layer_id, argument, value)
            return edits.set_everywhere(document, layer_id, argument)
        except ValueError:
            return None

    def _look_ahead(self, document: Document) -> None:
        self._previewing = True
        work = partial(self._ghosts.snapshot, document)
        self._scheduler.run(work, partial(self._looked_ahead, document))

    def _looked_ahead(self, document: Document, future: Future[Snapshot]) -> None:
        """Show a finished ghost, or begin on another one if the pointer has moved on."""
        self._previewing, wanted = False, self._previewed
        if self._closed or wanted is None:
            return
        if wanted is not document:
            self._look_ahead(wanted)
        elif future.exception() is None:
            with self._scheduler.together():
                self.ghost = future.result()

    def open_document(self, document: Document, name: str) -> None:
        """Take over a whole document, as an edit of this name; go to it where it was before.

        Parameters
        ----------
        document : the stack.
        name : what a person calls this, such as "Open a file".
        """
        steps = self.history.steps_to(document)
        if steps is None:
            self._edit(name, document)
        else:
            self.go(steps)

    def show(self, state: ViewState, name: str) -> None:
        """Take over a shared state: its stack as an edit of this name, and what it looks at."""
        self.open_document(state.document, name)
        if state.pinned is None:
            self.unpin()
        elif state.pinned != self.pinned:
            self.pin(state.pinned)
        if state.selected:
            self.select(state.selected)
        if state.lens:
            self.open_lens(state.lens)

    def start_over(self, document: Document, selected: str = "") -> None:
        """Begin anew with a document: there is nothing to undo, and nothing was learned."""
        self._forget_training()
        self._adopt(History(document))
        if self._trained is not self._shown_weights:
            # The same stack as before, but for what it had learned.
            self._refresh()
        self.select(selected or _worth_a_look(document, self.snapshot))

    def layer_config(self, layer_id: str) -> dict[str, Any]:
        """Return the arguments of a layer that differ from their defaults."""
        return dict(self.document.owner(layer_id).arguments)

    def argument_names(self, layer_id: str) -> list[str]:
        """Return the names of the arguments that a layer could be given."""
        cls = layerscope_catalogue().layer(self.document.layer(layer_id).class_name)
        return [] if cls is None else [one.name for one in fields_of(cls)]

    # --- Python of one's own -------------------------------------------------------------

    def write_code(self, source: str) -> None:
        """Run what a person wrote, off the event loop; the stack has it if nothing is wrong.

        Raises
        ------
        PermissionError
            If no Python may be written here.
        """
        if not self.may_write_code:
            raise PermissionError(text("own_code.not_here"))
        self.draft = Draft(source)
        self._scheduler.run(partial(own_code.run, source), partial(self._written, self.draft))

    def _written(self, draft: Draft, future: Future[Any]) -> None:
        """Take over code that ran, unless more was written meanwhile."""
        if self._closed or self.draft is not draft:
            return
        try:
            future.result()
            document = edits.set_code(self.document, draft.source)
        except ValueError as error:
            with self._scheduler.together():
                self.draft = replace(draft, error=str(error))
            return
        with self._scheduler.together():
            self._edit(text("own_code.edit"), document, "own code")
            # Where a lesson locks it, what was written stays to be read.
            taken = self.document.code == document.code
            self.draft = Draft() if taken else replace(draft, error=self.notice)

    def offer_code(self, source: str) -> None:
        """Show code that came from elsewhere; it runs when the person says so."""
        with self._scheduler.together():
            self.draft = Draft(source, text("own_code.unread"), unread=True)
            self.notice = text("own_code.came_along")
        self.open_lens("own")

    def set_seed(self, seed: int) -> None:
        """Choose the seed of all randomness.

        Raises
        ------
        ValueError
            If it is not a whole number from 0 to 2**31 - 1.
        """
        self._edit(text("session.edit_seed", seed=seed), edits.set_seed(self.document, seed))

    def reroll(self) -> None:
        """Draw new weights by choosing another seed."""
        self.set_seed(secrets.randbelow(10_000))

    def set_phase(self, phase: str) -> None:
        """Choose whether pictures show a step of training or inference.

        Raises
        ------
        ValueError
            If it is neither.
        """
        document = edits.set_phase(self.document, phase)
        self._edit(text("session.edit_phase", phase=text(f"page.phase_{phase}")), document)

    def set_training(self, option: str, value: Any) -> None:
        """Change how the stack is trained, from where training is on.

        Raises
        ------
        ValueError
            If the option does not exist or the value is not valid.
        """
        document = edits.set_training(self.document, option, value)
        name = text("session.edit_training", option=text(f"training.{option}"))
        self._edit(name, document, f"training.{option}")

    def set_data(self, arguments: Mapping[str, Any]) -> None:
        """Choose the data by its card's arguments; the end of the stack is made to fit.

        Raises
        ------
        ValueError
            If there is no such data.
        """
        name = str(arguments.get("file") or arguments.get("data", "digits"))
        document = edits.choose_data(self.document, arguments)
        self._edit(text("session.edit_data", name=name), document)

    def read_file(self, name: str, content: bytes) -> None:
        """Read a file that a person brought; what it holds, or why not, becomes `brought`."""
        self._reading += 1
        done = partial(self._have_read, self._reading)
        self._scheduler.run(partial(read_file, name, content), done)

    def _have_read(self, number: int, future: Future[OwnFile]) -> None:
        if self._closed or number != self._reading:
            return
        error = future.exception()
        with self._scheduler.together():
            if error is None:
                file = self._shelf.put(future.result())
                self.brought = Brought(file, file.first_target)
            elif isinstance(error, ValueError):
                self.brought = Brought(error=str(error))
        if error is not None and not isinstance(error, ValueError):
            raise error

    def refuse_file(self, reason: str) -> None:
        """Say why a file is not even read."""
        self.brought = Brought(error=reason)

    def choose_target(self, name: str) -> None:
        """Choose what is learned from the file."""
        if self.brought is not None and self.brought.file and name in self.brought.file.targets:
            self.brought = replace(self.brought, target=name)

    def use_file(self) -> None:
        """Let the stack learn from the file that was brought."""
        brought = self.brought
        if brought is None or brought.file is None:
            return
        try:
            self.set_data(own_arguments(brought.file, brought.target))
        except ValueError as error:
            self.brought = Brought(error=str(error))

    @property
    def training_options(self) -> dict[str, Any]:
        """How the stack is trained, by option."""
        spec = self.document.training
        return {name: getattr(spec, name) for name in spec.__dataclass_fields__}

    def undo(self) -> None:
        """Take the last edit back."""
        self.go(-1)

    def redo(self) -> None:
        """Make the last undone edit again."""
        self.go(1)

    def go(self, steps: int) -> None:
        """Go `steps` edits on in the history; back where that is negative."""
        history, pinned = self.history, self.pinned
        for _ in range(min(abs(steps), len(history.past) + len(history.future))):
            crossed = (history.past[-1:] if steps < 0 else history.future[:1]) or None
            if crossed and pinned is not None and crossed[0].merge_key.startswith(_SWAP):
                # A and B change places again.
                pinned = history.document
            history = history.go(1 if steps > 0 else -1)
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            if pinned is not None and pinned is not self.pinned:
                self._pin(pinned, {})
            self._adopt(history)

    def _edit(self, name: str, document: Document, merge_key: str = "") -> None:
        if forbidden := self.rules.forbidden(self.document, document):
            what = ", ".join(one.rpartition(".")[2] for one in forbidden)
            self.notice = text("lesson.locked", what=what)
            return
        self._adopt(self.history.edit(name, document, merge_key))

    def _adopt(self, history: History) -> None:
        """Make a history's document the current one."""
        before, after = self.document, history.document
        recompute = _computes(before) != _computes(after)
        if recompute:
            self._asked = self._asked or time.perf_counter()
            self._trained = self._fitting(after)
        if self._trainer is not None:
            self._trainer.update(after, self._trained)
        # Views draw what the new document knows.
        with (
            defining(after.code),
            self._scheduler.together(),
            param.parameterized.batch_call_watchers(self),
        ):
            self.document = after
            self.history = history
            if self.selected not in {INPUT, *(layer.id for layer in after.layers)}:
                self.selected = after.layers[0].id if after.layers else INPUT
        if recompute:
            self._refresh()

    # --- A and B -------------------------------------------------------------------------

    def pin(self, document: Document | None = None) -> None:
        """Make a stack A, to compare with what the current one becomes; by default as it is."""
        learned = self._trained if document is None else {}
        self._pin(self.document if document is None else document, learned)
        # The input and the seed may have moved on.
        self._refresh()

    def _pin(self, document: Document, learned: Mapping[str, Sequence[np.ndarray]]) -> None:
        self._other = PinnedStack(document, learned, self.document.seed)
        shown: Snapshot | None = self.snapshot
        as_shown = document is self.document and not self._needs_pictures()
        if as_shown and shown is not None:
            self._other.adopt(shown)
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            self.pinned_training = self.training if document is self.document else None
            self.pinned = document
            self.compared = shown if as_shown else None

    def unpin(self) -> None:
        """Compare no longer."""
        self._other = self.pinned_training = None
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            self.pinned = self.compared = None

    def toggle_pin(self) -> None:
        """Pin the stack as it is, or compare no longer."""
        if self.pinned is None:
            self.pin()
        else:
            self.unpin()

    def swap(self) -> None:
        """Go on with A, and compare it with what was B."""
        if self.pinned is None:
            return
        document = on_same_ground(self.pinned, self.document)
        document = replace(document, next_id=max(document.next_id, self.document.next_id))
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            self._pin(self.document, self._trained)
            # Two in a row are two edits.
            self._edit(text("session.edit_swap"), document, f"{_SWAP}{len(self.history.past)}")

    @property
    def differences(self) -> list[Difference]:
        """The settings in which B differs from A; none while nothing is pinned."""
        return [] if self.pinned is None else differences(self.pinned, self.document)

    def revert(self, key: str) -> None:
        """Take one difference back: B has this setting as A does.

        Raises
        ------
        ValueError
            If the stack has no room for a layer of A.
        """
        found = next((one for one in self.differences if one.key == key), None)
        if found is not None:
            self._edit(text("session.edit_revert", what=found.name), found.revert())

    def start_sweep(self) -> None:
        """Compute the stack, and A beside it, with other seeds, in slices of the training pool."""
        self.stop_sweep()
        other = None if self.pinned is None else on_same_ground(self.pinned, self.document)
        self._swept = []
        self.sweep = Sweep(self.document, self.pinned)
        seeds = draws(self.document, other)
        self._sweeping = SlicedJob(partial(_take_next, seeds, self._swept))
        self._stop_watching = self._scheduler.every(FRAME, self.tick_sweep)
        self._sweeping.wake()

    def tick_sweep(self) -> None:
        """Show what a sweep has come to; called again and again while it runs."""
        if self._sweeping is None or self._closed:
            return
        if _computes(self.sweep.document) != _computes(self.document):
            # Nobody waits for what became of an older stack.
            self.stop_sweep()
            return
        ended, done = not self._sweeping.busy, self._swept
        if ended:
            self._end_sweep()
        if ended or len(done) > len(self.sweep.drawn):
            with self._scheduler.together():
                self.sweep = replace(self.sweep, drawn=tuple(done), running=not ended)

    def stop_sweep(self) -> None:
        """Compute no more seeds; what is done stays."""
        if self._sweeping is not None:
            self._end_sweep()
            self.sweep = replace(self.sweep, running=False)

    def close_sweep(self) -> None:
        """Put the sweep away."""
        self.stop_sweep()
        self.sweep = None

    def _end_sweep(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        if self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None

    # --- what is looked at ---------------------------------------------------------------

    def select(self, layer_id: str) -> None:
        """Look at a layer, or at the data."""
        if layer_id == INPUT or any(layer.id == layer_id for layer in self.document.layers):
            with self._scheduler.together():
                self.selected = layer_id
            self._study_again()

    def set_language(self, language: str) -> None:
        """Speak another language: everything is said anew, and nothing else changes.

        Raises
        ------
        ValueError
            If it is none of `strings.LANGUAGES`.
        """
        if language not in LANGUAGES:
            raise ValueError(text("session.unknown_language", value=language))
        if language == self.language:
            return
        with speaking(language):
            with self._scheduler.together():
                self.language = language
            self._refresh()

    def open_lens(self, name: str) -> None:
        """Look through another lens, unless a lesson hides it."""
        if name in self.hidden:
            return
        with self._scheduler.together():
            self.lens = name
        self._study_again()

    def register_study(
        self, lens: str, study: StudyFunction, *, pace: float = 0.0, **options: Any
    ) -> None:
        """Let a lens have something computed whenever it is open.

        Parameters
        ----------
        lens : its name.
        study : called off the event loop with the stack, the selected layer's id and the lens's
            options; must only read.
        pace : seconds to leave between two that only follow a training.
        options : what the lens starts with.
        """
        self._studies[lens], self._paces[lens] = study, pace
        # A lens that is made anew, in another language, goes on where the last one was.
        self._options[lens] = {**options, **self._options.get(lens, {})}
        if self.lens == lens:
            self._refresh()

    def set_option(self, lens: str, **options: Any) -> None:
        """Change what a lens's study is given."""
        self._options[lens].update(options)
        self._study_again()

    def options(self, lens: str) -> Mapping[str, Any]:
        """Return what a lens's study is given."""
        return dict(self._options[lens])

    def _study_again(self) -> None:
        """Ask for what the open lens shows of the selected layer."""
        if self.lens in self._studies:
            self._refresh()
        elif self.study is not None:
            self.study = None

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Do something after a while, unless the page is closed by then."""
        self._scheduler.later(milliseconds, lambda: None if self._closed else action())

    # --- pictures ------------------------------------------------------------------------

    @property
    def computing(self) -> bool:
        """Whether newer pictures are under way."""
        return self._computing

    def _refresh(self) -> None:
        """Ask for pictures of the newest document."""
        if self._computing:
            self._again = True
            return
        self._scheduler.later(STALE_AFTER, partial(self._mark_stale, self.document))
        self._compute()

    def _compute(self, *, follows: bool = False) -> None:
        """Start on pictures of the newest document and weights.

        Parameters
        ----------
        follows : whether they only follow a training, and others go first.
        """
        self._computing, self._again = True, False
        lens, layer_id, now = self.lens, self.selected, time.perf_counter()
        look = None
        keeps = follows and now - self._studied < self._paces.get(lens, 0.0)
        if lens in self._studies and not keeps:
            self._studied = now
            look = partial(_looked, lens, layer_id, self._studies[lens], dict(self._options[lens]))
        # Where only the lens changed, the pictures of the stack stay as they are.
        known = None if self._needs_pictures() else self.snapshot
        self._shown_weights, self._shown_language = self._trained, self.language
        work = partial(_work, self._engine, self.document, dict(self._trained), known, look)
        if (other := self._other) is not None:
            # Beside A, and only then, there is more to do.
            work = partial(_compared, work, other, self.document, self.compared, look)
        run = self._scheduler.animate if follows else self._scheduler.run
        run(work, partial(self._drawn, other, keeps))

    def _needs_pictures(self) -> bool:
        shown: Snapshot | None = self.snapshot
        if shown is None or self._resting or self._trained is not self._shown_weights:
            return True
        if self._shown_language != self.language:
            return True
        return _computes(shown.document) != _computes(self.document)

    def _mark_stale(self, document: Document) -> None:
        """Dim the pictures if those of `document` are still under way."""
        if self._computing and self.document is document and not self._closed:
            with self._scheduler.together():
                self.stale = True

    def _drawn(
        self, other: PinnedStack | None, keeps: bool, future: Future[tuple[Any, ...]]
    ) -> None:
        """Show finished pictures, and go on if there is something newer.

        Parameters
        ----------
        keeps : whether the open lens keeps what it found last.
        """
        self._computing = False
        if self._closed:
            return
        error = future.exception()
        if self._asked and not self._again:
            ledger().answered(time.perf_counter() - self._asked)
            self._asked = 0.0
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            if self._waiting is not None:
                self._show_training(self._waiting)
                self._waiting = None
            # A defect in the engine must not take the page down: the last good picture stays.
            if error is None:
                before = self.snapshot
                self._resting = False
                self.snapshot, study, *compared = future.result()
                if not keeps:
                    self.study = study
                if compared and other is self._other:
                    self.compared = compared[0]
                self._say_what_begins_anew(before, self.snapshot)
            self.stale = self.stale and self._again
        if self._again:
            self._refresh()
        elif self._trainer is not None and self._trainer.behind and not self._trainer.busy:
            # Now that the pictures stand there is time to prepare the edited stack for training.
            self._drive(lambda trainer: trainer.wake())
        if error is not None:
            self.notice = text("faults.picture_failed")
            raise error

    # --- training ------------------------------------------------------------------------

    def train(self) -> None:
        """Start training, or go on from where it is."""
        self._drive(lambda trainer: trainer.play())

    def pause(self) -> None:
        """Hold training, ready to go on."""
        if self._trainer is not None:
            self._drive(lambda trainer: trainer.pause())

    def resume(self) -> None:
        """Go on after a pause."""
        if self._trainer is not None:
            self.train()

    def step(self, count: int = 1) -> None:
        """Take some steps of training, or go back by as many where that is negative."""
        if count > 0 or self.training.reached:
            self._drive(lambda trainer: trainer.step(count))

    def seek(self, at: int) -> None:
        """Go to where training was after so many steps; 0 is where it began."""
        if self._trainer is not None:
            self._drive(lambda trainer: trainer.seek(at))

    @property
    def weights(self) -> Weights:
        """Weights by layer id, where they are not the initial ones; replaced as a whole."""
        return self._trained

    def set_weights(self, weights: Weights) -> None:
        """Take over weights, by layer id, as if they were learned."""
        self._forget_training()
        self._learn(self.document, weights)
        self._refresh()

    def reset_weights(self) -> None:
        """Forget what was learned: back to the initial weights of the seed."""
        self._forget_training()
        self._refresh()

    def _forget_training(self) -> None:
        self._end_ticking()
        self._waiting = None
        if self._trainer is not None:
            self._trainer.close()
            self._trainer = None
        self._learned, self._trained = {}, {}
        self.training, self.anew = TrainingState(), ""

    def moments(self, layer_id: str) -> list[Moment]:
        """Return a layer's weights at every step of the training that is kept, oldest first."""
        trainer = self._trainer
        return [] if trainer is None else trainer.moments(layer_id)

    def _drive(self, action: Callable[[Trainer], None]) -> None:
        """Tell the trainer something, and show what comes of it until it rests."""
        if self._closed:
            return
        if self._trainer is None:
            self._trainer = Trainer(self.document, self._trained)
        action(self._trainer)
        if self._stop_ticking is None:
            self._stop_ticking = self._scheduler.every(TICK, self._look_in)
        self.tick()

    def _look_in(self) -> None:
        """Show where training is, if it rests or the last picture stood long enough."""
        shown = 1000 * (time.perf_counter() - self._framed)
        under_way = self._trainer is not None and self._trainer.busy
        # The more others wait for, the longer.
        least = (LATE if self._computing else FRAME) * EDITS.pace
        if not under_way or shown >= least:
            self.tick(with_picture=True)

    def tick(self, *, with_picture: bool = False) -> None:
        """Show where training is.

        Parameters
        ----------
        with_picture : whether to wait for the picture that begins now, where one does: both are
            one message then.
        """
        trainer = self._trainer
        if trainer is None or self._closed:
            return
        self._framed = time.perf_counter()
        # Asked first: what is done afterwards is for the next time.
        resting = not trainer.busy
        weights, state = trainer.weights, self._plainly(trainer.state())
        # Before the first step they are what they were: an undo may still bring others back.
        if weights is not self._taken_weights and state.reached:
            self._taken_weights = weights
            self._learn(trainer.document, weights)
        waits = with_picture and not resting and not self._computing
        self._waiting = state if waits else None
        if not waits:
            self._show_training(state)
        # Frames of a training are never stale: each is followed by the next.
        if not self._computing:
            self._compute(follows=not resting)
        elif resting:
            self._again = True
        if resting:
            self._end_ticking()

    def _show_training(self, state: TrainingState) -> None:
        with self._scheduler.together():
            self.training = state
            if self.anew and state.status == "running":
                self.anew = ""

    def _plainly(self, state: TrainingState) -> TrainingState:
        """Let a training that cannot begin say why as the stack's own card does."""
        shown: Snapshot | None = self.snapshot
        if state.status != "failed" or shown is None or shown.document is not self.document:
            return state
        problem = next((view.problem for view in shown.layers if view.problem), None)
        return state if problem is None else replace(state, message=problem.message)

    def _learn(self, document: Document, weights: Weights) -> None:
        """Take over what was learned by the layers of a document."""
        known = {layer.id for layer in document.layers}
        for layer_id, one in weights.items():
            if layer_id in known:
                self._learned[layer_id] = (origin_of(document, layer_id), one)
        self._trained = self._fitting(self.document)

    def _fitting(self, document: Document) -> dict[str, Sequence[np.ndarray]]:
        """Return the learned weights that layers of a document may have, if the shapes agree.

        Not those of layers whose initializer, seed or class is another now: who chooses what
        weights are drawn from wants to see that.
        """
        return {
            layer.id: self._learned[layer.id][1]
            for layer in document.layers
            if layer.id in self._learned
            and not layer.shares
            and self._learned[layer.id][0] == origin_of(document, layer.id)
        }

    def _say_what_begins_anew(self, before: Snapshot | None, after: Snapshot) -> None:
        """Tell which layers lost what they had learned by an edit."""
        if before is None or before.document is after.document:
            return
        reached = {view.id: view.name for view in after.layers if view.output_shape is not None}
        lost = [reached[one] for one in reached if one in before.learned - after.learned]
        if not lost:
            self.anew = ""
        elif not after.learned:
            self.anew = text("training.all_anew")
        else:
            key = "starts_anew" if len(lost) == 1 else "start_anew"
            self.anew = text(f"training.{key}", names=", ".join(lost))

    def _end_ticking(self) -> None:
        if self._stop_ticking is not None:
            self._stop_ticking()
            self._stop_ticking = None

    def rest(self) -> None:
        """Let go of what can be computed again: nobody has asked for anything for a while.

        What is seen stays; the next edit, or another lens, brings everything back.
        """
        busy = self._computing or self._stop_ticking or self._sweeping
        if busy or self._resting or self.snapshot is None:
            return
        self._resting = True
        self._engine, self._ghosts = Engine(), Engine()
        with param.parameterized.discard_events(self):
            # No view is told, for each shows what it showed.
            stack = replace(self.snapshot.stack, steps=(), gradients={})
            self.snapshot = replace(self.snapshot, stack=stack)
            self.ghost = None

    def close(self) -> None:
        """Let go of everything: the page is gone."""
        self._closed = True
        # First what would go on without anybody.
        if self._trainer is not None:
            self._trainer.close()
            self._trainer = None
        self._end_ticking()
        self._end_sweep()


def _worth_a_look(document: Document, snapshot: Snapshot | None) -> str:
    """Return the first layer that has weights, else the first, else the data."""
    weighted = [view.id for view in snapshot.layers if view.params] if snapshot else []
    return next(iter([*weighted, *(layer.id for layer in document.layers), INPUT]))


def _computes(document: Document) -> tuple[Any, ...]:
    """Return the parts of a document that its pictures depend on."""
    code, loss = document.code, document.training.loss
    return document.layers, document.input, document.seed, document.phase, code, loss


def _work(
    engine: Engine,
    document: Document,
    weights: Mapping[str, Sequence[np.ndarray]],
    known: Snapshot | None,
    look: Callable[[Snapshot], Study] | None,
) -> tuple[Snapshot, Study | None]:
    """Compute a stack's pictures, unless they are known, and what the open lens asks of them."""
    snapshot = engine.snapshot(document, weights) if known is None else known
    return snapshot, None if look is None else look(snapshot)


def _compared(
    work: Callable[[], tuple[Snapshot, Study | None]],
    other: PinnedStack,
    current: Document,
    known: Snapshot | None,
    look: Callable[[Snapshot], Study] | None,
) -> tuple[Snapshot, Study | None, Snapshot]:
    """Compute B's pictures and A's, and what the open lens asks of both."""
    snapshot, study = work()
    compared = other.snapshot(current, known)
    if look is not None and study is not None:
        found = look(compared)
        study = replace(study, other=None if found.error else found.found)
    return snapshot, study, compared


def _take_next(items: Iterator[Drawn], taken: list[Drawn]) -> bool:
    """Take one item more, and tell whether there may be another."""
    try:
        taken.append(next(items))
    except StopIteration:
        return False
    except Exception as error:
        _LOG.error("a sweep ended early", exc_info=error)
        return False
    return True


def _looked(
    lens: str,
    layer_id: str,
    study: StudyFunction,
    options: Mapping[str, Any],
    snapshot: Snapshot,
) -> Study:
    """Return what a lens finds; what it cannot find must not cost the picture of the stack."""
    try:
        with np.errstate(all="ignore"):
            return Study(lens, layer_id, study(snapshot.stack, layer_id, options))
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Study(lens, layer_id, error=str(error))
    except Exception as error:
        note(error)
        return Study(lens, layer_id, error=text("faults.picture_failed"))
