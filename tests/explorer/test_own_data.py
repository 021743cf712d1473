"""Files that people bring: what can be used is, the rest is refused in words, none is trusted."""

from __future__ import annotations

import gc
import io
import json
import pickle
import tracemalloc
import zipfile
from base64 import b64encode
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from layerscope_explorer import own_data
from layerscope_explorer.codec import from_json, to_json
from layerscope_explorer.components.data_file import DataFile
from layerscope_explorer.data import OWN, data_of
from layerscope_explorer.document import INPUT
from layerscope_explorer.edits import set_input
from layerscope_explorer.file_reading import read_file
from layerscope_explorer.limits import MAX_DATA_BYTES, MAX_DATA_COLUMNS, MAX_DATA_ROWS
from layerscope_explorer.presets import digits_stack
from layerscope_explorer.session import Session

GENERATOR = np.random.default_rng(0)


def flowers(rows: int = 60, separator: str = ",") -> bytes:
    """Return a table with numbers, words, gaps, a constant and a class."""
    lines = [separator.join(["long", "wide", "note", "same", "kind"])]
    for row in range(rows):
        kind = ("rose", "lily", "iris")[row % 3]
        long = "" if row == 4 else f"{row % 3 + GENERATOR.normal():.3f}"
        wide = "nan" if row == 7 else f"{row * 0.1:.2f}"
        lines.append(separator.join([long, wide, f"no {row}", "1", kind]))
    return "\n".join(lines).encode()


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def header(shape: str, dtype: str = "<f4", body: bytes = b"") -> bytes:
    """Return an .npy file whose header says whatever it likes."""
    words = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    words += b" " * (-(len(words) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words + body


# What can be used


def test_a_table_is_learned_from_its_numbers() -> None:
    file = read_file("flowers.csv", flowers())
    assert file.first_target == "kind"
    assert {use.name: use.role for use in file.uses("kind")} == {
        "long": "input", "wide": "input", "note": "unused", "same": "unused", "kind": "target",
    }  # fmt: skip
    samples = file.samples("kind")
    assert samples.names == ("iris", "lily", "rose")
    # Two rows have gaps; a fifth of the others is kept for judging.
    assert (len(samples.x), len(samples.x_test)) == (47, 11)
    np.testing.assert_allclose(samples.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(samples.x.std(axis=0), 1, atol=1e-5)
    assert samples.x.dtype == np.float32


def test_inputs_and_targets_stay_together() -> None:
    x = np.arange(50.0)
    rows = "\n".join(f"{one},{3 * one + 1}" for one in x)
    samples = read_file("line.csv", f"x,y\n{rows}".encode()).samples("y")
    mean, std = samples.scale
    for inputs, numbers in ((samples.x, samples.y), (samples.x_test, samples.y_test)):
        slope = np.polyfit(inputs[:, 0], mean + std * numbers[:, 0], 1)
        assert slope[0] == pytest.approx(3 * x.std(), rel=0.2)
        assert np.corrcoef(inputs[:, 0], numbers[:, 0])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(separator: str) -> None:
    file = read_file("flowers.csv", flowers(separator=separator))
    assert file.samples("kind").x.shape[1] == 2


def test_decimal_commas_and_other_encodings_of_unicode() -> None:
    rows = "\n".join(f"{one / 10:.1f};{one}".replace(".", ",") for one in range(40))
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file = read_file("größe.csv", f"länge;zahl\n{rows}".encode(encoding))
        assert file.targets == ["länge", "zahl"]
        np.testing.assert_allclose(file.samples("zahl").x.std(), 1, atol=1e-5)


def test_a_table_without_headings_gets_some() -> None:
    rows = "\n".join(f"{one},{one % 3}" for one in range(40))
    file = read_file("plain.csv", rows.encode())
    assert file.targets == ["column 1", "column 2"]
    assert file.samples("column 2").names == ("0", "1", "2")


def test_equal_headings_are_told_apart() -> None:
    rows = "\n".join(f"{one},{one * one}" for one in range(40))
    assert read_file("twice.csv", f"a,a\n{rows}".encode()).targets == ["a", "a 2"]


def test_arrays_are_read_whatever_their_type_and_order() -> None:
    table = np.asfortranarray(GENERATOR.integers(0, 200, (50, 4)).astype(np.uint8))
    samples = read_file("table.npy", npy(table)).samples("column 4")
    assert samples.x.shape == (40, 3)
    images = GENERATOR.normal(size=(40, 5, 6, 1))
    y = np.arange(40) % 4
    pair = read_file("images.npz", npz(x=images, y=y)).samples("y")
    assert pair.x.shape == (32, 5, 6, 1)
    assert pair.names == ("0", "1", "2", "3")
    numbers = read_file("many.npz", npz(X=images, labels=GENERATOR.normal(size=(40, 2))))
    assert numbers.samples("y").y.shape == (32, 2)


def test_samples_that_are_no_numbers_are_left_out() -> None:
    x = GENERATOR.normal(size=(40, 3))
    x[3, 1], x[9, 2], x[11, 0] = np.nan, np.inf, 1e200
    samples = read_file("gaps.npz", npz(x=x, y=x[:, 0])).samples("y")
    assert len(samples.x) + len(samples.x_test) == 37
    assert np.isfinite(samples.x).all()


# What cannot


class Evil:
    """What a pickle would run."""

    ran = False

    def __reduce__(self) -> Any:
        return (setattr, (Evil, "ran", True))


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "no values"),
    "blank": ("a.csv", b"\n \n\n", "no values"),
    "ending": ("a.xlsx", b"PK", ".csv"),
    "latin": ("a.csv", "größe,b\n1,2\n".encode("latin-1"), "UTF-8"),
    "chinese": ("a.csv", "长度,宽度\n1,2\n".encode("gbk"), "UTF-8"),
    "binary": ("a.csv", bytes(range(256)), "UTF-8"),
    "half of utf-16": ("a.csv", b"\xff\xfea", "UTF-8"),
    "uneven": ("a.csv", b"a,b\n1,2\n3\n", "Row 3"),
    "many rows": ("a.csv", b"1,2\n" * (MAX_DATA_ROWS + 5), "rows"),
    "many columns": ("a.csv", b",".join([b"1"] * (MAX_DATA_COLUMNS + 1)), "columns"),
    "long": ("a.csv", b"1" * (MAX_DATA_BYTES + 1), "MB"),
    "long cell": ("a.csv", b"a,b\n" + b"x" * 200_000 + b",1\n", "cannot be read"),
    "pickled": ("a.npy", npy(np.array([Evil()]), allow_pickle=True), "object"),
    "only a pickle": ("a.npy", pickle.dumps(Evil()), "cannot be read"),
    "pickled in an archive": ("a.npz", npz(x=np.array([[Evil()]]), y=np.zeros(1)), "object"),
    "texts": ("a.npy", npy(np.array([["a", "b"]])), "numbers"),
    "complex": ("a.npy", npy(np.ones((20, 2), complex)), "numbers"),
    "fields": ("a.npy", npy(np.zeros(20, [("a", "f4"), ("b", "f4")])), "numbers"),
    "huge": ("a.npy", header("(1000000000, 1000000000)"), "cannot be read"),
    "huge and empty": ("a.npy", header("(1000000000000, 0)"), "no values"),
    "huge numbers": ("a.npy", header(f"({10**40}, 2)"), "cannot be read"),
    "negative": ("a.npy", header("(-4, -5)", body=b"\0" * 80), "cannot be read"),
    "cut short": ("a.npy", npy(np.ones((50, 4)))[:-9], "cannot be read"),
    "no header": ("a.npy", b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read"),
    "no dict": ("a.npy", b"\x93NUMPY\x01\x00\x10\x00__import__('os')", "cannot be read"),
    "future": ("a.npy", b"\x93NUMPY\x09\x00" + b"\0" * 80, "cannot be read"),
    "scalar": ("a.npy", npy(np.float32(3)), "no values"),
    "one axis": ("a.npy", npy(np.ones(30)), "table"),
    "no archive": ("a.npz", b"PK\x03\x04 and so on", "cannot be read"),
    "other names": ("a.npz", npz(a=np.ones(30), b=np.ones(30)), "x and y"),
    "unlike": ("a.npz", npz(x=np.ones((30, 2)), y=np.ones(29)), "equally many"),
    "deep": ("a.npz", npz(x=np.ones((30, 1, 1, 1, 1, 1)), y=np.ones(30)), "too large"),
    "bomb": ("a.npz", npz(x=np.zeros((20_000, 400)), y=np.zeros(20_000)), "values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_in_words(case: str) -> None:
    name, content, words = REFUSED[case]
    tracemalloc.start()
    with pytest.raises(ValueError, match=words):
        read_file(name, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000
    assert not Evil.ran


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header("(20000, 500000)", body=b"\0" * 5_000_000))
        archive.writestr("y.npy", npy(np.zeros(20_000)))
    with pytest.raises(ValueError, match="cannot be read"):
        read_file("a.npz", stream.getvalue())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n" + b"x,y\n" * 40, "no column that could be learned"),
        (b"a,b\n" + b"1,1\n" * 40, "no column that could be learned"),
        (b"a,b\n1,2\n3,4\n", "10"),
        (b"name,kind\n" + b"x,1\ny,2\n" * 20, "no column of numbers"),
        (b"a,b\n" + b"nan,1\n" * 20 + b"1,2\n2,3\n3,4\n", "usable rows"),
    ],
)
def test_tables_that_hold_nothing_to_learn_say_so(content: bytes, words: str) -> None:
    file = read_file("a.csv", content)
    with pytest.raises(ValueError, match=words):
        file.samples(file.first_target)


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_make_the_reader_fall_over(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for original, name in ((flowers(), "a.csv"), (npy(np.ones((50, 4))), "a.npy"),
                           (npz(x=np.ones((50, 4)), y=np.arange(50)), "a.npz")):  # fmt: skip
        content = bytearray(original)
        for place in generator.integers(0, min(len(content), 300), 4):
            content[place] = generator.integers(0, 256)
        with suppress(ValueError):
            file = read_file(name, bytes(content))
            file.samples(file.first_target)


# In a session


def brought(session: Session, content: bytes, name: str = "flowers.csv") -> None:
    session.read_file(name, content)


def test_a_file_becomes_the_data_and_trains() -> None:
    session = Session(start=digits_stack())
    session.go(0)
    brought(session, flowers())
    assert session.brought.error == ""
    assert session.document.input.arguments == {}
    session.remove_layer("layer1")
    session.remove_layer("layer2")
    session.remove_layer("layer3")
    session.use_file()
    arguments = session.document.input.arguments
    assert (arguments["data"], arguments["file"], arguments["classes"]) == (OWN, "flowers.csv", 3)
    assert session.document.layers[-1].arguments["units"] == 3
    assert session.history.past[-1].name == "Learn flowers.csv"
    session.step(3)
    assert session._trainer is not None
    session._trainer.settle()
    session.tick()
    assert session.training.message == ""
    assert session.training.at == 3
    session.undo()
    assert session.document.input.arguments == {}
    session.redo()
    assert data_of(session.document.input.arguments).missing == ""


def test_a_document_opened_elsewhere_names_its_file_and_has_noise_instead() -> None:
    session = Session(start=digits_stack())
    brought(session, flowers(rows=90))
    for layer in ("layer1", "layer2", "layer3"):
        session.remove_layer(layer)
    session.use_file()
    source = to_json(session.document)
    session.close()
    del session
    gc.collect()
    document = from_json(source)
    arguments = document.input.arguments
    assert own_data.find(arguments["digest"]) is None
    data = data_of(arguments)
    assert (data.missing, data.shape, data.y) == ("flowers.csv", (2,), None)
    elsewhere = Session(start=document)
    assert "flowers.csv" in elsewhere.snapshot.sentence
    assert elsewhere.snapshot.layers[-1].output_shape == (None, 3)
    elsewhere.step()
    assert elsewhere._trainer is not None
    elsewhere._trainer.settle()
    elsewhere.tick()
    assert "flowers.csv" in elsewhere.training.message
    assert to_json(elsewhere.document) == source


def test_a_session_keeps_its_latest_files() -> None:
    session = Session(start=digits_stack())
    digests = []
    for rows in range(30, 36):
        brought(session, flowers(rows))
        digests.append(session.brought.file.digest)
    session.brought = None
    gc.collect()
    assert [own_data.find(one) is not None for one in digests] == [False] * 2 + [True] * 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"data": "own"},
        {"data": "own", "file": "a.csv", "digest": "x", "shape": [3], "classes": 2},
        {"data": "own", "file": "a" * 400, "digest": "0" * 64, "shape": [3], "target": "y"},
        {"data": "own", "file": "a.csv", "digest": "0" * 64, "shape": [10**9], "target": "y"},
        {"data": "own", "file": 7, "digest": "0" * 64, "shape": [3], "target": "y"},
        {"data": "own", "file": "a.csv", "digest": "0" * 64, "shape": [3], "classes": 10**6},
        {"data": "own", "file": "a.csv", "digest": "0" * 64, "shape": [], "target": "y"},
        {"data": "spiral", "points": 10**9},
        {"data": "spiral", "jitter": -1},
    ],
)
def test_documents_cannot_claim_what_they_like(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        set_input(digits_stack(), arguments)
    written = json.loads(to_json(digits_stack())) | {"input": arguments}
    with pytest.raises(ValueError, match=r"\w"):
        from_json(json.dumps(written))


# The component


def test_the_component_shows_what_a_file_holds() -> None:
    session = Session(start=digits_stack())
    component = DataFile(session)
    assert json.loads(component.content) == {}
    content = b64encode(flowers()).decode()
    component._handle_msg({"type": "file", "name": "flowers.csv", "content": content})
    shown = json.loads(component.content)
    assert shown["target"] == "kind"
    assert shown["words"].startswith("47 samples to learn from, 11 to judge by")
    assert [one["role"] for one in shown["columns"]].count("input") == 2
    assert shown["head"][0] == ["long", "wide", "note", "same", "kind"]
    component._handle_msg({"type": "target", "name": "wide"})
    assert json.loads(component.content)["target"] == "wide"
    component._handle_msg({"type": "use"})
    assert session.document.input.arguments["target"] == "wide"
    assert json.loads(component.content)["used"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "!!!", "garbled"),
        ("a.csv", "A" * (2 * MAX_DATA_BYTES), "larger"),
        ("a.doc", b64encode(b"x").decode(), ".csv"),
    ],
)
def test_the_component_says_why_a_file_is_refused(name: str, content: str, words: str) -> None:
    session = Session(start=digits_stack())
    component = DataFile(session)
    component._handle_msg({"type": "file", "name": name, "content": content})
    assert words in json.loads(component.content)["error"]
    assert session.document.input.arguments == {}


def test_the_input_card_names_the_file() -> None:
    session = Session(start=digits_stack())
    brought(session, flowers())
    session.use_file()
    assert "flowers.csv" in session.snapshot.layer(INPUT).detail
