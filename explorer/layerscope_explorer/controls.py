"""Controls as plain data: what a field offers, and how it shows what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerscope.configurable import REQUIRED, Field
from layerscope_explorer.catalogue import Catalogue
from layerscope_explorer.parts import ADD, NONE_CHOICE, PART_KINDS, Part
from layerscope_explorer.strings import of_core, text

__all__ = ["control_of", "groups_of"]

# How far apart the ends of a slider must be for decades to matter more than differences.
LOG_RATIO = 100
#: Arguments that are no single value a person could type, or that change nothing here.
HIDDEN = frozenset({"name", "dtype", "weights", "use_cudnn", "arguments", "mask", "output_shape"})
_GROUP_OF_KIND = {
    "activation": "activation",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
}
_GROUPS = ("main", "activation", "initializers", "regularizers", "constraints")
_OPEN_GROUPS = frozenset({"main", "activation", "initializers"})


def _slider_range(field: Field) -> tuple[float, float] | None:
    if field.slider is not None:
        return field.slider
    if field.ge is not None and field.le is not None:
        return field.ge, field.le
    return None


def _number_control(field: Field) -> dict[str, Any]:
    limits = _slider_range(field)
    low, high = limits if limits else (None, None)
    integer = field.kind == "int"
    return {
        "control": "number",
        "integer": integer,
        "low": int(low) if integer and low is not None else low,
        "high": int(high) if integer and high is not None else high,
        "log": limits is not None and _spans_decades(field, *limits),
    }


def _spans_decades(field: Field, low: float, high: float) -> bool:
    if low > 0:
        return high / low >= LOG_RATIO
    # From zero up, a default far below the top says that small values are the usual ones.
    default = field.default
    usual = isinstance(default, float) and 0 < default <= high / 10
    return field.kind == "float" and low == 0 and usual


def _integers_control(field: Field) -> dict[str, Any]:
    """Return a text for all entries, with a slider that sets them to the same number."""
    low, high = field.slider or (None, None)
    return {
        "control": "text",
        "placeholder": "" if field.optional else text("inspector.integers_hint"),
        "integer": True,
        "low": None if low is None else int(low),
        "high": None if high is None else int(high),
        "log": False,
        "length": field.length or 1,
    }


def _select_control(names: Sequence[str], optional: bool) -> dict[str, Any]:
    none = [[NONE_CHOICE, text("inspector.none")]] if optional else []
    return {"control": "select", "options": none + [[name, name] for name in names]}


def _shown(field: Field, value: Any) -> Any:
    """Return a stored value as its control shows it."""
    if value is REQUIRED:
        return None
    if field.kind == "any":
        return "" if value is None else str(_as_tuples(value))
    if field.kind == "ints":
        if value is None:
            return ""
        entries = value if isinstance(value, (tuple, list)) else [value] * (field.length or 1)
        return ", ".join(str(entry) for entry in entries)
    if field.kind == "choice" and value is None:
        return NONE_CHOICE
    return value


def _as_tuples(value: Any) -> Any:
    """Return nested lists the way Keras writes them, as tuples."""
    return tuple(_as_tuples(entry) for entry in value) if isinstance(value, list) else value


def control_of(
    field: Field, value: Any, *, path: str = "", catalogue: Catalogue | None = None
) -> dict[str, Any]:
    """Return the description of one control that `FieldForm` draws.

    Parameters
    ----------
    field
        The argument.
    value
        Its stored value; the default when it was not changed.
    path
        Dotted place in the config; the argument's name by default.
    """
    described: dict[str, Any] = {
        "path": path or field.name,
        "name": field.name,
        "help": of_core(field.help),
        "optional": field.optional,
        "value": _shown(field, value),
        "changed": field.default is not REQUIRED and _shown(field, value) != _shown_default(field),
        "error": "",
        "heard": 0,
        "nested": 0,
    }
    if field.kind in ("int", "float"):
        described |= _number_control(field)
    elif field.kind == "bool":
        described |= {"control": "switch"}
    elif field.kind == "choice":
        described |= _select_control(field.choices, field.optional)
    elif field.kind in PART_KINDS and catalogue is not None:
        described |= _part_control(field, value, catalogue)
    elif field.kind == "ints":
        described |= _integers_control(field)
    else:
        described |= {"control": "text", "placeholder": ""}
    return described


def _shown_default(field: Field) -> Any:
    return _shown(field, field.default)


def _part_control(field: Field, value: Any, catalogue: Catalogue) -> dict[str, Any]:
    part = Part.of(value, field.kind, catalogue)
    default = Part.of(field.default, field.kind, catalogue)
    names = catalogue.choices(field.kind)
    if part is not None and part.name not in names:
        # A custom object of the visitor's own: shown as it is, not silently replaced.
        names = [*names, part.name]
    optional = field.kind != "activation" and (field.optional or field.default is None)
    control = _select_control(names, optional) | {
        "value": part.name if part else NONE_CHOICE,
        "changed": field.default is not REQUIRED and part != default,
    }
    # These are picked by their looks.
    drawn = field.kind in ("activation", "initializer", "regularizer", "constraint")
    return control | ({"control": "picker", "kind": field.kind} if drawn else {})


def _controls_inside(
    field: Field, value: Any, path: str, catalogue: Catalogue
) -> list[dict[str, Any]]:
    """Return the controls of an argument's own arguments, and of theirs."""
    part = Part.of(value, field.kind, catalogue)
    if part is None:
        return []
    controls = []
    for inner in catalogue.fields(field.kind, part.name):
        if inner.kind in ("any", "object") or inner.name in HIDDEN:
            continue
        stored = part.config.get(inner.name, inner.default)
        controls += _controls_of(inner, stored, f"{path}.{inner.name}", catalogue)
    for control in controls:
        control["nested"] += 1
    return controls


def _controls_of(field: Field, value: Any, path: str, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return an argument's control with those of what was picked for it."""
    if field.kind == "cells":
        return _list_controls(field, value, path, catalogue)
    control = control_of(field, value, path=path, catalogue=catalogue)
    inside = _controls_inside(field, value, path, catalogue) if field.kind in PART_KINDS else []
    return [control, *inside]


def _list_controls(
    field: Field, value: Any, path: str, catalogue: Catalogue
) -> list[dict[str, Any]]:
    """Return the controls of each cell in a list, and one that adds another."""
    found = []
    one = replace(field, kind="cell", optional=True)
    for place, cell in enumerate(value):
        inside = _controls_of(one, cell, f"{path}.{place}", catalogue)
        inside[0] |= {"name": text("inspector.cell", number=place + 1), "changed": False}
        found += inside
    more = control_of(one, None, path=f"{path}.{ADD}", catalogue=catalogue)
    return [*found, more | {"name": text("inspector.add_cell"), "changed": False}]


def _is_editable(field: Field) -> bool:
    return field.name not in HIDDEN and field.kind != "object"


def groups_of(
    fields: Sequence[Field], config: Mapping[str, Any], catalogue: Catalogue
) -> list[dict[str, Any]]:
    """Return `{label, open, fields}` per group of arguments; empty groups are left out."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _GROUPS}
    for field in filter(_is_editable, fields):
        value = config.get(field.name, field.default)
        group = found[_GROUP_OF_KIND.get(field.kind, "main")]
        group += _controls_of(field, value, field.name, catalogue)
    return [
        {
            "label": text(f"inspector.{name}"),
            "open": name in _OPEN_GROUPS or any(control["changed"] for control in controls),
            "fields": controls,
        }
        for name, controls in found.items()
        if controls
    ]
