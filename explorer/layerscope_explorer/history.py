"""Undo and redo: documents with the names of the edits between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope_explorer.document import Document


@dataclass(frozen=True, slots=True)
class Edit:
    """One step back: the document before it, and what a person calls it.

    Attributes
    ----------
    name : shown beside undo and redo.
    document : before the edit (in `past`) or after it (in `future`).
    merge_key : edits of the same key that follow each other are undone together.
    """

    name: str
    document: Document
    merge_key: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """A document with the edits that led to it and those that were undone."""

    document: Document
    past: tuple[Edit, ...] = ()
    future: tuple[Edit, ...] = ()
    limit: int = 100

    def edit(self, name: str, document: Document, merge_key: str = "") -> History:
        """Return the history after an edit; one that changes nothing leaves no trace."""
        if document == self.document:
            return self
        merges = bool(merge_key) and bool(self.past) and self.past[-1].merge_key == merge_key
        step = Edit(name, self.document, merge_key)
        past = self.past if merges and not self.future else (*self.past, step)
        return replace(self, document=document, past=past[-self.limit :], future=())

    def undo(self) -> History:
        """Return the history with the last edit taken back; itself when there is none."""
        if not self.past:
            return self
        last = self.past[-1]
        ahead = Edit(last.name, self.document, last.merge_key)
        return replace(
            self, document=last.document, past=self.past[:-1], future=(ahead, *self.future)
        )

    def redo(self) -> History:
        """Return the history with the last undone edit made again; itself when there is none."""
        if not self.future:
            return self
        first = self.future[0]
        behind = Edit(first.name, self.document, first.merge_key)
        return replace(
            self, document=first.document, past=(*self.past, behind), future=self.future[1:]
        )

    def steps_to(self, document: Document) -> int | None:
        """Return how many edits on, or back where negative, a document is; None for nowhere."""
        ahead = {number + 1: edit.document for number, edit in enumerate(self.future)}
        behind = {-number - 1: edit.document for number, edit in enumerate(reversed(self.past))}
        places = {0: self.document, **behind, **ahead}
        found = [steps for steps, one in places.items() if _same(one, document)]
        return min(found, key=abs, default=None)

    def go(self, steps: int) -> History:
        """Return the history `steps` edits on; back where that is negative."""
        history = self
        for _ in range(abs(steps)):
            history = history.redo() if steps > 0 else history.undo()
        return history


def _same(document: Document, other: Document) -> bool:
    """Tell whether two documents say the same; ids yet to come do not matter."""
    return replace(document, next_id=0) == replace(other, next_id=0)
