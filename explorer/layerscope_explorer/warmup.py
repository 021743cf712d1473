"""Everything slow, done once before the first visitor comes.

Numba holds the interpreter while it compiles, which would freeze every page that is open.
"""

from __future__ import annotations

import gc
import sys

from bokeh.document import Document as BokehDocument
from bokeh.settings import settings
from threadpoolctl import threadpool_limits

from layerscope_explorer.data import digits_data
from layerscope_explorer.document import Document
from layerscope_explorer.edits import add_layer, set_training
from layerscope_explorer.engine import Engine
from layerscope_explorer.histograms import compile_loops
from layerscope_explorer.page import build_page
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.strings import LANGUAGES
from layerscope_explorer.trainer import Trainer


def warm_up() -> None:
    """Take one step with every optimizer, compute the opening pictures, and make a page."""
    # A worker gives the interpreter back after half a millisecond instead of five: the event loop
    # answers that much sooner while something is computed.
    sys.setswitchinterval(0.0005)
    # The pages of many people share the cores: a small product that waits for a second thread on a
    # busy machine takes tens of times as long as on one.
    threadpool_limits(1, user_api="blas")
    # Panel asks each model whether it has what it has not, and Bokeh looks for a similar name.
    settings.perform_error_diagnostics.set_value(False)
    for language in LANGUAGES:
        opening_snapshot(language=language)
    document: Document = add_layer(digits_stack(), "Dropout", 3)
    for optimizer in ("Adam", "SGD"):
        trainer = Trainer(set_training(document, "optimizer", optimizer), digits_data())
        next(trainer.steps())
    compile_loops()
    Engine().snapshot(document)
    # The first page of a process takes half a second longer than the others.
    build_page(Session(start=opening_snapshot())).server_doc(BokehDocument())
    # What stands now stays for good; looking through it for garbage would hold up an edit.
    gc.collect()
    gc.freeze()
