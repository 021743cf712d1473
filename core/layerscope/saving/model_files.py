"""Models in files that Keras 3 reads and writes too.

A ``.keras`` file is a zip archive of a config, metadata and weights; a ``.weights.h5`` file holds
the weights alone. A file may come from anybody: its content is data, of which none is run.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import struct
import warnings
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

from layerscope.custom_objects import custom_object_scope
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_keras_object
from layerscope.saving.weights_file import (
    UnsafeFileError,
    read_weights,
    readable_size,
    weight_allowance,
    write_weights,
)

#: Memory that the content of a file may take unless a caller says otherwise.
SIZE_LIMIT = 4 * 2**30

#: A config is text, of which even large models have a few megabytes.
_CONFIG_LIMIT = 2**28

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"

#: Version of Keras whose layout is followed.
_KERAS_VERSION = "3.15.1"

StrPath = str | os.PathLike[str]


# --- models --------------------------------------------------------------------------------------


def save_model(model: Any, filepath: StrPath, overwrite: bool = True) -> None:
    """Write a model's config, weights and how it is compiled to a ``.keras`` file.

    The states of the optimizer are among the weights: a model that is loaded goes on training
    where it was. A file appears whole or not at all.

    Parameters
    ----------
    overwrite : whether a file that is there already may be replaced.

    Raises
    ------
    ValueError
        If the file's name does not end in ``.keras``.
    FileExistsError
        If there is a file and it must not be replaced.
    NotImplementedError
        If the model has no config.
    """
    path = _named(filepath, ".keras")
    _refuse_existing(path, overwrite)
    if not model.built:
        warnings.warn(
            f"Model '{model.name}' is saved without weights: it is not built yet. Call it on data "
            "first.",
            stacklevel=3,
        )
    metadata = {
        "keras_version": _KERAS_VERSION,
        "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "written_by": "layerscope",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(_config_of(model)))
        archive.writestr(_WEIGHTS, write_weights(model))
    write_file(path, content.getvalue())


def load_model(
    filepath: StrPath,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    size_limit: int = SIZE_LIMIT,
) -> Any:
    """Return the model that a ``.keras`` file holds, from Layerscope or Keras.

    Parameters
    ----------
    custom_objects : classes and functions that the file names and Layerscope does not know.
    compile : whether to compile the model as it was.
    safe_mode : taken for Keras's sake: no code of a file is ever run.
    size_limit : bytes that the content, and the weights it asks for, may take.

    Raises
    ------
    ValueError
        If there is no such file, it is not one of a model, or its weights do not fit.
    TypeError
        If a class is not known or does not accept its config.
    """
    path = _named(filepath, ".keras")
    if not path.is_file():
        raise ValueError(f"File not found: filepath={filepath}.")
    name = str(filepath)
    text = _entry(path, _CONFIG, min(size_limit, _CONFIG_LIMIT), size_limit)
    weights = io.BytesIO(_entry(path, _WEIGHTS, size_limit, size_limit))
    with custom_object_scope(custom_objects or {}), weight_allowance(size_limit):
        config = _parsed(text, f"{_CONFIG} of {name}")
        model = _model_of(config, f"{_CONFIG} of {name}")
        if not model.built and config.get("build_config"):
            model.build_from_config(config["build_config"])
        if compile and config.get("compile_config"):
            model.compile_from_config(config["compile_config"])
    read_weights(model, weights, name, skip_mismatch=False, size_limit=size_limit)
    return model


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the model that the result of `Model.to_json` describes, with new weights.

    Raises
    ------
    ValueError
        If the text does not describe a model.
    TypeError
        If a class is not known or does not accept its config.
    """
    with custom_object_scope(custom_objects or {}):
        return _model_of(_parsed(json_string, "the text"), "the text")


def _config_of(model: Any) -> dict[str, Any]:
    return {
        **serialize_keras_object(model),
        "build_config": model.get_build_config(),
        "compile_config": model.get_compile_config(),
    }


def _parsed(text: str | bytes, source: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Could not read {source} as JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"Expected {source} to be the config of a model, found {config!r:.60}.")
    return config


