"""Text as numbers of its words, or as one vector per text."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, ClassVar, Literal

import numpy as np

from layerscope import ops
from layerscope.config import floatx
from layerscope.configurable import field
from layerscope.custom_objects import find_custom_object
from layerscope.layers.layer import Example
from layerscope.layers.preprocessing.data_layer import _DataLayer, batches_of, sparse_field
from layerscope.layers.preprocessing.lookup import _as_list, _as_mode, _Lookup
from layerscope.layers.preprocessing.string_lookup import StringLookup
from layerscope.layers.preprocessing.words import for_each_different, text_array
from layerscope.tensor import KerasTensor, Shape

_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")

#: As in TensorFlow only ASCII's.
_SPACES = re.compile(r"[ \t\n\v\f\r]+")


def _lower(text: str) -> str:
    # Only ASCII's letters, as in TensorFlow.
    return text.encode().lower().decode()


def _strip(text: str) -> str:
    return _PUNCTUATION.sub("", text)


STANDARDIZATIONS: dict[str, Callable[[str], str]] = {
    "lower_and_strip_punctuation": lambda text: _strip(_lower(text)),
    "lower": _lower,
    "strip_punctuation": _strip,
}

SPLITS: dict[str, Callable[[str], list[str]]] = {
    "whitespace": lambda text: [word for word in _SPACES.split(text) if word],
    "character": list,
}


def _name_or_function(name: str, choices: dict[str, Any]) -> Callable[[Any], Any]:
    """Return a converter of an argument that may also be a function, or the config of one."""

    def convert(value: Any) -> Any:
        found = value
        if isinstance(value, dict):
            names = (value.get("registered_name"), value.get("config"))
            known = (find_custom_object(one) for one in names if isinstance(one, str))
            found = next(filter(callable, known), value)
        if found is None or callable(found) or (isinstance(found, str) and found in choices):
            return found
        raise ValueError(
            f"Unknown value for `{name}` argument of layer TextVectorization. If restoring a "
            "model and `"
            f"{name}` is a custom callable, register it. Allowed values are: None, a function, "
            f"{', '.join(map(repr, choices))}. Received: {name}={value!r}"
        )

    return convert


def _as_ngrams(value: Any) -> Any:
    lengths = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if value is not None and not all(
        isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in lengths
    ):
        raise ValueError(
            f"`ngrams` must be None, an integer, or a tuple of integers. Received: ngrams={value}"
        )
    return lengths if isinstance(value, list) else value


def _never_ragged(value: Any) -> Any:
    if value is True:
        raise ValueError(
            "`ragged=True` cannot be used: Layerscope has dense arrays only. Received: ragged=True"
        )
    return value


class TextVectorization(_DataLayer):
    """Cuts texts into words and numbers them by a vocabulary.

    Texts are standardized, split and joined to n-grams; a `StringLookup` does the rest. The
    vocabulary is an argument, or `adapt` learns it, most frequent words first.

    A function given as `standardize` takes and returns an array of texts; one given as `split`
    returns a list of words for each text of an array.

    Shapes: input (batch,) or (batch, 1); output (batch, words) for ``"int"``, shorter texts ending
    with 0; (batch, words, vocabulary) for ``"one_hot"``; (batch, vocabulary) for the other modes.
    Source: Keras `TextVectorization`.

    Examples
    --------
    >>> import layerscope as ls
    >>> layer = ls.layers.TextVectorization(vocabulary=["to", "be"])
    >>> layer(["To be, or not to be?", "Be!"])
    array([[2, 3, 1, 1, 2, 3],
           [3, 0, 0, 0, 0, 0]])
    """

    takes_text: ClassVar[bool] = True
    formula: ClassVar[str] = r"y_t = \operatorname{index}_V(\operatorname{split}(x)_t)"
    examples: ClassVar[tuple[Example, ...]] = (
        Example({"vocabulary": ["a", "b"], "output_sequence_length": 3}, (4, 1),
                words=("a", "A b?", "c d e f")),
        Example({"vocabulary": ["a", "b", "a b"], "ngrams": 2, "output_mode": "count"}, (3,),
                words=("a b", "b", "")),
        Example({"vocabulary": ["a", "b"], "split": None}, (3, 2), words=("a", "b", "c")),
    )  # fmt: skip
    _positional: ClassVar[dict[str, str]] = {"name": "encoding"}

    max_tokens: int | None = field(
        default=None,
        gt=1,
        slider=(2, 100),
        help="Length of the vocabulary, special tokens included; None: any.",
        refusal="If set, `max_tokens` must be greater than 1. Received: max_tokens={value}",
    )
    standardize: Any = field(
        default="lower_and_strip_punctuation",
        converter=_name_or_function("standardize", STANDARDIZATIONS),
        help="What is done to texts first: a name, a function or None.",
    )
    split: Any = field(
        default="whitespace",
        converter=_name_or_function("split", SPLITS),
        help="Where texts are cut: a name, a function or None.",
    )
    ngrams: Any = field(
        default=None,
        converter=_as_ngrams,
        help="Lengths of the groups of words that are numbered; one integer: up to that.",
    )
    output_mode: Literal["int", "one_hot", "multi_hot", "count", "tf_idf"] = field(
        default="int",
        converter=_as_mode,
        help="Numbers of words, or vectors with an entry per word of the vocabulary.",
    )
    output_sequence_length: int | None = field(
        default=None, ge=0, slider=(1, 20), help="How many numbers a text becomes; None: its words."
    )
    pad_to_max_tokens: bool = field(
        default=False, help="Whether vectors are as long as `max_tokens` allows."
    )
    vocabulary: Any = field(
        default=None, converter=_as_list, help="Words, or a file with one a line; None: learned."
    )
    idf_weights: Any = field(
        default=None, converter=_as_list, help='Weights of the words for "tf_idf".'
    )
    sparse: bool = sparse_field()
    ragged: bool = field(
        default=False, converter=_never_ragged, help="Must be False: all results are dense arrays."
    )
    encoding: str = field(default="utf-8", help="How texts given as bytes are to be read.")

    def __post_init__(self) -> None:
        if self.output_mode != "int" and self.output_sequence_length is not None:
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. "
                f"Received output_sequence_length={self.output_sequence_length}."
            )
        self._lookup = StringLookup(
            max_tokens=self.max_tokens,
            vocabulary=self.vocabulary,
            idf_weights=self.idf_weights,
            pad_to_max_tokens=self.pad_to_max_tokens,
            mask_token="",
            output_mode=self.output_mode,
            encoding=self.encoding,
            **self.__dict__.pop("_recorded", {}),
        )
        # As in Keras, a file is where a vocabulary comes from, not what it is.
        self.vocabulary = self._lookup.vocabulary

    def build(self, input_shape: Shape) -> None:
        """Create nothing: a vocabulary is no weight."""

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        # What Keras writes into configs beside the arguments of the constructor.
        rest = super()._accept_legacy_arguments(unknown)
        size = rest.pop("vocabulary_size", None)
        self.__dict__["_recorded"] = {} if size is None else {"vocabulary_size": size}
        return rest

    # --- the vocabulary --------------------------------------------------------------------

    def vocabulary_size(self) -> int:
        """Return how many numbers there are, those of special tokens included."""
        return self._lookup.vocabulary_size()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Return the words in the order of their numbers."""
        return self._lookup.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary, as `StringLookup.set_vocabulary` does."""
        self._lookup.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the vocabulary of texts, most frequent words first.

        Parameters
        ----------
        data : texts, or an iterable of batches of them.
        batch_size : has no effect, as in Keras.
        steps : how many batches to take, all for None.

        Raises
        ------
        ValueError
            If the vocabulary was an argument.
        """
        self.reset_state()
        for batch in batches_of(data, steps, whole=(list, tuple)):
            texts = text_array(ops.convert_to_numpy(batch), self.encoding)
            alone = isinstance(data, (list, tuple, np.ndarray)) and texts.ndim == 1
            self.update_state(texts[:, None] if alone else texts)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into account."""
        self._lookup.update_state(self._words(data))

    def finalize_state(self) -> None:
        """Make a vocabulary of what was seen, if anything was."""
        self._lookup.finalize_state()

    def reset_state(self) -> None:
        """Forget what was seen, not the vocabulary."""
        self._lookup.reset_state()

    # --- from texts to numbers -------------------------------------------------------------

    def _words(self, inputs: Any) -> np.ndarray:
        """Return the words of texts along a last axis, empty ones behind those of shorter texts."""
        texts = text_array(ops.convert_to_numpy(inputs), self.encoding)
        if callable(self.standardize):
            texts = text_array(self.standardize(texts), self.encoding)
        elif self.standardize is not None:
            texts = for_each_different(STANDARDIZATIONS[self.standardize], texts, str)
        if self.split is None and self.ngrams is None:
            return texts
        if self.split is None:
            texts = np.atleast_1d(texts)
            shape = texts.shape[:-1]
            rows = texts.reshape(int(np.prod(shape)), -1).tolist()
        else:
            shape = self._text_shape(texts.shape)
            rows = self._split(texts.ravel())
        if self.ngrams is not None:
            rows = [self._joined(row) for row in rows]
        columns = list(zip_longest(*rows, fillvalue=""))
        words = np.array(columns, dtype=str).reshape(len(columns), len(rows)).T
        return words.reshape(*shape, len(columns))

    @staticmethod
    def _text_shape(shape: Any) -> Any:
        if len(shape) > 1 and shape[-1] != 1:
            raise ValueError(
                "When using `TextVectorization` to tokenize strings, the input rank must be 1 or "
                f"the last shape dimension must be 1. Received: inputs.shape={shape} with "
                f"rank={len(shape)}"
            )
        return shape[:-1] if len(shape) > 1 else shape

    def _split(self, texts: np.ndarray) -> list[list[str]]:
        split: Any = self.split
        if isinstance(split, str):
            return [SPLITS[split](text) for text in texts.tolist()]
        return [text_array(words, self.encoding).tolist() for words in split(texts)]

    def _joined(self, words: list[str]) -> list[str]:
        """Return the groups of neighbouring words, shorter groups first."""
        lengths: Any = self.ngrams
        if not isinstance(lengths, tuple):
            lengths = range(1, lengths + 1)
        return [
            " ".join(words[at : at + length])
            for length in lengths
            for at in range(len(words) - length + 1)
        ]

    def call(self, inputs: Any) -> Any:
        words = self._words(inputs)
        if self.output_mode == "one_hot" and self.split is not None:
            # One word alone keeps its axis.
            words = words[..., None]
        found = self._lookup(words)
        length = self.output_sequence_length
        if self.output_mode != "int" or length is None:
            return found
        missing = max(0, length - found.shape[-1])
        return np.pad(found[..., :length], [(0, 0)] * (found.ndim - 1) + [(0, missing)])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.split is not None:
            shape = (*self._text_shape(shape), None)
        elif self.ngrams is not None:
            shape = (*shape[:-1], None)
        if self.output_mode == "int":
            length = self.output_sequence_length
            return shape if length is None else (*shape[:-1], length)
        if self.output_mode == "one_hot" and self.split is not None:
            shape = (*shape, 1)
        return self._lookup.compute_output_shape(shape)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        kind = floatx() if self.output_mode == "tf_idf" else "int64"
        return KerasTensor(self.compute_output_shape(inputs.shape), kind)

    # --- configs ---------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; what was learned takes the place of arguments not given."""
        lookup = self._lookup.get_config()
        learned = {name: lookup[name] for name in ("vocabulary", "idf_weights")}
        return {**super().get_config(), **learned, "vocabulary_size": self.vocabulary_size()}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> TextVectorization:
        """Create a layer from what `get_config` returned.

        Raises
        ------
        ValueError
            If the config names a file: what a config says must not have any file read.
        """
        _Lookup.refuse_file(config)
        return super().from_config(config, custom_objects)
