"""The explorer as the last line of a cell."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import panel as pn

from layerscope import Model
from layerscope.callbacks import Callback, History
from layerscope_explorer.address import Opening, address_of, read_search, state_of
from layerscope_explorer.code import Language, code_of, missing_in_keras
from layerscope_explorer.data import data_of
from layerscope_explorer.engine import Engine
from layerscope_explorer.from_model import document_of
from layerscope_explorer.notebook.kernel import at_once, follow_cells, scheduler_here, stoppable
from layerscope_explorer.notebook.training_view import Pace, TrainingView
from layerscope_explorer.notebook.twin import Twin
from layerscope_explorer.offline import bring_scripts, carry_styles
from layerscope_explorer.page import Workbench
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.strings import FIRST, LANGUAGES, speaking, speaks, text
from layerscope_explorer.trainer import compile_for
from layerscope_explorer.view_state import to_file

__all__ = ["Explorer"]


@speaks
class Explorer(pn.viewable.Viewer):
    """The whole explorer, for a notebook's cell.

    What is edited on the page is in `model` in the next cell; what is changed in Python, weights
    as well as arguments, is on the page when the cell has run.

    Parameters
    ----------
    model : Sequential or functional, built, of one input and one output; by default the stack that
        the served page opens with.
    language : what the page speaks, ``"en"`` or ``"zh"``.

    Raises
    ------
    ValueError
        If the explorer cannot show the model, or does not speak the language.

    Examples
    --------
    >>> from layerscope import Input, Sequential, layers
    >>> explorer = Explorer(Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)]))
    >>> explorer.model.layers[1].kernel.shape
    (3, 2)
    """

    def __init__(self, model: Model | None = None, *, language: str = FIRST) -> None:
        if language not in LANGUAGES:
            raise ValueError(
                f"`language` must be one of {', '.join(map(repr, LANGUAGES))}. "
                f"Received: language={language!r}"
            )
        with speaking(language):
            if model is None:
                start, weights = opening_snapshot(language=language), {}
            else:
                document, weights = document_of(model)
                start = Engine().snapshot(document, weights)
        super().__init__()
        self._scheduler = scheduler_here()
        self._session = Session(self._scheduler, start, language, weights)
        self._twin = Twin(self._session, model)
        self._workbench: Workbench | None = None
        self._forget = follow_cells(self, "_before_cell", "_after_cell")

    @classmethod
    def from_url(cls, url: str, *, language: str = "") -> Self:
        """Return the explorer with what an address of the page opens.

        Parameters
        ----------
        url : the address, or its part from the question mark on.
        language : what the page speaks; by default what the address says.

        Raises
        ------
        ValueError
            If it is no such address, or a damaged one; the message says so.

        Examples
        --------
        >>> digits = Explorer.from_url("http://localhost:5006/apps?demo=digits")
        >>> digits.model.input_shape
        (None, 8, 8, 1)
        """
        parts = urlsplit(url)
        if not (parts.query or parts.netloc):
            raise ValueError(f"`url` must be an address of the page. Received: url={url!r}")
        opening = read_search(parts.query)
        if opening.notice:
            raise ValueError(opening.notice)
        explorer = cls(language=language or opening.state.language or FIRST)
        explorer._open(opening)
        return explorer

    def _open(self, opening: Opening) -> None:
        self._session.start_over(opening.state.document, opening.state.selected)
        self._bench().open(opening)

    @property
    def language(self) -> str:
        """What the page speaks."""
        return self._session.language

    # --- two ways ------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The stack on the page as a model, with its weights.

        It stays the same object until layers or their arguments are edited on the page.

        Raises
        ------
        ValueError
            If the stack cannot work as it is; the message says why.
        """
        return self._twin.model

    def sync(self) -> None:
        """Bring onto the page what was changed in Python; a notebook does so after each cell."""
        self._twin.push()

    def _before_cell(self) -> None:
        try:
            self._twin.pull()
        except ValueError:
            # A stack that cannot work says so on the page, and to whoever asks for the model.
            return

    def _after_cell(self) -> None:
        try:
            self._twin.push()
        except ValueError as error:
            self._session.notice = str(error)

    # --- training ------------------------------------------------------------------------

    def fit(self, x: Any = None, y: Any = None, **options: Any) -> History:
        """Train the model, with a picture of it in the cell; the page follows.

        The kernel's stop button ends the training after the step that runs: the model is as that
        step left it, and what follows in the cell goes on. Pressed again it interrupts the cell.

        Parameters
        ----------
        x, y : as of `Model.fit`. Without them the model trains as the page says: on the page's own
            data, with its optimizer, batch size and number of epochs.
        options : the others of `Model.fit`.

        Raises
        ------
        ValueError
            If the model was not compiled, the stack cannot work, or the page's data has no classes.
        """
        model = self.model
        if x is None:
            x, y, options = self._own_training(model, options)
        given = options.pop("callbacks", None)
        given = list(given) if isinstance(given, (list, tuple)) else [given] if given else []
        followers = [TrainingView(), _Following(self)]
        options = {"verbose": 0, **options, "callbacks": [*given, *followers]}

        def stop() -> None:
            model.stop_training = True

        with at_once(self._scheduler), stoppable(stop):
            return model.fit(x, y, **options)

    def _own_training(self, model: Model, options: dict[str, Any]) -> tuple[Any, Any, dict]:
        """Compile the model for the page's own data; return that, and how to train on it."""
        document = self._session.document
        data = data_of(document.input.arguments)
        objective = compile_for(model, self._twin.layers, document, data)
        assert data.y is not None
        assert data.y_test is not None
        spec = document.training
        usual = {
            "batch_size": spec.batch_size,
            "epochs": spec.epochs,
            "validation_data": (data.x_test, objective.targets(data.y_test)),
        }
        return data.x, objective.targets(data.y), usual | options

    # --- giving away ---------------------------------------------------------------------

    def code(self, language: Language = "keras") -> str:
        """Return the stack as code: ``"keras"``, ``"layerscope"`` or ``"json"``."""
        return code_of(self._session.document, language).source

    def url(self, page: str = "http://localhost:5006/apps") -> str:
        """Return the address that opens the stack on a served page.

        Raises
        ------
        ValueError
            If the stack is too much for an address.
        """
        return page + address_of(state_of(self._session))

    def to_keras(self) -> Any:
        """Return the stack as a model of Keras, with the same weights.

        Raises
        ------
        ImportError
            If Keras is not installed.
        ValueError
            If Keras lacks a layer of the stack.
        """
        missing = missing_in_keras(self._session.document)
        if missing:
            raise ValueError(text("notebook.not_in_keras", names=", ".join(missing)))
        try:
            keras: Any = import_module("keras")
        except ImportError as error:
            raise ImportError(text("notebook.no_keras")) from error
        model = self.model
        theirs = keras.models.model_from_json(model.to_json())
        theirs.set_weights([np.array(one) for one in model.get_weights()])
        return theirs

    def save(self, filepath: str | Path) -> None:
        """Write the stack to a file, by its ending.

        ``.json`` is what the page opens, ``.py`` code for Keras, ``.keras`` the model with its
        weights, as Keras reads it.

        Raises
        ------
        ValueError
            If it is another ending.
        """
        path = Path(filepath)
        match path.suffix:
            case ".json":
                path.write_text(to_file(state_of(self._session)), encoding="utf-8")
            case ".py":
                path.write_text(self.code(), encoding="utf-8")
            case ".keras":
                self.model.save(path)
            case _:
                raise ValueError(
                    f"`filepath` must end in .json, .py or .keras. Received: filepath={filepath!r}"
                )

    # --- showing -------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything: the page stands still from here on."""
        self._forget()
        self._session.close()

    def _bench(self) -> Workbench:
        if self._workbench is None:
            self._workbench = Workbench(self._session)
        return self._workbench

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the page's parts as one layout."""
        return self._bench().__panel__()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Return the live page, for a notebook."""
        bring_scripts(_load)
        carry_styles()
        # What is computed later than the page is sent may come before the browser listens.
        with at_once(self._scheduler):
            return super()._repr_mimebundle_(include, exclude)


def _load() -> None:
    # Everything the page needs comes from the kernel: nothing is fetched from elsewhere.
    pn.extension("katex", inline=True, browser_info=False)


class _Following(Callback):
    """Shows on the page how the weights move."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._clock = Pace(0.25)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._clock.due():
            self._explorer.sync()

    def on_train_end(self, logs: Any = None) -> None:
        self._explorer.sync()