def _model_of(config: dict[str, Any], source: str) -> Any:
    try:
        model = deserialize_keras_object(config)
    except (AttributeError, LookupError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"Expected {source} to be the config of a model; reading it failed with "
            f"{type(error).__name__}: {error}"
        ) from error
    if not hasattr(type(model), "load_weights"):
        raise ValueError(f"Expected {source} to be the config of a model, found {model!r:.60}.")
    return model


# --- weights -----------------------------------------------------------------------------------


def save_weights(model: Any, filepath: StrPath, overwrite: bool = True) -> None:
    """Write a model's weights to a ``.weights.h5`` file, which appears whole or not at all.

    Parameters
    ----------
    overwrite : whether a file that is there already may be replaced.

    Raises
    ------
    ValueError
        If the model is not built, or the file's name does not end in ``.weights.h5``.
    FileExistsError
        If there is a file and it must not be replaced.
    """
    path = _named(filepath, ".weights.h5")
    _refuse_existing(path, overwrite)
    _require_built(model)
    write_file(path, write_weights(model))


def load_weights(
    model: Any,
    filepath: StrPath,
    skip_mismatch: bool = False,
    *,
    size_limit: int = SIZE_LIMIT,
) -> None:
    """Give a model the weights of a ``.weights.h5`` or ``.keras`` file, from Layerscope or Keras.

    Parameters
    ----------
    skip_mismatch : whether layers that the weights do not fit keep theirs, with a warning.
    size_limit : bytes that the content may take.

    Raises
    ------
    ValueError
        If the model is not built, the file is not one of weights, or they do not fit; the model is
        unchanged then.
    FileNotFoundError
        If there is no such file.
    """
    path = _named(filepath, ".weights.h5", ".keras")
    _require_built(model)
    if not path.is_file():
        raise FileNotFoundError(f"File not found: filepath={filepath}.")
    source = path
    if path.suffix == ".keras":
        source = io.BytesIO(_entry(path, _WEIGHTS, size_limit, size_limit))
    read_weights(model, source, str(filepath), skip_mismatch, size_limit)


def _require_built(model: Any) -> None:
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' has no weights yet. Build it first, by calling it on data or "
            "with `build()`."
        )


# --- files -------------------------------------------------------------------------------------


def _named(filepath: StrPath, *suffixes: str) -> Path:
    path = Path(filepath)
    if not path.name.endswith(suffixes):
        wanted = " or ".join(f"`{suffix}`" for suffix in suffixes)
        raise ValueError(
            f"Invalid `filepath` argument: expected a name that ends in {wanted}. Received: "
            f"filepath={filepath}"
        )
    return path


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(
            f"File {path} exists already. Pass `overwrite=True` to replace it. Received: "
            "overwrite=False"
        )


def write_file(path: Path, content: bytes) -> None:
    """Put a file in place in one step, so that nobody ever finds half of it."""
    target = path.resolve()
    unfinished = target.with_name(f".{secrets.token_hex(8)}.unfinished")
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _entry(path: Path, name: str, limit: int, total_limit: int) -> bytes:
    """Return the content of one entry of an archive."""
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry.file_size for entry in archive.infolist()}
            for what, size, most in (
                ("its content", sum(entry.file_size for entry in archive.infolist()), total_limit),
                (f"its {name}", entries.get(name, 0), limit),
            ):
                if size > most:
                    raise UnsafeFileError(
                        f"File {path} is refused: {what} would take {readable_size(size)}, more "
                        f"than the limit of {readable_size(most)}; `size_limit` changes it."
                    )
            if name not in entries:
                raise ValueError(
                    f"File {path} is not one of a model: it has no entry {name!r}. Its entries: "
                    f"{', '.join(sorted(entries)[:10]) or 'none'}."
                )
            return archive.read(name)
    except PermissionError:
        raise
    # What `zipfile` meets in a damaged file, among it jumps to where there is nothing.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        raise ValueError(f"File {path} is not a readable zip archive: {error}") from error
