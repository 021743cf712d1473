"""How masks enter a layer and leave it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from layerscope.layers.signature import call_signature
from layerscope.masks import get_keras_mask, set_keras_mask, with_mask
from layerscope.structure import leaves, map_structure

F = TypeVar("F", bound=Callable[..., Any])


def follows(compute_mask: F) -> F:
    """Say that a `compute_mask` gives no mask where no input has one."""
    compute_mask.follows = True  # type: ignore[attr-defined]
    return compute_mask


class Masked:
    """Gives the masks that travel with inputs to `call`, and outputs the masks that follow."""

    name: str
    supports_masking: bool

    @follows
    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the output's mask, given the input's; used if `supports_masking`."""
        return previous_mask

    def _makes_masks(self) -> bool:
        """Tell whether an output may have a mask though no input has one."""
        return not getattr(type(self).compute_mask, "follows", False)

    def _arriving_masks(
        self, args: tuple[Any, ...], tensors: dict[str, Any], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the masks that came with the inputs, for the arguments `call` has for them.

        As in Keras, ``x_mask`` receives the mask of argument ``x`` where there are several inputs,
        and `mask` that of the only one; where several have no ``x_mask``, that of the first.
        """
        signature = call_signature(type(self))
        if not signature.masks:
            return {}
        named = dict(zip(signature.positional, args, strict=False)) | tensors
        given = [name for name, value in named.items() if value is not None]
        wanted = {f"{name}_mask": name for name in given} if len(given) > 1 else {}
        if not wanted.keys() & signature.masks:
            wanted = {"mask": given[0]}
        return {
            mask: masks_of(named[name])
            for mask, name in wanted.items()
            if mask in signature.masks and named.get(mask) is None and kwargs.get(mask) is None
        }

    def _with_mask(self, outputs: Any, inputs: Any, previous_mask: Any) -> Any:
        """Return the outputs with the masks that belong to them."""
        overridden = type(self).compute_mask is not Masked.compute_mask
        masked = previous_mask is not None and any(
            mask is not None for mask in leaves(previous_mask)
        )
        if not masked and not (overridden and self.supports_masking):
            return outputs
        # What a layer was given and returns would keep the mask it has.
        own = {id(value) for value in leaves(inputs)}
        if not self.supports_masking:
            if not call_signature(type(self)).masks:
                warnings.warn(
                    f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with "
                    "a mask attached to it. However, this layer does not support masking and will "
                    "therefore destroy the mask information. Downstream layers will not see the "
                    "mask.",
                    stacklevel=3,
                )
            return map_structure(
                lambda value: with_mask(value, None) if id(value) in own else value, outputs
            )
        flat = leaves(outputs)
        if all(get_keras_mask(value) is not None for value in flat):
            return outputs
        masks = leaves(self.compute_mask(inputs, previous_mask))
        waiting = iter([*masks, *[None] * (len(flat) - len(masks))])

        def attach(value: Any) -> Any:
            mask = next(waiting)
            if mask is None or get_keras_mask(value) is not None:
                return value
            if id(value) in own:
                return with_mask(value, mask)
            set_keras_mask(value, mask)
            return value

        return map_structure(attach, outputs)


def masks_of(value: Any) -> Any:
    """Return the mask of one input, or the masks of several in their structure."""
    if isinstance(value, (list, tuple, dict)):
        return map_structure(get_keras_mask, value)
    return get_keras_mask(value)


def keeping_mask(before: Any, after: Any) -> Any:
    """Return `after` with the mask of `before`, which it was made from."""
    mask = get_keras_mask(before)
    if mask is not None:
        set_keras_mask(after, mask)
    return after
