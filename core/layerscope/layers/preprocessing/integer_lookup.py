"""Whole numbers as the numbers of a vocabulary, and back."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.lookup import _Lookup
from layerscope.layers.preprocessing.words import salt_converter


def _only_int64(value: Any) -> Any:
    if value != "int64":
        raise ValueError(
            "Only `vocabulary_dtype='int64'` is supported at this time. "
            f"Received: vocabulary_dtype={value}"
        )
    return value


class IntegerLookup(_Lookup):
    """Numbers whole numbers by a vocabulary, without gaps, or returns the original ones.

    The vocabulary is an argument, or `adapt` learns it from data, most frequent numbers first.

    Shapes: as the input for ``"int"``; one more axis of tokens for ``"one_hot"``; the axis of a
    sample gives way to one of tokens for the other modes. Source: Keras `IntegerLookup`.

    Examples
    --------
    >>> import layerscope as ls
    >>> ls.layers.IntegerLookup(vocabulary=[12, 36, 1138])([[1138, 12, 7]])
    array([[3, 1, 0]])
    """

    formula: ClassVar[str] = r"y = \operatorname{index}_V(x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"vocabulary": [2, 3, 5]}, (3, 2), integers=7),
        Example({"vocabulary": [2, 3], "num_oov_indices": 3, "mask_token": 0}, (4, 3), integers=7),
        Example({"vocabulary": [2, 3], "output_mode": "one_hot"}, (3, 4), integers=5),
        Example({"vocabulary": [2, 3], "invert": True}, (3, 2), integers=4),
    )
    _positional: ClassVar[dict[str, str]] = {"name": "salt"}

    mask_token: int | None = field(
        default=None, after="num_oov_indices", help="Number that stands for nothing; None: none."
    )
    oov_token: int | None = field(
        default=-1, after="mask_token", help="What unknown numbers become when inverted."
    )
    vocabulary_dtype: str = field(
        default="int64",
        after="vocabulary",
        converter=_only_int64,
        help="Type of the vocabulary, always int64.",
    )
    pad_to_max_tokens: bool = field(
        default=False, help="Whether vectors are as long as `max_tokens` allows."
    )
    oov_method: Literal["floormod", "farmhash"] = field(
        default="floormod", help="How unknown numbers are spread over their indices."
    )
    salt: list[int] | None = field(
        default=None,
        converter=salt_converter("IntegerLookup"),
        help="Key of the hash that spreads unknown numbers, two integers.",
    )

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if self.salt is not None and self.oov_method != "farmhash":
            raise ValueError(
                "`salt` can only be used when `oov_method='farmhash'`. "
                f"Received: salt={self.salt}, oov_method={self.oov_method}"
            )

    def _read(self, path: str) -> list[Any]:
        lines = super()._read(path)
        try:
            return [int(line) for line in lines]
        except ValueError as error:
            raise ValueError(
                f"A vocabulary file must hold one whole number a line. Received: {path} ({error})"
            ) from None

    def _known(self, values: Any) -> np.ndarray:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"Expected whole numbers. Received an array of type {array.dtype} and shape "
                f"{array.shape}"
            )
        return array.astype("int64")
