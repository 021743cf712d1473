"""Names that are unique within a model.

Layers have no global counter: what one session builds must not rename what another does. A layer
that was not given a name gets its final one from the first model it joins.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.layers.layer import Layer
from layerscope.registry import snake_case


def make_names_unique(layers: Sequence[Layer]) -> None:
    """Number the automatically named layers; keep names that were given.

    A layer keeps the name an earlier model gave it unless another layer here has it too; then it
    gets one that is new to every model it is in.

    Raises
    ------
    ValueError
        If two layers were given the same name.
    """
    given = [layer.name for layer in layers if not layer._named_automatically]
    taken = set(given)
    for name in given if len(taken) < len(given) else ():
        if given.count(name) > 1:
            raise ValueError(
                f'The name "{name}" is used {given.count(name)} times in the model. All operation '
                "names should be unique."
            )
    automatic = [layer for layer in layers if layer._named_automatically]
    # Those that are part of a model already choose first.
    for layer in sorted(automatic, key=lambda layer: not layer._neighbours):
        _name_anew(layer, taken)
    _introduce(layers, taken)


def name_last(layers: Sequence[Layer]) -> None:
    """Do what `make_names_unique` does for a layer that joins those before it.

    Raises
    ------
    ValueError
        If it was given a name that another was given.
    """
    *others, last = layers
    taken = {layer.name for layer in others}
    if len(taken) < len(others) or (not last._named_automatically and last.name in taken):
        # Another may have to give way.
        make_names_unique(layers)
        return
    if last._named_automatically:
        _name_anew(last, taken)
    taken.add(last.name)
    _introduce(layers, taken)


def _name_anew(layer: Layer, taken: set[str]) -> None:
    """Number an automatically named layer so that its name is not taken, and take it."""
    base = snake_case(type(layer).__name__)
    name = layer.name if layer._neighbours else base
    number = 0
    while name in taken or (name != layer.name and name in layer._neighbours):
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    layer.__dict__["name"] = name


def _introduce(layers: Sequence[Layer], names: set[str]) -> None:
    """Let layers know the names in their model."""
    # Most know the same already.
    extended: dict[int, frozenset[str]] = {}
    for layer in layers:
        known = layer._neighbours
        if id(known) not in extended:
            extended[id(known)] = known if names <= known else known | names
        layer.__dict__["_neighbours"] = extended[id(known)]
