"""Everything slow, done once before the first visitor comes.

Loops are compiled by another process: Numba holds the interpreter while it compiles, which would
freeze every page that is open.
"""

from __future__ import annotations

import os
import sys

import panel as pn
from bokeh.document import Document as BokehDocument
from bokeh.settings import settings
from threadpoolctl import threadpool_limits

from layerscope import config
from layerscope.compiled.jit import compile_everything_meanwhile
from layerscope_explorer.document import OPTIMIZERS, Document
from layerscope_explorer.edits import add_layer, set_training
from layerscope_explorer.engine import Engine
from layerscope_explorer.histograms import compile_loops
from layerscope_explorer.memory import keep_together, look_at_the_new_only
from layerscope_explorer.page import build_page
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session, opening_snapshot
from layerscope_explorer.strings import LANGUAGES
from layerscope_explorer.trainer import Trainer


def warm_up() -> None:
    """Take one step with every optimizer, compute the opening pictures, and make a page.

    Nobody waits for loops to be compiled, unless ``LAYERSCOPE_COMPILATION`` says so.
    """
    if "LAYERSCOPE_COMPILATION" not in os.environ:
        compile_everything_meanwhile()
    config.keep_large_arrays()
    # A worker gives the interpreter back after half a millisecond instead of five: the event loop
    # answers that much sooner while something is computed.
    sys.setswitchinterval(0.0005)
    keep_together()
    # The pages of many people share the cores: a small product that waits for a second thread on a
    # busy machine takes tens of times as long as on one.
    threadpool_limits(1, user_api="blas")
    # Panel asks each model whether it has what it has not, and Bokeh looks for a similar name.
    settings.perform_error_diagnostics.set_value(False)
    # Panel starts this clock with the first event of any page, and keeps that page for good then.
    pn.state._schedule_busy_cleanup()
    for language in LANGUAGES:
        opening_snapshot(language=language)
    document: Document = add_layer(digits_stack(), "Dropout", 3)
    for optimizer in OPTIMIZERS:
        trainer = Trainer(set_training(document, "optimizer", optimizer))
        trainer.step(1)
        trainer.settle()
    compile_loops()
    Engine().snapshot(document)
    # The first page of a process takes half a second longer than the others.
    build_page(Session(start=opening_snapshot())).server_doc(BokehDocument())
    look_at_the_new_only()
