"""Small drawings of what can be picked: an activation's curve, an initializer's density, ..."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import numpy as np

from layerscope import ops
from layerscope_explorer.catalogue import layerscope_catalogue, own_free_catalogue
from layerscope_explorer.densities import density_of, point_mass_of
from layerscope_explorer.own_code import defining

__all__ = ["HEIGHT", "WIDTH", "thumbnail", "thumbnails"]

#: Size of the box that paths are drawn in.
WIDTH, HEIGHT = 48, 24
_POINTS = 33
#: Weights an initializer's density is drawn for, and how far from zero the drawing goes.
_SHAPE, _REACH = (64, 64), 0.42


@lru_cache(maxsize=16)
def thumbnails(code: str = "") -> dict[str, dict[str, str]]:
    """Return the drawing of every choice, by kind and name, as SVG path data.

    Parameters
    ----------
    code
        Python of a person's own that offers more.
    """
    with defining(code):
        catalogue = layerscope_catalogue()
        return {
            kind: {name: thumbnail(kind, name) for name in catalogue.choices(kind)}
            for kind in ("activation", "initializer", "regularizer", "constraint")
        }


def thumbnail(kind: str, name: str) -> str:
    """Return one choice drawn as SVG path data in a box of `WIDTH` times `HEIGHT`; "" for none."""
    thing: Any = layerscope_catalogue().parts[kind].get(name)
    if thing is None:
        return ""
    try:
        return _drawn(kind, thing)
    except Exception:
        # What a person is still writing has no looks yet.
        if own_free_catalogue().choice(kind, name):
            raise
        return ""


@lru_cache(maxsize=512)
def _drawn(kind: str, thing: Any) -> str:
    made = thing() if inspect.isclass(thing) else thing
    draw = {
        "activation": _curve,
        "initializer": _density,
        "regularizer": _penalty,
        "constraint": _projection,
    }[kind]
    with np.errstate(all="ignore"):
        return draw(made)


def _curve(activation: Any) -> str:
    """Return the curve from -4 to 4; of what mixes units, the answer of one to its own input."""
    x = np.linspace(-4.0, 4.0, _POINTS, dtype=np.float32)
    inputs = np.zeros((_POINTS, 3), np.float32)
    inputs[:, 0] = x
    y = np.asarray(ops.convert_to_numpy(activation(inputs)))[:, 0]
    return _path(x, y, -1.3, 2.6)


def _density(initializer: Any) -> str:
    point = point_mass_of(initializer, _SHAPE)
    if point is not None:
        at = WIDTH / 2 + np.clip(point, -1, 1) * (WIDTH / 2 - 3)
        return f"M1 {HEIGHT - 2}H{WIDTH - 1}M{at:.1f} {HEIGHT - 2}V3"
    density = density_of(initializer, _SHAPE)
    if density is None:
        # Identity, and what draws in a way of its own, is best told by its diagonal.
        return f"M{WIDTH / 2 - 9} 3V21H{WIDTH / 2 + 9}V3ZL{WIDTH / 2 + 9} 21"
    x = np.linspace(-_REACH, _REACH, 2 * _POINTS)
    y = np.interp(x, *density, left=0.0, right=0.0)
    return _path(x, y, 0.0, 1.12 * float(y.max()))


def _penalty(regularizer: Any) -> str:
    """Return the penalty of one weight; of what looks at whole matrices, of two at an angle."""
    at = np.linspace(-1.0, 1.0, _POINTS)
    try:
        y = np.array([float(_number(regularizer(np.array([w])))) for w in at])
    except ValueError:
        angles = np.pi * (at + 1.0)
        rows = [np.array([[1.0, np.cos(a)], [0.0, np.sin(a)]], np.float32) for a in angles]
        y = np.array([float(_number(regularizer(row))) for row in rows])
    return _path(at, y, 0.0, 1.08 * float(y.max()) or 1.0)


def _number(value: Any) -> Any:
    return ops.convert_to_numpy(value)


def _projection(constraint: Any) -> str:
    """Return where one weight is moved to, from -4 to 4."""
    x = np.linspace(-4.0, 4.0, _POINTS, dtype=np.float32)
    y = [float(np.ravel(_number(constraint(np.array([[w]], np.float32))))[0]) for w in x]
    return _path(x, np.array(y), -4.0, 4.0)


def _path(x: Any, y: Any, low: float, high: float) -> str:
    across = 1 + (x - x[0]) / (x[-1] - x[0]) * (WIDTH - 2)
    up = HEIGHT - 1.5 - np.clip((np.nan_to_num(y) - low) / (high - low), 0, 1) * (HEIGHT - 3)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up, strict=True))
