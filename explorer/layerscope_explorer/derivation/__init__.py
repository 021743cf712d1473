"""How one entry of a layer's output comes about, in numbers that can be added up by hand."""

from layerscope_explorer.derivation.deriving import derive
from layerscope_explorer.derivation.records import MOST_TERMS, Derivation, Line, Term

__all__ = ["MOST_TERMS", "Derivation", "Line", "Term", "derive"]
