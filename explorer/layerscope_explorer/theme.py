"""Colours that Python needs: one accent per layer section, and those of plots."""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "CLASS_COLORS",
    "PLOT_COLORS",
    "SECTION_COLORS",
    "section_color",
]

# Middle tones: at least 3:1 against both paper colours of the page, since a Bokeh glyph keeps its
# colour when the visitor switches the theme in the browser.
PLOT_COLORS = MappingProxyType(
    {
        "measured": "#3f7fe0",
        "theory": "#7f8794",
        "accent": "#c2731a",
        "danger": "#dd4a48",
        "success": "#2f9460",
        "compared": "#9a5cd6",
        "muted": "#8b93a1",
    }
)

#: Colours of classes, in middle tones as those of plots.
CLASS_COLORS = (
    "#3f7fe0", "#c2731a", "#2f9460", "#dd4a48", "#8a63d8", "#1f93a8", "#c25596", "#8a8f2a",
    "#9a6b3f", "#7f8794",
)  # fmt: skip

#: One accent for each section of the catalogue.
SECTION_COLORS = MappingProxyType(
    {
        "core": "#4b7be0",
        "preprocessing": "#9a6b3f",
        "convolution": "#8a63d8",
        "pooling": "#1f93a8",
        "locally_connected": "#7d7468",
        "recurrent": "#c25596",
        "embedding": "#3b8f7f",
        "merge": "#6d8f2f",
        "activation": "#d1506b",
        "normalization": "#2f9460",
        "noise": "#b5801a",
        "attention": "#5a6ad6",
        "wrapper": "#d0603a",
    }
)
_OTHER_SECTION = "#71809a"


def section_color(section: str) -> str:
    """Return the accent of a catalogue section; a neutral one for a section without its own."""
    return SECTION_COLORS.get(section, _OTHER_SECTION)
