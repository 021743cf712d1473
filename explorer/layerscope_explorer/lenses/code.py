"""The code lens: the stack as Keras or Layerscope code, and as JSON that can be edited."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any, ClassVar

from layerscope_explorer.code import LANGUAGES, Language, code_of, missing_in_keras
from layerscope_explorer.comparing import on_same_ground
from layerscope_explorer.components.code_view import CodeView
from layerscope_explorer.lenses.lens import LensBody, Viewed, Words
from layerscope_explorer.strings import text

__all__ = ["CodeLens", "changes"]


def changes(old: str, new: str) -> tuple[dict[str, list[str]], list[int]]:
    r"""Return the lines of A that B lacks, by the line of B they stood before, and B's own lines.

    Examples
    --------
    >>> changes("a\nb\nc", "a\nd\nc")
    ({'1': ['b']}, [1])
    """
    before, after = old.splitlines(), new.splitlines()
    removed: dict[str, list[str]] = {}
    added: list[int] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, False).get_opcodes():
        if kind != "equal":
            if i2 > i1:
                removed[str(j1)] = before[i1:i2]
            added += range(j1, j2)
    return removed, added


class CodeLens(Viewed):
    """The document in three languages, the selected layer's lines marked.

    Parameters
    ----------
    session
        Anything with the params `document`, `selected` and `lens`, and `set_json`.
    """

    key: ClassVar[str] = "code"

    def __init__(self, session: Any) -> None:
        self.view = CodeView(self._edit, sizing_mode="stretch_width", margin=0)
        self.language: Language = "keras"
        body = LensBody(self.view, choices_label=text("code.language"))
        super().__init__(session, body, ["document", "selected", "lens", "pinned"])
        body.caption.param.watch(self._choose, "choice")

    def refresh(self) -> None:
        """Write the stack anew."""
        if not self.is_open:
            return
        document = self.session.document
        code = code_of(document, self.language)
        editable = self.language == "json"
        pinned = self.session.pinned
        removed, added = {}, []
        if pinned is not None and not editable:
            other = on_same_ground(pinned, document)
            removed, added = changes(code_of(other, self.language).source, code.source)
        self.view.param.update(
            source=code.source,
            removed=removed,
            added=added,
            marked=list(code.lines.get(self.session.selected, ())),
            editable=editable,
            label=text(f"code.{self.language}"),
        )
        missing = missing_in_keras(document) if self.language == "keras" else []
        sentence = text(f"code.about_{self.language}")
        if missing:
            sentence = text("code.not_in_keras", names=", ".join(missing))
        if removed or added:
            lines = sum(map(len, removed.values()))
            sentence = f"{sentence} {text('compare.lines', added=len(added), removed=lines)}"
        self.body.say(
            Words(
                subject=text("code.title"),
                sentence=sentence,
                tone="warn" if missing else "plain",
                choices=[text(f"code.{one}") for one in LANGUAGES],
                choice=text(f"code.{self.language}"),
            )
        )

    def _choose(self, event: Any) -> None:
        self.language = next(one for one in LANGUAGES if text(f"code.{one}") == event.new)
        self.view.error = ""
        self.refresh()

    def _edit(self, source: str) -> None:
        try:
            self.session.set_json(source)
            self.view.error = ""
        except ValueError as error:
            self.view.error = str(error)
