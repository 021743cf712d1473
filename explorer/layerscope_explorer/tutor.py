"""Leads a session through a lesson: one step after another, each when it is done."""

from __future__ import annotations

from typing import Any

import param

from layerscope_explorer.facts import Facts
from layerscope_explorer.lesson import Lesson, Step
from layerscope_explorer.rules import FREE
from layerscope_explorer.snapshot import TrainingState

__all__ = ["Tutor"]


class Tutor(param.Parameterized):
    """The lesson of a session, and how far a person is.

    Parameters
    ----------
    session : the session it leads; `Session.lesson` becomes the lesson that is open.
    """

    step: Any = param.Integer(default=0, doc="Number of the step, from 0.")
    answer: Any = param.Integer(default=-1, doc="Which answer was given; -1 for none yet.")
    reached: Any = param.Boolean(default=False, doc="Whether the step's goal has been reached.")
    finished: Any = param.Boolean(default=False, doc="Whether the last step is done.")

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        session.param.watch(self._look, ["snapshot", "training"])

    @property
    def lesson(self) -> Lesson | None:
        """The lesson that is open."""
        return self._session.lesson

    @property
    def current(self) -> Step | None:
        """The step that a person is at."""
        return None if self.lesson is None else self.lesson.steps[self.step]

    @property
    def done(self) -> bool:
        """Whether everything that the step asks for is there."""
        step = self.current
        if step is None:
            return False
        return (step.ask is None or self.answer >= 0) and (step.goal is None or self.reached)

    def begin(self, lesson: Lesson) -> None:
        """Open a lesson at its first step."""
        self._session.lesson = lesson
        self._enter(0)

    def leave(self) -> None:
        """Close the lesson: the stack stays, and everything may be changed again."""
        self._session.param.update(rules=FREE, hidden=())
        self._session.lesson = None
        self.param.update(step=0, answer=-1, reached=False, finished=False)

    def guess(self, option: int) -> None:
        """Answer what the step asks; the first answer counts, and shows what is the case."""
        step = self.current
        if step is None or step.ask is None or self.answer >= 0:
            return
        if not 0 <= option < len(step.ask.options):
            return
        self.answer = option
        self._change(step.reveal.of(self._session.document))
        self._look()

    def forward(self) -> None:
        """Go to the next step, once this one is done."""
        lesson = self.lesson
        if lesson is None or not self.done or self.finished:
            return
        if self.step + 1 == len(lesson.steps):
            self.finished = True
        else:
            self._enter(self.step + 1)

    def again(self) -> None:
        """Begin the lesson anew."""
        if self.lesson is not None:
            self._enter(0)

    def _enter(self, number: int) -> None:
        """Make what a step begins with, and lock what it locks."""
        lesson, session = self.lesson, self._session
        assert lesson is not None
        step = lesson.steps[number]
        self._change(step.change.of(session.document))
        session.param.update(rules=step.rules, hidden=step.hidden)
        if step.selected:
            session.select(step.selected)
        if step.lens:
            session.open_lens(step.lens)
        self.param.update(step=number, answer=-1, reached=False, finished=False)
        self._look()

    def _change(self, document: Any) -> None:
        """Show a step's stack; what was before it cannot be undone into it."""
        if document != self._session.document:
            self._session.start_over(document, self._session.selected)

    def _look(self, *_: Any) -> None:
        """See whether the goal is reached; once it is, it stays so until the next step."""
        step, session = self.current, self._session
        if step is None or step.goal is None or self.reached:
            return
        if step.ask is not None and self.answer < 0:
            return
        snapshot = session.snapshot
        # Pictures of an older stack say nothing about this one.
        if snapshot is None or snapshot.document != session.document:
            return
        self.reached = step.goal.holds(Facts(snapshot, session.training or TrainingState()))
