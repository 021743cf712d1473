"""Leads a session through a lesson: one step after another, each when it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope_explorer.document import Document
from layerscope_explorer.facts import Facts
from layerscope_explorer.lesson import Lesson, Progress, Step
from layerscope_explorer.rules import FREE

__all__ = ["Tutor"]


class Tutor:
    """Opens lessons in a session, and goes on when a step is done.

    Where a person is stands in the session: its `lesson` and `progress`, for views to watch, and
    its `rules` and `hidden`, which hold while the step lasts.

    Parameters
    ----------
    session : the session it leads.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        session.param.watch(self._look, ["snapshot", "training"])

    @property
    def step(self) -> Step | None:
        """The step that a person is at, None without a lesson."""
        lesson, progress = self._session.lesson, self._session.progress
        return None if lesson is None else lesson.steps[progress.step]

    @property
    def done(self) -> bool:
        """Whether everything that the step asks for is there."""
        step, progress = self.step, self._session.progress
        return step is not None and progress.completes(step)

    def begin(self, lesson: Lesson) -> None:
        """Open a lesson at its first step."""
        self._session.lesson = lesson
        self._enter(0)

    def leave(self) -> None:
        """Close the lesson: the stack stays, and everything may be changed again."""
        self._session.param.update(rules=FREE, hidden=(), lesson=None, progress=Progress())

    def guess(self, option: int) -> None:
        """Answer what the step asks; the first answer counts, and shows what is the case."""
        step, session = self.step, self._session
        if step is None or step.ask is None or session.progress.answer >= 0:
            return
        if not 0 <= option < len(step.ask.options):
            return
        session.progress = replace(session.progress, answer=option)
        self._change(step.reveal.of(session.document))
        self._look()

    def forward(self) -> None:
        """Go to the next step, once this one is done."""
        session = self._session
        progress = session.progress
        if not self.done or progress.finished:
            return
        if progress.step + 1 == len(session.lesson.steps):
            session.progress = replace(progress, finished=True)
        else:
            self._enter(progress.step + 1)

    def again(self) -> None:
        """Begin the lesson anew."""
        if self._session.lesson is not None:
            self._enter(0)

    def _enter(self, number: int) -> None:
        """Make what a step begins with, and lock what it locks."""
        session = self._session
        step: Step = session.lesson.steps[number]
        self._change(step.change.of(session.document))
        session.param.update(rules=step.rules, hidden=step.hidden)
        if step.selected:
            session.select(step.selected)
        if step.lens:
            session.open_lens(step.lens)
        session.progress = Progress(number)
        self._look()

    def _change(self, document: Document) -> None:
        """Show a step's stack; what was before it cannot be undone into it."""
        if document != self._session.document:
            self._session.start_over(document, self._session.selected)

    def _look(self, *_: Any) -> None:
        """See whether the goal is reached; once it is, it stays so until the next step."""
        step, session = self.step, self._session
        if step is None or step.goal is None or session.progress.reached:
            return
        if step.ask is not None and session.progress.answer < 0:
            return
        snapshot = session.snapshot
        # Pictures of an older stack say nothing about this one.
        if snapshot is None or snapshot.document != session.document:
            return
        if step.goal.holds(Facts(snapshot, session.training)):
            session.progress = replace(session.progress, reached=True)
