"""What would cure an unhealthy layer: stacks as they would be, under one name each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from layerscope.configurable import fields_of
from layerscope_explorer import edits
from layerscope_explorer.catalogue import canonical, layerscope_catalogue
from layerscope_explorer.diagnosis.readings import S_SHAPED, Reading
from layerscope_explorer.document import Document
from layerscope_explorer.snapshot import Fix
from layerscope_explorer.steps import Stack, Step
from layerscope_explorer.strings import text

#: Activations that keep about half of what they get, for which He's initializers are made.
RECTIFYING = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "gelu", "silu", "mish", "hard_silu"}
)
#: Of an activation family: what to initialize with, what it is called, what is as good.
_ADVICE: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "rectifying": ("he_normal", "He", ("henormal", "heuniform")),
    "selu": ("lecun_normal", "LeCun", ("lecunnormal", "lecununiform")),
    "other": (
        "glorot_uniform",
        "Glorot",
        ("glorotuniform", "glorotnormal", "lecunnormal", "lecununiform", "orthogonal"),
    ),
}
_KERNELS = ("kernel_initializer", "depthwise_initializer", "pointwise_initializer")
_DEAD_ENDS = frozenset({"relu", "relu6"})
_MOST = 3


def family(activation: str) -> str:
    """Return what kind of initializer an activation wants."""
    if activation in RECTIFYING:
        return "rectifying"
    return "selu" if activation == "selu" else "other"


def initializer_name(value: Any) -> str:
    """Return the canonical name of an initializer argument."""
    if isinstance(value, Mapping):
        value = value.get("class_name", "")
    return canonical(str(value))


class Pharmacy:
    """Cures for the layers of one stack.

    Each kind of cure mends all layers of the stack that are ill in the same way, so it is made
    once and offered on each of them.
    """

    def __init__(self, stack: Stack, readings: Mapping[str, Reading]) -> None:
        self.stack, self.readings = stack, readings
        self._made: dict[tuple[str, str], tuple[Fix, ...]] = {}

    def cures(self, rule: str, layer_id: str) -> tuple[Fix, ...]:
        """Return what would cure a layer of what a rule found, the best first."""
        fixes: list[Fix] = []
        for kind in _CURES.get(rule, ()):
            if kind is normalize and fixes:
                # It treats the symptom: for where nothing treats the cause.
                break
            key = (kind.__name__, "" if kind in _COMMON else layer_id)
            if key not in self._made:
                self._made[key] = tuple(self._tried(kind, layer_id))
            fixes.extend(fix for fix in self._made[key] if fix not in fixes)
        return tuple(fixes[:_MOST])

    def _tried(self, kind: Cure, layer_id: str) -> Iterator[Fix]:
        try:
            yield from kind(self, self.stack.document, layer_id)
        except (ValueError, KeyError):
            # The stack is full, or the layer cannot have the argument.
            return

    # --- who is meant -------------------------------------------------------------------------

    def activation(self, step: Step) -> str:
        """Return the activation a layer's values meet: its own, or that of the layer below."""
        own = self.readings[step.spec.id].activation
        if own not in ("", "linear", "activation"):
            return own
        steps = self.stack.steps
        at = steps.index(step)
        for below in steps[at + 1 :]:
            if below.layer.section in ("activation", "core") and not below.layer.weights:
                found = self.readings[below.spec.id].activation
                if found:
                    return found
            elif below.layer.section != "normalization":
                break
        return own

    def owners(self) -> list[Step]:
        """Return the layers with arguments of their own, from input to output."""
        return [step for step in self.stack.steps if not step.spec.shares]

    def misfits(self) -> list[tuple[Step, list[str]]]:
        """Return layers and those of their initializers that do not suit their activation."""
        found = []
        for step in self.owners():
            good = _ADVICE[family(self.activation(step))][2]
            wrong = [
                name
                for name, value in _initializers(step)
                if initializer_name(value) not in good and name in _KERNELS
            ]
            wrong += [
                name
                for name, value in _initializers(step)
                if name == "recurrent_initializer"
                and initializer_name(value) in ("zeros", "ones", "constant", "randomnormal")
            ]
            if wrong:
                found.append((step, wrong))
        return found


Cure = Callable[[Pharmacy, Document, str], Iterator[Fix]]


def _initializers(step: Step) -> Iterator[tuple[str, Any]]:
    cls: Any = layerscope_catalogue().layer(step.spec.class_name)
    for declared in fields_of(cls):
        if declared.kind == "initializer":
            yield declared.name, step.spec.arguments.get(declared.name, declared.default)


def _group_name(names: Sequence[str], activation: str) -> str:
    if len(names) == 1:
        return names[0]
    if activation:
        return text("diagnosis.cure_group", count=len(names), activation=activation)
    return text("diagnosis.cure_layers", count=len(names))


# --- cures --------------------------------------------------------------------------------------


