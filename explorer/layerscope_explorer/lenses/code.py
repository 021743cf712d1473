"""The code lens: the stack as Keras or Layerscope code, and as JSON that can be edited."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope_explorer.code import LANGUAGES, Language, code_of, missing_in_keras
from layerscope_explorer.components.code_view import CodeView
from layerscope_explorer.lenses.lens import LensBody, Viewed, Words
from layerscope_explorer.strings import text

__all__ = ["CodeLens"]


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
        super().__init__(session, body, ["document", "selected", "lens"])
        body.caption.param.watch(self._choose, "choice")

    def refresh(self) -> None:
        """Write the stack anew."""
        if not self.is_open:
            return
        document = self.session.document
        code = code_of(document, self.language)
        editable = self.language == "json"
        self.view.param.update(
            source=code.source,
            marked=list(code.lines.get(self.session.selected, ())),
            editable=editable,
            label=text(f"code.{self.language}"),
        )
        missing = missing_in_keras(document) if self.language == "keras" else []
        sentence = text(f"code.about_{self.language}")
        if missing:
            sentence = text("code.not_in_keras", names=", ".join(missing))
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
