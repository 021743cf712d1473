"""The lessons that come with the explorer, a YAML file each; `lesson` has their schema."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from layerscope_explorer.lesson import Lesson, read_lesson

__all__ = ["LESSONS", "lesson"]

#: Names of the lessons, in the order of the sections they are about.
LESSONS: tuple[str, ...] = (
    "custom-layer",
    "activations",
    "initializers",
    "regularizers",
    "constraints",
    "convolution-and-pooling",
    "recurrence",
    "merge-and-shared-layers",
)


@cache
def lesson(name: str) -> Lesson:
    """Return a lesson by its name, read once per process.

    Raises
    ------
    KeyError
        If there is none.
    """
    if name not in LESSONS:
        raise KeyError(name)
    source = files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return read_lesson(source, name)
