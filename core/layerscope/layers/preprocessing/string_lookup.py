"""Words as numbers, and back."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerscope.configurable import field
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.lookup import _Lookup
from layerscope.layers.preprocessing.words import salt_converter, text_array


class StringLookup(_Lookup):
    """Numbers words by a vocabulary, or returns the words of numbers.

    The vocabulary is an argument, or `adapt` learns it from text, most frequent words first.

    Shapes: as the input for ``"int"``; one more axis of words for ``"one_hot"``; the axis of a
    sample gives way to one of words for the other modes. Source: Keras `StringLookup`;
    inverse document frequencies: Spärck Jones 1972.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.StringLookup(vocabulary=["a", "b"])
    >>> layer([["b", "a", "z"]])
    array([[2, 1, 0]])
    >>> ls.layers.StringLookup(vocabulary=["a", "b"], invert=True)([2, 1, 0])
    array(['b', 'a', '[UNK]'], dtype='<U5')
    """

    takes_text: ClassVar[bool] = True
    formula: ClassVar[str] = r"y = \operatorname{index}_V(x)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"vocabulary": ["a", "b", "c"]}, (3, 2), words=("a", "b", "cd")),
        Example({"vocabulary": ["a", "b"], "num_oov_indices": 3, "mask_token": ""}, (4, 3),
                words=("a", "", "b", "x", "y", "z")),
        Example({"vocabulary": ["a", "b"], "output_mode": "count"}, (3, 4), words=("a", "b", "c")),
        Example({"vocabulary": ["a", "b"], "output_mode": "tf_idf", "idf_weights": [0.5, 2.0]},
                (3, 4), words=("a", "b", "c")),
        Example({"vocabulary": ["a", "b"], "invert": True}, (3, 2), integers=4),
    )  # fmt: skip
    _positional: ClassVar[dict[str, str]] = {"name": "encoding"}

    mask_token: str | None = field(
        default=None, after="num_oov_indices", help="Word that stands for nothing; None: none."
    )
    oov_token: str | None = field(
        default="[UNK]", after="mask_token", help="What unknown words become when inverted."
    )
    encoding: str = field(default="utf-8", help="How words given as bytes are to be read.")
    salt: list[int] | None = field(
        default=None,
        converter=salt_converter("StringLookup"),
        help="Key of the hash that spreads unknown words, two integers.",
    )

    def _known(self, values: Any) -> np.ndarray:
        return text_array(values, self.encoding)