def initialize(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Draw the weights so that they suit the activations."""
    misfits = pharmacy.misfits()
    if not misfits:
        return
    changed, sorts = document, set()
    by_activation: dict[str, list[str]] = {}
    for step, names in misfits:
        activation = pharmacy.activation(step)
        advice, called, _ = _ADVICE[family(activation)]
        sorts.add(called)
        by_activation.setdefault(activation, []).append(step.name)
        for name in names:
            value = "orthogonal" if name == "recurrent_initializer" else advice
            changed = edits.set_argument(changed, step.spec.id, name, value)
    groups = " + ".join(_group_name(names, kind) for kind, names in by_activation.items())
    initializer = text("diagnosis.and").join(sorted(sorts))
    yield Fix(text("diagnosis.cure_initialize", initializer=initializer, group=groups), changed)


def no_bias(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Let biases start at zero."""
    changed, names = document, []
    for step in pharmacy.owners():
        value = dict(_initializers(step)).get("bias_initializer", "zeros")
        if initializer_name(value) != "zeros":
            changed = edits.set_argument(changed, step.spec.id, "bias_initializer", "zeros")
            names.append(step.name)
    if names:
        yield Fix(text("diagnosis.cure_bias", group=_group_name(names, "")), changed)


def leak(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Let rectifiers leak, so that no unit is ever dead."""
    changed, names = document, []
    for step in pharmacy.owners():
        if pharmacy.readings[step.spec.id].activation not in _DEAD_ENDS:
            continue
        names.append(step.name)
        if step.spec.class_name in ("ReLU", "ThresholdedReLU"):
            at = changed.index(step.spec.id)
            changed = edits.remove_layer(changed, step.spec.id)
            changed = edits.add_layer(changed, "LeakyReLU", at, {})
        else:
            changed = edits.set_argument(changed, step.spec.id, "activation", "leaky_relu")
    if names:
        group = _group_name(names, "relu")
        yield Fix(text("diagnosis.cure_activation", activation="leaky_relu", group=group), changed)


def unsquash(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Use relu, and He's initializer, where the slope of an S-shaped activation is small."""
    changed, names = document, []
    for step in pharmacy.owners()[:-1]:
        if pharmacy.readings[step.spec.id].activation not in S_SHAPED:
            continue
        if "activation" not in dict(_arguments(step)):
            continue
        changed = edits.set_argument(changed, step.spec.id, "activation", "relu")
        names.append(step.name)
        if "kernel_initializer" in dict(_initializers(step)):
            changed = edits.set_argument(changed, step.spec.id, "kernel_initializer", "he_normal")
    if names:
        group = _group_name(names, "")
        yield Fix(text("diagnosis.cure_relu", group=group), changed)


def _arguments(step: Step) -> Iterator[tuple[str, Any]]:
    cls: Any = layerscope_catalogue().layer(step.spec.class_name)
    for declared in fields_of(cls):
        yield declared.name, declared


def normalize(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Bring what the layer gets to one size."""
    at = document.index(layer_id)
    name = document.names()[layer_id]
    changed = edits.add_layer(document, "LayerNormalization", at, {})
    yield Fix(text("diagnosis.cure_normalize", name=name), changed)


def two_shares(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Let one unit be a yes or no, or have a unit for each class."""
    owner = document.owner(layer_id)
    classes = pharmacy.stack.data.classes
    if classes and "units" in owner.arguments:
        changed = edits.set_argument(document, layer_id, "units", classes)
        yield Fix(text("diagnosis.fix_set", argument="units", value=classes), changed)
    if "activation" in owner.arguments:
        changed = edits.set_argument(document, layer_id, "activation", "sigmoid")
        yield Fix(text("diagnosis.fix_set", argument="activation", value="sigmoid"), changed)


def drop_some(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Drop a usual share."""
    changed = edits.set_argument(document, layer_id, "rate", 0.2)
    yield Fix(text("diagnosis.fix_set", argument="rate", value=0.2), changed)


def remove(pharmacy: Pharmacy, document: Document, layer_id: str) -> Iterator[Fix]:
    """Take the layer out."""
    name = document.names()[layer_id]
    yield Fix(text("diagnosis.fix_remove", name=name), edits.remove_layer(document, layer_id))


#: Cures of the whole stack, the same on whichever layer they are offered.
_COMMON = frozenset({initialize, no_bias, leak, unsquash})
_SIZE: tuple[Cure, ...] = (initialize, no_bias, unsquash)
_CURES: Mapping[str, tuple[Cure, ...]] = {
    "nonfinite": (initialize, normalize),
    "duplicates": (initialize,),
    "one_share": (two_shares, remove),
    "drops_all": (drop_some, remove),
    "drops_most": (drop_some, remove),
    "drops_nothing": (drop_some, remove),
    "adds_nothing": (initialize,),
    "silent": (initialize, no_bias, remove),
    "silent_above": _SIZE,
    "constant": (*_SIZE, remove),
    "exploded": (initialize, normalize),
    "growing": (initialize, normalize),
    "amplifies": (initialize, normalize),
    "faded": (*_SIZE, normalize),
    "fading": (*_SIZE, normalize),
    "little": (*_SIZE, normalize),
    "slow": (*_SIZE, normalize),
    "dead": (no_bias, initialize, leak),
    "saturated": (no_bias, initialize, normalize),
    "sharp": (initialize, normalize),
    "unvaried": (initialize, remove),
    "gradient_nonfinite": (initialize, normalize),
    "gradient_blocked": (no_bias, initialize, leak),
    "gradient_gone": _SIZE,
    "gradient_weak": _SIZE,
    "gradient_wild": (initialize,),
    "gradient_strong": (initialize,),
}
