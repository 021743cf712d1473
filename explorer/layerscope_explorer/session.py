"""One browser tab: its document, its history, the newest pictures and its training."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cache, partial
from typing import Any

import numpy as np
import param

from layerscope_explorer import document as edits
from layerscope_explorer.data import Data, digits_data
from layerscope_explorer.document import Document, History, digits_stack
from layerscope_explorer.engine import Engine
from layerscope_explorer.snapshot import Fix, Snapshot, TrainingState
from layerscope_explorer.strings import text
from layerscope_explorer.trainer import Trainer
from layerscope_explorer.workers import InlineScheduler, Scheduler

#: Pictures follow training this often, in milliseconds: 15 times a second is fluid.
FRAME = 66
#: Pictures that are older than this are dimmed, in milliseconds.
STALE_AFTER = 100


@cache
def opening_snapshot() -> Snapshot:
    """Return the pictures of the stack every page opens with; computed once per process."""
    return Engine(digits_data()).snapshot(digits_stack())


class Session(param.Parameterized):
    """Everything one person does; views watch its params and call its methods.

    Heavy work runs in the scheduler's pool. The newest document wins: while one picture is
    computed, any number of edits lead to one more, not to a queue.

    Parameters
    ----------
    scheduler : where heavy work runs.
    start : stack to open with; default: a small network for the digits.
    """

    document: Any = param.Parameter(doc="The stack, an immutable Document.")
    selected: Any = param.String(default="", doc="Id of the layer that is looked at.")
    snapshot: Any = param.Parameter(doc="Newest pictures, a Snapshot.")
    training: Any = param.Parameter(default=TrainingState(), doc="Where training is.")
    stale: Any = param.Boolean(default=False, doc="Newer pictures are under way.")
    undo_name: Any = param.String(default="", doc="What Undo would take back.")
    redo_name: Any = param.String(default="", doc="What Redo would make again.")

    def __init__(self, scheduler: Scheduler | None = None, start: Document | None = None) -> None:
        document = start or digits_stack()
        super().__init__(document=document)
        self._data: Data = digits_data()
        self._scheduler: Scheduler = scheduler or InlineScheduler()
        self._engine = Engine(self._data)
        self._history = History(document)
        self._trained: dict[str, Sequence[np.ndarray]] = {}
        self._trainer: Trainer | None = None
        self._stop_ticking: Callable[[], None] | None = None
        self._computing = self._again = self._closed = False
        if start is None:
            self.snapshot = opening_snapshot()
        else:
            self._refresh()
        if document.layers:
            self.selected = document.layers[0].id

    # --- edits ---------------------------------------------------------------------------

    def add_layer(self, class_name: str, index: int | None = None) -> None:
        """Insert a layer and select it."""
        document = edits.add_layer(self.document, class_name, index)
        self._edit(text("session.edit_add", name=class_name), document)
        self.selected = f"layer{document.next_id - 1}"

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
        name = self.document.names()[layer_id]
        document = edits.duplicate_layer(self.document, layer_id)
        self._edit(text("session.edit_duplicate", name=name), document)
        self.selected = f"layer{document.next_id - 1}"

    def move_layer(self, layer_id: str, index: int) -> None:
        """Put a layer at another position."""
        name = self.document.names()[layer_id]
        document = edits.move_layer(self.document, layer_id, index)
        self._edit(text("session.edit_move", name=name), document)

    def apply_fix(self, fix: Fix) -> None:
        """Make the repair a problem offers."""
        at = self.document.index(fix.before)
        self._edit(fix.label, edits.add_layer(self.document, fix.class_name, at))

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

    def layer_config(self, layer_id: str) -> dict[str, Any]:
        """Return the arguments of a layer that differ from their defaults."""
        return dict(self.document.layer(layer_id).arguments)

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

    def set_training(self, option: str, value: Any) -> None:
        """Change how the stack is trained; takes effect with the next training.

        Raises
        ------
        ValueError
            If the option does not exist or the value is not valid.
        """
        document = edits.set_training(self.document, option, value)
        name = text("session.edit_training", option=text(f"training.{option}"))
        self._edit(name, document, f"training.{option}")

    @property
    def training_options(self) -> dict[str, Any]:
        """How the stack is trained, by option."""
        spec = self.document.training
        return {name: getattr(spec, name) for name in spec.__dataclass_fields__}

    def select(self, layer_id: str) -> None:
        """Look at a layer."""
        if any(layer.id == layer_id for layer in self.document.layers):
            with self._scheduler.together():
                self.selected = layer_id

    def undo(self) -> None:
        """Take the last edit back."""
        self._adopt(self._history.undo())

    def redo(self) -> None:
        """Make the last undone edit again."""
        self._adopt(self._history.redo())

    def _edit(self, name: str, document: Document, merge_key: str = "") -> None:
        self._adopt(self._history.edit(name, document, merge_key))

    def _adopt(self, history: History) -> None:
        """Make a history's document the current one."""
        before, after = self.document, history.document
        self._history = history
        if before.layers != after.layers or before.seed != after.seed:
            self._stop_training()
            self._forget_changed(before, after)
        past, future = history.past, history.future
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            self.document = after
            self.undo_name = past[-1].name if past else ""
            self.redo_name = future[0].name if future else ""
            if self.selected not in {layer.id for layer in after.layers}:
                self.selected = after.layers[0].id if after.layers else ""
        if before.layers != after.layers or before.seed != after.seed:
            self._refresh()

    def _forget_changed(self, before: Document, after: Document) -> None:
        """Keep what layers learned, but for those that were edited or removed."""
        if before.seed != after.seed:
            self._trained.clear()
            return
        keys = {layer.id: layer.key for layer in before.layers}
        kept = {layer.id for layer in after.layers if keys.get(layer.id) == layer.key}
        self._trained = {key: value for key, value in self._trained.items() if key in kept}

    # --- pictures ------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Ask for pictures of the newest document."""
        if self._computing:
            self._again = True
            return
        self._scheduler.later(STALE_AFTER, partial(self._mark_stale, self.document))
        self._compute()

    def _compute(self) -> None:
        """Start on pictures of the newest document and weights."""
        self._computing, self._again = True, False
        work = partial(self._engine.snapshot, self.document, dict(self._trained))
        self._scheduler.run(work, self._drawn)

    def _mark_stale(self, document: Document) -> None:
        """Dim the pictures if those of `document` are still under way."""
        if self._computing and self.document is document and not self._closed:
            with self._scheduler.together():
                self.stale = True

    def _drawn(self, future: Future[Snapshot]) -> None:
        """Show finished pictures, and go on if there is something newer."""
        self._computing = False
        if self._closed:
            return
        error = future.exception()
        with self._scheduler.together(), param.parameterized.batch_call_watchers(self):
            # A defect in the engine must not take the page down: the last good picture stays.
            if error is None:
                self.snapshot = future.result()
            self.stale = self.stale and self._again
        if self._again:
            self._refresh()
        if error is not None:
            raise error

    # --- training ------------------------------------------------------------------------

    def train(self) -> None:
        """Start training, from what was learned before."""
        self._stop_training()
        try:
            self._trainer = Trainer(self.document, self._data, self._trained)
        except ValueError as error:
            self.training = TrainingState(status="failed", message=str(error))
            return
        self._trainer.start()
        self._stop_ticking = self._scheduler.every(FRAME, self.tick)
        self.tick()

    def pause(self) -> None:
        """Hold training, ready to go on."""
        if self._trainer is not None:
            self._trainer.pause()
            self.tick()

    def resume(self) -> None:
        """Go on after a pause."""
        if self._trainer is not None:
            self._trainer.start()
            self.tick()

    def stop(self) -> None:
        """End training; what was learned stays."""
        if self._trainer is not None:
            self._trainer.stop()
            self.tick()

    def reset_weights(self) -> None:
        """Forget what was learned: back to the initial weights of the seed."""
        self._stop_training()
        self._trained.clear()
        self.training = TrainingState()
        self._refresh()

    def tick(self) -> None:
        """Show where training is; called again and again while it runs."""
        trainer = self._trainer
        if trainer is None or self._closed:
            return
        state = trainer.state()
        ended = state.status in ("finished", "failed")
        self._trained = dict(trainer.final_weights() if ended else trainer.weights)
        with self._scheduler.together():
            self.training = state
        if not self._computing:
            # Frames of a training are never stale: each is followed by the next.
            self._compute()
        if ended:
            self._end_ticking()
            self._trainer = None

    def _stop_training(self) -> None:
        """End a training that an edit has overtaken."""
        if self._trainer is None:
            return
        self._trainer.stop()
        self._trained = dict(self._trainer.final_weights())
        self.training = self._trainer.state()
        self._trainer = None
        self._end_ticking()

    def _end_ticking(self) -> None:
        if self._stop_ticking is not None:
            self._stop_ticking()
            self._stop_ticking = None

    def close(self) -> None:
        """Let go of everything: the page is gone."""
        self._closed = True
        self._end_ticking()
        if self._trainer is not None:
            self._trainer.stop()
            self._trainer = None
