"""Low-rank adaptation: a weight that is frozen, and two small ones trained in its place."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar

import numpy as np

from layerscope import initializers, ops
from layerscope.configurable import field
from layerscope.layers.layer import Layer
from layerscope.tensor import Variable


class _LowRankAdapted(Layer):
    """Base of layers whose largest weight may be adapted by the product of two small ones.

    A subclass creates the weight as ``_kernel``, where `_adapted` names it, ends its `build` with
    `_adapt_when_asked` and computes with what `_effective` returns. Source: Hu et al. 2021.

    Attributes
    ----------
    lora_enabled : whether the weight is adapted.
    """

    _adapted: ClassVar[str] = "kernel"

    lora_rank: int | None = field(
        default=None,
        ge=1,
        slider=(1, 8),
        kw_only=True,
        help="Inner length of the product of two small weights that is trained in place of the "
        "large one; None: the large one is trained.",
    )
    lora_alpha: float | None = field(
        default=None,
        slider=(0, 16),
        kw_only=True,
        help="Factor on that product, which is divided by `lora_rank`; None: `lora_rank`.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lora_enabled = False
        if self.lora_alpha is None and self.lora_rank is not None:
            self.lora_alpha = float(self.lora_rank)

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        for name in ("quantization_config", "gptq_unpacked_column_size"):
            given = unknown.get(name)
            if given is not None:
                raise ValueError(
                    f"Argument `{name}` must be None: Layerscope has no quantization. "
                    f"Received: {name}={given!r}"
                )
        return super()._accept_legacy_arguments(unknown)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: initializers.InitializerLike = "he_uniform",
        b_initializer: initializers.InitializerLike = "zeros",
    ) -> None:
        """Freeze the large weight and add the product of two small ones, which are trained.

        Parameters
        ----------
        rank : inner length of the product.
        lora_alpha : factor on the product, which is divided by `rank`; None: `rank`.
        a_initializer, b_initializer : first values of the two.

        Raises
        ------
        ValueError
            If the weight has a constraint, which the sum would not fulfil, the layer has no weights
            yet, or they are adapted already.
        """
        self._refuse_constraint()
        if not self.built:
            raise ValueError("Cannot enable lora on a layer that isn't yet built.")
        if self.lora_enabled:
            raise ValueError("lora is already enabled. This can only be done once per layer.")
        if not isinstance(rank, int) or rank < 1:
            raise ValueError(f"Argument `rank` must be an integer at least 1. Received: {rank=}")
        self.lora_rank = rank
        self.lora_alpha = float(rank if lora_alpha is None else lora_alpha)
        # A layer that is built takes no more weights.
        self.built = False
        try:
            self._adapt(a_initializer, b_initializer)
        finally:
            self.built = True

    def _adapt_when_asked(self) -> None:
        """Add the two small weights if the constructor's arguments ask for them."""
        if self.lora_rank is not None:
            self._refuse_constraint()
            self._adapt("he_uniform", "zeros")

    def _refuse_constraint(self) -> None:
        if getattr(self, f"{self._adapted}_constraint") is not None:
            raise ValueError(
                f"Lora is incompatible with {self._adapted.removesuffix('s')} constraints. In "
                f"order to enable lora on this layer, remove the `{self._adapted}_constraint` "
                "argument."
            )

    def _adapt(self, a_initializer: Any, b_initializer: Any) -> None:
        frozen = getattr(self, f"_{self._adapted}")
        *others, last = frozen.shape
        for letter, shape, initializer in (
            ("a", (*others, self.lora_rank), a_initializer),
            ("b", (self.lora_rank, last), b_initializer),
        ):
            name = f"lora_{self._adapted}_{letter}"
            weight = self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                regularizer=getattr(self, f"{self._adapted}_regularizer"),
            )
            weight.scope = frozen.scope
            setattr(self, name, weight)
        frozen.trainable = False
        self.lora_enabled = True

    def _set_trainable(self, value: bool) -> None:
        super()._set_trainable(value)
        if vars(self).get("lora_enabled"):
            getattr(self, f"_{self._adapted}").trainable = False

    def _effective(self) -> Any:
        """Return the large weight, with the product of the two small ones if there are any.

        Raises
        ------
        AttributeError
            Before the layer is built.
        """
        weight = vars(self).get(f"_{self._adapted}")
        if weight is None:
            raise AttributeError(f"You must build the layer before accessing `{self._adapted}`.")
        if not self.lora_enabled:
            return weight
        assert self.lora_rank is not None
        assert self.lora_alpha is not None
        return weight + self.lora_alpha / self.lora_rank * ops.matmul(*self._small_weights())

    def _small_weights(self) -> list[Variable]:
        return [getattr(self, f"lora_{self._adapted}_{letter}") for letter in "ab"]

    def _stored_variables(self) -> list[Variable]:
        stored = super()._stored_variables()
        if self.lora_enabled:
            small = {id(variable) for variable in self._small_weights()}
            stored = [variable for variable in stored if id(variable) not in small]
        return stored

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put the weights into `store`, the adapted one as it acts, so that any layer can take it.

        The two small weights are not kept.
        """
        super().save_own_variables(store)
        if self.lora_enabled:
            # It is the first weight a layer creates.
            store["0"] = ops.convert_to_numpy(self._effective())

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the weights from `store`; what was adapted is adapted anew, from zero."""
        super().load_own_variables(store)
        if self.lora_enabled:
            for variable in self._small_weights():
                variable.assign(np.zeros(variable.shape))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.lora_rank is None:
            config.pop("lora_rank", None)
            config.pop("lora_alpha", None)
        return config
