"""The lesson above the workbench: what it says, what it asks, and whether its goal is reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param

from layerscope_explorer.components import stylesheets, with_dom
from layerscope_explorer.components.component import Component
from layerscope_explorer.lesson import LANGUAGES, Said
from layerscope_explorer.lessons import LESSONS, lesson
from layerscope_explorer.strings import speaks, text

__all__ = ["LessonCard"]


@speaks
class LessonCard(Component):
    """The step of a lesson, with the lights it puts on the page; nothing where no lesson is open.

    Parameters
    ----------
    session
        Its language is spoken.
    tutor
        Whose step is shown, and who is told what was answered.
    """

    # One parameter for all of it: a step is a handful of short texts.
    content = param.Dict(default={}, doc="Everything that is shown; empty without a lesson.")

    _esm = with_dom(Path(__file__).with_name("lesson_card.js"))
    _stylesheets = stylesheets("lesson_card")

    def __init__(self, session: Any, tutor: Any, **params: Any) -> None:
        super().__init__(**params)
        self._session, self._tutor = session, tutor
        session.param.watch(self._draw, ["lesson", "progress"])
        self._draw()

    @property
    def language(self) -> str:
        """What the session speaks."""
        return self._session.language

    def _say(self, said: Said) -> str:
        return said.get(self.language) or said.get(LANGUAGES[0], "")

    def _draw(self, *_: Any) -> None:
        content = self._content()
        if content != self.content:
            self.content = content

    def _content(self) -> dict[str, Any]:
        opened, progress = self._session.lesson, self._session.progress
        if opened is None:
            return {}
        step = opened.steps[progress.step]
        task = opened.task is not None
        last = progress.step + 1 == len(opened.steps)
        position = text("lesson.position", step=progress.step + 1, steps=len(opened.steps))
        content = {
            "label": text("lesson.task" if task else "lesson.label"),
            "title": self._say(opened.title) or text("lesson.task"),
            "position": "" if task else position,
            "say": self._say(step.say),
            "spotlight": [] if progress.finished else list(step.spotlight),
            "goal": self._goal(step, task),
            "reached": progress.reached,
            "hint": "" if progress.reached or not step.hint else self._say(step.hint),
            "hint_label": text("lesson.hint"),
            "next": "" if task else text("lesson.finish" if last else "lesson.next"),
            "done": progress.completes(step),
            "leave": text("lesson.leave"),
            "again": text("lesson.again"),
            "ask": self._ask(step),
        }
        return content | (self._ending() if progress.finished else {})

    def _goal(self, step: Any, task: bool) -> str:
        progress = self._session.progress
        if step.goal is None or (step.ask is not None and progress.answer < 0):
            return ""
        if not progress.reached:
            return text("lesson.todo")
        return text("lesson.task_reached" if task else "lesson.reached")

    def _ask(self, step: Any) -> dict[str, Any]:
        """Return the question; which answer is right only once one was given."""
        if step.ask is None:
            return {}
        answer = self._session.progress.answer
        ask: dict[str, Any] = {
            "question": self._say(step.ask.question),
            "label": text("lesson.choose"),
            "options": [self._say(option) for option in step.ask.options],
            "answer": answer,
        }
        if answer >= 0:
            verdict = "right" if answer == step.ask.right else "wrong"
            because = self._say(step.ask.because)
            ask |= {"right": step.ask.right, "because": f"{text(f'lesson.{verdict}')} {because}"}
        return ask

    def _ending(self) -> dict[str, Any]:
        """Return what is said after the last step."""
        following = self._following()
        title = self._say(lesson(following).title) if following else ""
        return {
            "say": text("lesson.finished"),
            "ask": {},
            "goal": "",
            "hint": "",
            "next": text("lesson.following", title=title) if following else "",
            "finished": True,
        }

    def _following(self) -> str:
        name = self._session.lesson.name
        rest = LESSONS[LESSONS.index(name) + 1 :] if name in LESSONS else ()
        return rest[0] if rest else ""

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        tutor = self._tutor
        match data.get("type"):
            case "guess":
                tutor.guess(int(data["option"]))
            case "next" if self._session.progress.finished:
                if following := self._following():
                    tutor.begin(lesson(following))
            case "next":
                tutor.forward()
            case "again":
                tutor.again()
            case "leave":
                tutor.leave()
