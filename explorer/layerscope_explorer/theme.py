"""Colours of the explorer: the two page themes, one accent per layer section, plot colours."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import panel as pn

__all__ = [
    "PLOT_COLORS",
    "SECTION_COLORS",
    "THEME_CONFIG",
    "detach_busy",
    "section_color",
]

# Middle tones: at least 3:1 against both paper colours below, since a Bokeh glyph keeps its
# colour when the visitor switches the theme in the browser.
PLOT_COLORS = MappingProxyType(
    {
        "measured": "#3f7fe0",
        "theory": "#7f8794",
        "accent": "#c2731a",
        "danger": "#dd4a48",
        "success": "#2f9460",
        "muted": "#8b93a1",
    }
)

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

_FONT = {"fontFamily": 'Roboto, system-ui, -apple-system, "Segoe UI", sans-serif', "fontSize": 14}
_COMPONENTS: dict[str, Any] = {
    "MuiButton": {"styleOverrides": {"root": {"textTransform": "none"}}},
    "MuiTab": {"styleOverrides": {"root": {"textTransform": "none"}}},
}

THEME_CONFIG: dict[str, Any] = {
    "light": {
        "palette": {
            "primary": {"main": "#2f5fd0", "contrastText": "#ffffff"},
            "secondary": {"main": "#7a4fd0"},
            "error": {"main": "#c62f36", "contrastText": "#ffffff"},
            "warning": {"main": "#a96808"},
            "success": {"main": "#217a4b", "contrastText": "#ffffff"},
            "info": {"main": "#2f5fd0"},
            "background": {"default": "#f4f5f8", "paper": "#ffffff"},
            "text": {"primary": "#1c212b", "secondary": "#5a6475"},
            "divider": "#e0e4eb",
        },
        "typography": _FONT,
        "shape": {"borderRadius": 8},
        "components": _COMPONENTS,
    },
    "dark": {
        "palette": {
            "primary": {"main": "#86a9ff", "contrastText": "#0e1420"},
            "secondary": {"main": "#b79bff"},
            "error": {"main": "#ff7b78", "contrastText": "#1c0b0b"},
            "warning": {"main": "#e9ad4f"},
            "success": {"main": "#63c792", "contrastText": "#08160f"},
            "info": {"main": "#86a9ff"},
            "background": {"default": "#0f1218", "paper": "#171b23"},
            "text": {"primary": "#e7eaf0", "secondary": "#9ba5b6"},
            "divider": "#2a303c",
        },
        "typography": _FONT,
        "shape": {"borderRadius": 8},
        "components": _COMPONENTS,
    },
}


def section_color(section: str) -> str:
    """Return the accent of a catalogue section; a neutral one for a section without its own."""
    return SECTION_COLORS.get(section, _OTHER_SECTION)


def detach_busy(page: Any) -> None:
    """Cut the link between a panel-material-ui `Page` and the process-wide busy state.

    `Page.__init__` assigns `self.busy = pn.state.param.busy`. `pn.state` lives as long as the
    process, so the watcher behind that reference keeps every page (hence every session) alive
    for ever, and every callback of any visitor toggles `busy` on all open pages. Assigning a
    plain value later does not remove the watcher, only this does.

    The bookkeeping is private to Param, which is why a test guards it.
    """
    private = page._param__private
    for _, watcher in list(private.ref_watchers):
        if watcher.inst is pn.state:
            pn.state.param.unwatch(watcher)
    private.ref_watchers = [
        entry for entry in private.ref_watchers if entry[1].inst is not pn.state
    ]
    private.refs.pop("busy", None)
