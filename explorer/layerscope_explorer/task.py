"""What a teacher asks for: a sentence, a goal, and what may be changed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerscope_explorer.conditions import Condition
from layerscope_explorer.rules import FREE, Rules
from layerscope_explorer.strings import text

__all__ = ["Task"]

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Task:
    """A task that travels with a shared stack.

    Attributes
    ----------
    words : what the teacher asks for, as plain text.
    goal : when it is done, as a condition; "" where only the locks matter.
    rules : what may be changed.
    """

    words: str = ""
    goal: str = ""
    rules: Rules = FREE

    def __post_init__(self) -> None:
        if len(self.words) > _LONGEST:
            raise ValueError(text("lesson.long_words", most=_LONGEST))
        if self.goal:
            Condition.read(self.goal)

    @classmethod
    def read(cls, data: Any) -> Task:
        """Return the task that `written` wrote.

        Raises
        ------
        ValueError
            If it is none.
        """
        if not isinstance(data, dict) or not set(data) <= {"words", "goal", "only"}:
            raise ValueError(text("session.document_broken", reason="task"))
        words, goal, only = data.get("words", ""), data.get("goal", ""), data.get("only")
        if not isinstance(words, str) or not isinstance(goal, str):
            raise ValueError(text("session.document_broken", reason="task"))
        if only is not None and not isinstance(only, list):
            raise ValueError(text("session.document_broken", reason="task"))
        return cls(words, goal, Rules.of(only))

    def written(self) -> dict[str, Any]:
        """Return the task as JSON values."""
        written: dict[str, Any] = {"words": self.words, "goal": self.goal}
        if self.rules.only is not None:
            written["only"] = sorted(self.rules.only)
        return written
