"""Random edits of documents, as a person might make them."""

from __future__ import annotations

from hypothesis import strategies as st

from layerscope_explorer import edits
from layerscope_explorer.catalogue import layerscope_catalogue, takes_several_inputs
from layerscope_explorer.document import INPUT, PHASES, Document
from layerscope_explorer.history import History
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.toys import TOYS

CATALOGUE = layerscope_catalogue()
LAYERS = sorted(CATALOGUE.layers)


@st.composite
def edit(draw: st.DrawFn, document: Document) -> Document:
    """One random edit of a document."""
    ids = [layer.id for layer in document.layers]
    on_layers = ["remove", "duplicate", "move", "argument", "share", "bypass", "reroll", "sources"]
    kind = draw(st.sampled_from(["add", "seed", "phase", "input", *(on_layers if ids else [])]))
    match kind:
        case "add":
            index = draw(st.integers(0, len(ids)))
            return edits.add_layer(document, draw(st.sampled_from(LAYERS)), index)
        case "seed":
            return edits.set_seed(document, draw(st.integers(0, 2**31 - 1)))
        case "phase":
            return edits.set_phase(document, draw(st.sampled_from(PHASES)))
        case "input":
            kinds = st.sampled_from(["digits", "noise", "waves", "tokens", *TOYS])
            return edits.set_argument(document, INPUT, "data", draw(kinds))
    layer_id = draw(st.sampled_from(ids))
    layer = document.layer(layer_id)
    match kind:
        case "remove":
            return edits.remove_layer(document, layer_id)
        case "duplicate":
            return edits.duplicate_layer(document, layer_id)
        case "move":
            return edits.move_layer(document, layer_id, draw(st.integers(-2, len(ids) + 2)))
        case "share":
            return edits.share_layer(document, layer_id, draw(st.integers(0, len(ids))))
        case "bypass":
            return edits.set_bypassed(document, layer_id, not layer.bypassed)
        case "reroll":
            return edits.reroll_layer(document, layer_id)
        case "sources" if takes_several_inputs(CATALOGUE.layers[layer.class_name]):
            above = [INPUT, *ids[: ids.index(layer_id)]]
            return edits.set_sources(document, layer_id, [draw(st.sampled_from(above))])
    return edits.set_argument(document, layer_id, "trainable", draw(st.booleans()))


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, list[Document]]:
    """A history of random edits, and every document on the way."""
    history = History(digits_stack())
    seen = [history.document]
    for number in range(draw(st.integers(1, 8))):
        changed = draw(edit(history.document))
        if changed != history.document:
            history = history.edit(f"edit {number}", changed)
            seen.append(changed)
    return history, seen
