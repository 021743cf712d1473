"""Controls as plain data: what a field offers, what a person typed, what is stored."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.configurable import REQUIRED, Field
from layerscope_explorer.catalogue import Catalogue
from layerscope_explorer.strings import text

__all__ = ["NONE_CHOICE", "PART_KINDS", "Part", "control_of", "groups_of", "read"]

# How far apart the ends of a slider must be for decades to matter more than differences.
LOG_RATIO = 100
#: Arguments that are no single value a person could type, or that change nothing here.
HIDDEN = frozenset(
    {"name", "dtype", "weights", "use_cudnn", "cell", "arguments", "mask", "output_shape"}
)
PART_KINDS = ("activation", "initializer", "regularizer", "constraint")
_GROUP_OF_KIND = {
    "activation": "activation",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
}
_GROUPS = ("main", "activation", "initializers", "regularizers", "constraints")
_OPEN_GROUPS = frozenset({"main", "activation", "initializers"})
NONE_CHOICE = ""
_LONGEST_LITERAL = 200


@dataclass(frozen=True)
class Part:
    """A picked activation, initializer, regularizer or constraint, with its own arguments."""

    name: str
    config: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, kind: str, catalogue: Catalogue) -> Part | None:
        """Return the part a stored value stands for: a name, a serialized dict, an object.

        Examples
        --------
        >>> Part.of("relu", "activation", Catalogue({}, {"activation": {"relu": None}}))
        Part(name='relu', config={})
        """
        if value is REQUIRED or (value is None and kind != "activation"):
            return None
        # Keras reads an activation of None as the identity.
        value = "linear" if value is None else value
        config: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            name, config = str(value.get("class_name", "")), value.get("config") or {}
        elif isinstance(value, str):
            name = value
        else:
            name = getattr(value, "__name__", type(value).__name__)
        return cls(catalogue.choice(kind, name) or name, dict(config))

    def stored(self, kind: str, catalogue: Catalogue) -> Any:
        """Return the JSON value: a plain name, or class name and config if it has arguments."""
        if catalogue.fields(kind, self.name):
            return {"class_name": self.name, "config": dict(self.config)}
        return self.name


def _missing(field: Field) -> ValueError:
    return ValueError(text("inspector.value_missing", name=field.name))


def _read_number(field: Field, raw: Any) -> Any:
    if raw is None or raw == "":
        if field.optional:
            return None
        raise _missing(field)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        key = "inspector.integer_invalid" if field.kind == "int" else "inspector.number_invalid"
        raise ValueError(text(key, name=field.name, value=raw))
    if field.kind == "int":
        if not float(raw).is_integer():
            raise ValueError(text("inspector.integer_invalid", name=field.name, value=raw))
        return int(raw)
    return float(raw)


def _read_integers(field: Field, raw: Any) -> Any:
    words = str(raw or "").strip().strip("()[]").replace("×", ",").split(",")
    entries = [word.strip() for word in words if word.strip()]
    if not entries:
        if field.optional:
            return None
        raise _missing(field)
    try:
        numbers = [int(entry) for entry in entries]
    except ValueError:
        message = text("inspector.integers_invalid", name=field.name, value=raw)
        raise ValueError(message) from None
    # One number stands for all axes, as everywhere in Keras; stored in one spelling.
    return numbers * field.length if field.length and len(numbers) == 1 else numbers


def read(field: Field, raw: Any) -> Any:
    """Return the JSON value for what a control sent, checked by its field.

    Raises
    ------
    ValueError
        If it is not valid; the message is fit to be shown beside the control.
    """
    if field.kind in ("int", "float"):
        value = _read_number(field, raw)
    elif field.kind == "ints":
        value = _read_integers(field, raw)
    elif field.kind in ("text", "choice"):
        value = None if raw in (None, NONE_CHOICE) and field.optional else raw
    elif field.kind == "any":
        value = _read_literal(field, raw)
    else:
        value = raw
    field.check(value)
    return value


def _read_literal(field: Field, raw: Any) -> Any:
    """Return what a text such as ``((1, 2), (3, 0))`` or ``None`` stands for, as a JSON value."""
    if not isinstance(raw, str):
        return raw
    if not raw.strip():
        return None
    try:
        # Literals only: nothing is ever run.
        value = ast.literal_eval(raw[:_LONGEST_LITERAL])
        return json.loads(json.dumps(value))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        message = text("inspector.literal_invalid", name=field.name, value=raw)
        raise ValueError(message) from None


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
        "help": field.help,
        "optional": field.optional,
        "value": _shown(field, value),
        "changed": field.default is not REQUIRED and _shown(field, value) != _shown_default(field),
        "error": "",
        "heard": 0,
        "nested": False,
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
    return _select_control(names, optional) | {
        "value": part.name if part else NONE_CHOICE,
        "changed": field.default is not REQUIRED and part != default,
    }


def _nested_controls(field: Field, value: Any, catalogue: Catalogue) -> list[dict[str, Any]]:
    part = Part.of(value, field.kind, catalogue)
    if part is None:
        return []
    controls = []
    for inner in catalogue.fields(field.kind, part.name):
        if inner.kind in ("any", "layer", "object"):
            continue
        stored = part.config.get(inner.name, inner.default)
        control = control_of(inner, stored, path=f"{field.name}.{inner.name}", catalogue=catalogue)
        controls.append(control | {"nested": True})
    return controls


def _is_editable(field: Field) -> bool:
    return field.name not in HIDDEN and field.kind not in ("layer", "object")


def groups_of(
    fields: Sequence[Field], config: Mapping[str, Any], catalogue: Catalogue
) -> list[dict[str, Any]]:
    """Return `{label, open, fields}` per group of arguments; empty groups are left out."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _GROUPS}
    for field in filter(_is_editable, fields):
        value = config.get(field.name, field.default)
        group = found[_GROUP_OF_KIND.get(field.kind, "main")]
        group.append(control_of(field, value, catalogue=catalogue))
        if field.kind in PART_KINDS:
            group.extend(_nested_controls(field, value, catalogue))
    return [
        {
            "label": text(f"inspector.{name}"),
            "open": name in _OPEN_GROUPS or any(control["changed"] for control in controls),
            "fields": controls,
        }
        for name, controls in found.items()
        if controls
    ]
