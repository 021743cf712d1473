"""Goals as short expressions about the stack, such as ``most(dead) < 5 %``.

An expression is read into a tree of a few known kinds, and only ever walked: nothing a person
writes is run.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from layerscope_explorer.facts import FACTS, PER_LAYER, Facts
from layerscope_explorer.strings import text

__all__ = ["LONGEST", "Condition"]

#: Characters of a condition.
LONGEST = 300

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_COMPARE: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_COMBINE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_OVER_LAYERS: Mapping[str, Callable[[list[float]], float]] = {"most": max, "least": min}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the state of a page.

    Comparisons of numbers, texts and lists, with ``and``, ``or``, ``not``, and ``+ - * /``. What
    can be asked stands in `facts`: of a layer by its name, ``dead("dense_1")``; over all layers,
    ``most(dead)``; of the stack, ``params()``.

    Attributes
    ----------
    source : as it was written.

    Examples
    --------
    >>> Condition.read('most(dead) < 5 % and count("Dense") >= 2').source
    'most(dead) < 5 % and count("Dense") >= 2'
    """

    source: str
    _tree: ast.expr

    @classmethod
    def read(cls, source: Any) -> Condition:
        """Return the condition that a text states.

        Raises
        ------
        ValueError
            If it states none; the message says what is wrong with it.
        """
        if not isinstance(source, str) or not source.strip():
            raise ValueError(text("lesson.bad_goal", reason=text("lesson.goal_empty")))
        if len(source) > LONGEST:
            raise ValueError(text("lesson.bad_goal", reason=text("lesson.goal_long", most=LONGEST)))
        try:
            tree = ast.parse(_PERCENT.sub(r"(\1/100)", source.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(
                text("lesson.bad_goal", reason=text("lesson.goal_syntax", source=source))
            ) from None
        _check(tree)
        return cls(source, tree)

    def holds(self, facts: Facts) -> bool:
        """Tell whether it is true of a page; false where it asks for a layer that is not there."""
        try:
            return bool(_value(self._tree, facts))
        except (LookupError, TypeError, ValueError, ArithmeticError):
            return False


def _refuse(found: str) -> ValueError:
    return ValueError(text("lesson.bad_goal", reason=text("lesson.goal_word", word=found[:60])))


def _check(node: ast.expr) -> None:
    """Raise unless a tree has known nodes only."""
    match node:
        case ast.BoolOp(values=parts):
            pass
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
            parts = [part]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _COMBINE:
            parts = [left, right]
        case ast.Compare(ops=ops, left=left, comparators=rest) if all(
            type(op) in _COMPARE for op in ops
        ):
            parts = [left, *rest]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            pass
        case ast.Constant(value=None | bool() | int() | float() | str()):
            parts = []
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]):
            _check_call(name, parts)
            if name in _OVER_LAYERS:
                parts = []
        case _:
            raise _refuse(ast.unparse(node))
    for part in parts:
        _check(part)


def _check_call(name: str, given: list[ast.expr]) -> None:
    if name in _OVER_LAYERS:
        match given:
            case [ast.Name(id=measure)] if measure in PER_LAYER:
                return
        raise _refuse(f"{name}({', '.join(map(ast.unparse, given))})")
    if name not in FACTS:
        raise _refuse(name)
    least, most = FACTS[name].arguments
    if not least <= len(given) <= most:
        raise _refuse(f"{name}({', '.join(map(ast.unparse, given))})")


def _value(node: ast.expr, facts: Facts) -> Any:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, facts) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, facts) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _value(part, facts)
        case ast.UnaryOp(operand=part):
            return -_value(part, facts)
        case ast.BinOp(op=op, left=left, right=right):
            return _COMBINE[type(op)](_number(left, facts), _number(right, facts))
        case ast.Compare():
            return _compared(node, facts)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, facts) for part in parts]
        case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=measure)]):
            values = [value for value in facts.over_layers(measure) if not math.isnan(value)]
            if not values:
                raise LookupError(measure)
            return _OVER_LAYERS[name](values)
        case ast.Call(func=ast.Name(id=name), args=given):
            return FACTS[name].ask(facts, *(_value(part, facts) for part in given))
        case ast.Constant(value=value):
            return value
    raise _refuse(ast.unparse(node))


def _number(node: ast.expr, facts: Facts) -> float:
    """Return a number: a text times a number could be endless."""
    value = _value(node, facts)
    if not isinstance(value, (int, float)):
        raise TypeError(value)
    return float(value)


def _compared(node: ast.Compare, facts: Facts) -> bool:
    left = _value(node.left, facts)
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = _value(comparator, facts)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True
