"""Low-rank adaptation: a weight that is frozen, and two small ones trained in its place."""

from __future__ import annotations

from typing import Any, ClassVar

from layerscope import initializers, ops
from layerscope.configurable import field
from layerscope.layers.layer import Layer


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
        given = unknown.get("quantization_config")
        if given is not None:
            raise ValueError(
                "Argument `quantization_config` must be None: Layerscope has no quantization. "
                f"Received: quantization_config={given!r}"
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
        name = self._adapted
        if f"_{name}" not in vars(self):
            raise AttributeError(f"You must build the layer before accessing `{name}`.")
        weight = getattr(self, f"_{name}")
        if not self.lora_enabled:
            return weight
        assert self.lora_rank is not None
        assert self.lora_alpha is not None
        small = [getattr(self, f"lora_{name}_{letter}") for letter in "ab"]
        return weight + self.lora_alpha / self.lora_rank * ops.matmul(*small)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.lora_rank is None:
            config.pop("lora_rank", None)
            config.pop("lora_alpha", None)
        return config
