"""Vocabularies: which number stands for which token, and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layerscope import ops
from layerscope.config import floatx
from layerscope.configurable import field
from layerscope.layers.preprocessing.category_codes import encode_categories, encoded_shape
from layerscope.layers.preprocessing.data_layer import _DataLayer, batches_of, sparse_field
from layerscope.layers.preprocessing.words import bucket_of, for_each_different
from layerscope.tensor import KerasTensor, Shape

_OLD_MODES: dict[Any, Any] = {"binary": "multi_hot", "tf-idf": "tf_idf"}

#: Number of what is masked and must not be counted.
_NOWHERE = np.iinfo("int64").max


def _as_mode(value: Any) -> Any:
    return _OLD_MODES.get(value, value) if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


class _Lookup(_DataLayer):
    """Base of the layers that number tokens.

    The numbers begin with the mask token, if there is one and numbers are what is wanted, go on
    with those of unknown tokens and end with those of the vocabulary.
    """

    vocabulary_dtype: str = "string"

    max_tokens: int | None = field(
        default=None,
        gt=1,
        slider=(2, 100),
        help="Length of the vocabulary, special tokens included; None: any.",
        refusal="If set, `max_tokens` must be greater than 1. Received: max_tokens={value}",
    )
    num_oov_indices: int = field(
        default=1,
        ge=0,
        slider=(0, 5),
        help="How many numbers tokens that are not in the vocabulary share.",
        refusal="`num_oov_indices` must be greater than or equal to 0. "
        "Received: num_oov_indices={value}",
    )
    vocabulary: Any = field(
        default=None, converter=_as_list, help="Tokens, or a file with one a line; None: learned."
    )
    idf_weights: Any = field(
        default=None, converter=_as_list, help='Weights of the tokens for "tf_idf".'
    )
    invert: bool = field(default=False, help="Whether to return tokens for numbers instead.")
    output_mode: Literal["int", "one_hot", "multi_hot", "count", "tf_idf"] = field(
        default="int",
        converter=_as_mode,
        help="Numbers of tokens, or vectors with an entry per token.",
    )
    pad_to_max_tokens: bool = field(
        default=False, help="Whether vectors are as long as `max_tokens` allows."
    )
    sparse: bool = sparse_field()
    #: Declared as arguments by the classes, each with tokens of its own type.
    mask_token: Any = None
    oov_token: Any = None
    oov_method: Any = "floormod"
    salt: Any = None

    def __post_init__(self) -> None:
        self._check_arguments()
        self._tokens: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._weights: np.ndarray | None = None
        self._frozen_size: int | None = self.__dict__.pop("_recorded_size", None)
        self._static = self.vocabulary is not None
        self._counts: Counter[Any] = Counter()
        self._document_counts: Counter[Any] = Counter()
        self._documents = 0
        given = self.vocabulary
        if isinstance(given, str):
            # As in Keras, a file is where a vocabulary comes from, not what it is.
            self.vocabulary = None
        if given is not None:
            self.set_vocabulary(given, self.idf_weights)

    def _check_arguments(self) -> None:
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise ValueError(
                "If pad_to_max_tokens is True, must set `max_tokens`. Received: "
                f"pad_to_max_tokens=True, max_tokens={self.max_tokens}"
            )
        if self.invert and self.output_mode != "int":
            raise ValueError(
                "`output_mode` must be `'int'` when `invert` is true. "
                f"Received: output_mode={self.output_mode}"
            )
        if self.idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                "`idf_weights` should only be set if `output_mode` is `'tf_idf'`. Received: "
                f"idf_weights={self.idf_weights} and output_mode={self.output_mode}"
            )
        if self.output_mode == "tf_idf" and self.vocabulary is not None and not self.idf_weights:
            raise ValueError(
                "When specifying the `vocabulary` argument, in TF-IDF output mode, the "
                f"`idf_weights` argument must also be provided. Received: idf_weights="
                f"{self.idf_weights}"
            )

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        # What Keras writes into configs beside the arguments of its constructors.
        rest = super()._accept_legacy_arguments(unknown)
        self.__dict__["_recorded_size"] = rest.pop("vocabulary_size", None)
        for name in ("oov_method", "vocabulary_dtype"):
            if name in rest and rest[name] == getattr(type(self), name, None):
                del rest[name]
        return rest

    # --- the vocabulary --------------------------------------------------------------------

    def _known(self, values: Any) -> np.ndarray:
        """Return tokens, as data has them, as an array of the vocabulary's type."""
        raise NotImplementedError

    @property
    def _first_unknown(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _first_token(self) -> int:
        return self._first_unknown + self.num_oov_indices

    @property
    def _special_tokens(self) -> list[Any]:
        return [self.mask_token] * self._first_unknown + [self.oov_token] * self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Return how many numbers there are, those of special tokens included."""
        return len(self._tokens) + self._first_token

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their numbers."""
        return (self._special_tokens if include_special_tokens else []) + self._tokens

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary.

        Parameters
        ----------
        vocabulary : tokens, with all special tokens first or with none; or a file's path.
        idf_weights : one for each token, for ``"tf_idf"``.

        Raises
        ------
        TypeError
            If the vocabulary is a single value.
        ValueError
            If a token is repeated or reserved, there are too many or none, or the weights are
            missing, too many or too few.
        """
        self._check_weights(idf_weights)
        given = self._read(vocabulary) if isinstance(vocabulary, str) else vocabulary
        if np.ndim(given) == 0:
            raise TypeError(
                "Argument `vocabulary` must be a list or array of tokens, or the path of a file. "
                f"Received: vocabulary={vocabulary!r}"
            )
        given = self._known(given).ravel().tolist() if len(given) else []
        if not given:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        special = self._special_tokens
        found_special = given[: len(special)] == special
        tokens = given[len(special) :] if found_special else given
        self._check_tokens(tokens)
        self._take(tokens)
        if idf_weights is not None:
            if len(given) != len(idf_weights):
                raise ValueError(
                    "`idf_weights` must be the same length as vocabulary. len(idf_weights) is "
                    f"{len(idf_weights)}; len(vocabulary) is {len(given)}"
                )
            weights = np.asarray(idf_weights, floatx())
            if weights.ndim != 1:
                raise ValueError(
                    f"TF-IDF data must be a 1-index array. Received: idf_weights={idf_weights}"
                )
            self._weigh(weights, complete=found_special)

    def _check_weights(self, idf_weights: Any) -> None:
        if self.output_mode == "tf_idf" and idf_weights is None:
            raise ValueError(
                "`idf_weights` must be set if output_mode is 'tf_idf'. Received: idf_weights=None"
            )
        if self.output_mode != "tf_idf" and idf_weights is not None:
            raise ValueError(
                "`idf_weights` should only be set if output_mode is `'tf_idf'`. Received: "
                f"output_mode={self.output_mode} and idf_weights={idf_weights}"
            )

    def _read(self, path: str) -> list[Any]:
        if not Path(path).is_file():
            raise ValueError(f"Vocabulary file {path} does not exist.")
        return Path(path).read_text(encoding="utf-8").splitlines()

    def _check_tokens(self, tokens: list[Any]) -> None:
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your "
                f"dataset. The repeated terms are: {repeated}"
            )
        reserved = {"mask": self.mask_token, "OOV": self.oov_token if self.invert else None}
        for what, token in reserved.items():
            if token is not None and token in tokens:
                raise ValueError(
                    f"Found reserved {what} token at unexpected location in `vocabulary`. Note "
                    "that passed `vocabulary` does not need to include the OOV and mask tokens. "
                    "Either remove all mask and OOV tokens, or include them only at the start of "
                    f"the vocabulary in precisely this order: {self._special_tokens}. "
                    f"Received: {token!r} among {tokens}"
                )
        size = self._first_token + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received "
                f"vocabulary size is {size}; `max_tokens` is {self.max_tokens}."
            )

    def _take(self, tokens: list[Any]) -> None:
        size = self._first_token + len(tokens)
        fixed = self.output_mode == "int" or self.pad_to_max_tokens
        if not fixed and self._frozen_size not in (None, size):
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the "
                "vocabulary size cannot be changed after the layer is called. Old vocab size is "
                f"{self._frozen_size}, new vocab size is {size}"
            )
        self._tokens = tokens
        self._numbers = {token: self._first_token + at for at, token in enumerate(tokens)}
        self._frozen_size = size

    def _weigh(self, weights: np.ndarray, complete: bool) -> None:
        """Keep a weight per number: unknown tokens have the mean's, padding has none."""
        if not complete:
            weights = np.pad(weights, (self._first_token, 0), constant_values=weights.mean())
        if self.pad_to_max_tokens:
            assert self.max_tokens is not None
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        self._weights = weights.astype(floatx())

    # --- learning it -----------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary, most frequent tokens first.

        Parameters
        ----------
        data : tokens of which each row is a document, or an iterable of such batches.
        steps : how many batches to take, all for None.

        Raises
        ------
        ValueError
            If the vocabulary was an argument.
        """
        self.reset_state()
        for batch in batches_of(data, steps, whole=(list, tuple)):
            tokens = self._known(ops.convert_to_numpy(batch))
            alone = isinstance(data, (list, tuple, np.ndarray)) and tokens.ndim == 1
            self.update_state(tokens[:, None] if alone else tokens)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into account."""
        if self._static:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via "
                "`vocabulary` argument or `set_vocabulary()` method."
            )
        documents = self._known(data)
        documents = documents.reshape((1, -1) if documents.ndim < 2 else documents.shape)
        self._counts.update(documents.ravel().tolist())
        if self.output_mode == "tf_idf":
            for document in documents:
                self._document_counts.update(set(document.ravel().tolist()))
            self._documents += len(documents)

    def finalize_state(self) -> None:
        """Make a vocabulary of what was seen, if anything was."""
        if self._static or not self._counts:
            return
        for token in (self.mask_token, self.oov_token):
            self._counts.pop(token, None)
        tokens = sorted(self._counts, key=lambda token: (self._counts[token], token), reverse=True)
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - self._first_token]
        self._take(tokens)
        if self.output_mode == "tf_idf":
            counts = np.array([self._document_counts[token] for token in tokens], float)
            self._weigh(np.log(1 + self._documents / (1 + counts)), complete=False)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget what was seen, not the vocabulary."""
        if not self._static:
            self._counts, self._document_counts, self._documents = Counter(), Counter(), 0

    # --- looking up ------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        self._require_vocabulary()
        values = ops.convert_to_numpy(inputs)
        if self.invert:
            kind = str if self.vocabulary_dtype == "string" else self.vocabulary_dtype
            names = dict(enumerate(self.get_vocabulary()))
            return for_each_different(
                lambda number: names.get(number, self.oov_token), values.astype("int64"), kind
            )
        numbers = for_each_different(self._number_of, self._known(values), "int64")
        if self.output_mode != "tf_idf":
            return encode_categories(numbers, self.output_mode, self._depth, "int64")
        assert self._weights is not None
        return encode_categories(numbers, "count", self._depth, floatx()) * self._weights

    def _number_of(self, token: Any) -> int:
        if self.mask_token is not None and token == self.mask_token:
            return 0 if self.output_mode == "int" else int(_NOWHERE)
        if token in self._numbers:
            return self._numbers[token]
        if not self.num_oov_indices:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV value "
                f"{token!r}, consider setting `num_oov_indices=1`."
            )
        if self.num_oov_indices == 1:
            return self._first_unknown
        if isinstance(token, int) and self.oov_method != "farmhash":
            return self._first_unknown + token % self.num_oov_indices
        return self._first_unknown + bucket_of(str(token), self.num_oov_indices, self.salt)

    def _require_vocabulary(self) -> None:
        if not self._tokens and (self._frozen_size or 0) > self._first_token:
            raise RuntimeError(
                f"The config that layer '{self.name}' was made from is that of a layer with a "
                f"vocabulary of {self._frozen_size}, but does not hold it. Call "
                "`set_vocabulary()` or `adapt()` first."
            )
        if self.output_mode != "int" and (
            (self._frozen_size is None and not self.pad_to_max_tokens) or self._lacks_weights
        ):
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you "
                "must set the layer's vocabulary before calling it. Either pass a `vocabulary` "
                "argument to the layer, or call `adapt` with some sample data."
            )

    @property
    def _lacks_weights(self) -> bool:
        return self.output_mode == "tf_idf" and self._weights is None

    @property
    def _depth(self) -> Any:
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_size

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return encoded_shape(input_shape, mode, self._depth)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        kind = self.vocabulary_dtype if self.invert else "int64"
        kind = floatx() if self.output_mode == "tf_idf" else kind
        return KerasTensor(self.compute_output_shape(inputs.shape), kind)

    # --- configs ---------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; what was learned takes the place of arguments not given.

        Keras keeps a learned vocabulary beside the config, in a file that the `.keras` archive
        holds; in a config it loads there too.
        """
        config = {**super().get_config(), "vocabulary_size": self._frozen_size}
        config |= {"oov_method": self.oov_method, "salt": self.salt}
        if self.vocabulary is None and self._tokens:
            config["vocabulary"] = list(self._tokens)
            if self._weights is not None:
                known = slice(self._first_token, self._first_token + len(self._tokens))
                config["idf_weights"] = self._weights[known].tolist()
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> _Lookup:
        """Create a layer from what `get_config` returned.

        Raises
        ------
        ValueError
            If the config names a file: what a config says must not have any file read.
        """
        cls.refuse_file(config)
        return super().from_config(config, custom_objects)

    @staticmethod
    def refuse_file(config: dict[str, Any]) -> None:
        """Raise a ValueError if a config names a file."""
        if isinstance(config.get("vocabulary"), str):
            raise ValueError(
                "Requested the loading of a vocabulary file that a config names, which could be "
                f"any file. Vocabulary file: {config['vocabulary']!r}"
            )
