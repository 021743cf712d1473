"""Models in files: round trips, and files that are broken or mean harm."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, layers, models
from layerscope.layers import Dense
from layerscope.saving import weights_file
from layerscope.structure import leaves

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

RNG = np.random.default_rng(0)


class Block(layers.Layer):
    """Layers in every kind of container, and a weight of its own."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.stages = [Dense(units), [Dense(units), Dense(units)]]
        self.named = {"last": Dense(units)}

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(shape=(self.units,), initializer="uniform", name="scale")
        for layer in (self.stages[0], *self.stages[1], self.named["last"]):
            layer.build((None, self.units))

    def call(self, inputs: Any) -> Any:
        first, (second, third) = self.stages
        return self.named["last"](third(second(first(inputs)))) * self.scale


class OwnModel(Model):
    """Builds its layers where it calls them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = Dense(2)
        self.block = Block()
        self.again = self.block

    def call(self, inputs: Any) -> Any:
        return self.out(self.again(self.block(inputs)))


class Remembering(layers.Layer):
    """Keeps in files what is no weight."""

    seen: Any = 0

    def call(self, inputs: Any) -> Any:
        return inputs * self.seen

    def save_own_variables(self, store: Any) -> None:
        store["seen"] = np.asarray(self.seen)

    def load_own_variables(self, store: Any) -> None:
        self.seen = float(store["seen"])


def sequential() -> Any:
    return Sequential([Input((3,)), Dense(4, "tanh"), layers.Dropout(0.5), Dense(2)])


def functional() -> Any:
    inputs, other = Input((3,), name="one"), Input((3,), name="other")
    shared = Dense(3, "tanh")
    joined = layers.Concatenate()([shared(inputs), shared(other)])
    return Model([inputs, other], [Dense(2)(joined), layers.Add()([shared(shared(other)), inputs])])


def nested() -> Any:
    inputs = Input((3,))
    inner = Sequential([Dense(3), Sequential([Dense(3, "relu")])])
    hidden = inner(inputs)
    graph = Model(inputs, [hidden, layers.Maximum()([inner(hidden), inputs])])
    return Model(inputs, layers.Concatenate()(graph(inputs)))


def recurrent() -> Any:
    cells = [layers.GRUCell(2), layers.LSTMCell(3)]
    return Sequential(
        [
            Input((4, 3)),
            layers.Masking(),
            layers.LSTM(2, return_sequences=True, dropout=0.2),
            layers.Bidirectional(layers.GRU(2, return_sequences=True)),
            layers.TimeDistributed(Dense(2)),
            layers.RNN(cells),
        ]
    )


def convolutional() -> Any:
    model = Sequential(
        [
            Input((6, 6, 2)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.SeparableConv2D(2, 2),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    statistics = model.layers[1].non_trainable_weights
    statistics[0].assign(RNG.normal(size=3))
    statistics[1].assign(RNG.uniform(1, 2, size=3))
    return model


def custom() -> Any:
    model = OwnModel()
    model(np.ones((2, 3), "float32"))
    return model


def with_custom_layer() -> Any:
    inputs = Input((3,))
    return Model(inputs, Block()(inputs))


def built_by_data() -> Any:
    model = Sequential([Dense(3), Dense(1)])
    model(np.ones((5, 3), "float32"))
    return model


KINDS: dict[str, Callable[[], Any]] = {
    make.__name__: make
    for make in (
        sequential,
        functional,
        nested,
        recurrent,
        convolutional,
        custom,
        with_custom_layer,
        built_by_data,
    )
}
CUSTOM = {"Block": Block, "OwnModel": OwnModel, "Remembering": Remembering}


def data_for(model: Any) -> Any:
    """Return five samples for each input."""
    if isinstance(model, OwnModel):
        return RNG.normal(size=(5, 3)).astype("float32")
    drawn = [RNG.normal(size=(5, *one.shape[1:])).astype("float32") for one in model.inputs]
    return drawn if len(drawn) > 1 else drawn[0]


def assert_same(one: Any, other: Any) -> None:
    x = data_for(one)
    for have, want in zip(
        leaves(other.predict(x)),
        leaves(one.predict(x)),
        strict=True,
    ):
        np.testing.assert_array_equal(have, want)


# --- round trips -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str, tmp_path: Path) -> None:
    model = KINDS[kind]()
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras", CUSTOM)
    assert type(loaded) is type(model)
    assert [weight.shape for weight in loaded.weights] == [one.shape for one in model.weights]
    assert_same(model, loaded)

    other = KINDS[kind]()
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(model, other)
    other = KINDS[kind]()
    other.load_weights(tmp_path / "model.keras")
    assert_same(model, other)


def test_layout_is_keras_s(tmp_path: Path) -> None:
    custom().save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
    # The block is first met under the attribute `again`, the other layer in the list of all.
    assert sorted(names) == sorted(
        [
            "again/vars/0",
            *(
                f"again/{place}/vars/{number}"
                for number in range(2)
                for place in (
                    "named/dense",
                    "stages/dense",
                    "stages/container/dense",
                    "stages/container/dense_1",
                )
            ),
            "layers/dense/vars/0",
            "layers/dense/vars/1",
        ]
    )


def test_how_a_model_is_compiled_is_kept(tmp_path: Path) -> None:
    model = sequential()
    model.compile(ls.optimizers.Adam(0.02), "mse", metrics=["mse"])
    x, y = data_for(model), np.zeros((5, 2), "float32")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.learning_rate == 0.02
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    loaded.fit(x, y, verbose=0)
    loaded = models.load_model(tmp_path / "model.keras", compile=False)
    with pytest.raises(ValueError, match="call `compile"):
        loaded.evaluate(x, y)


def test_what_cannot_be_compiled_is_said(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    sequential().save(path)
    for changes in (
        {"optimizer": "nobody"},
        {"optimizer": {"class_name": "SGD", "config": {"weight_decay": 0.1}}},
        {"optimizer": {"class_name": "SGD", "config": {"use_ema": True}}},
        {"optimizer": "sgd", "loss": {"class_name": "function", "config": "exit"}},
        {"optimizer": "sgd", "loss": "mse", "metrics": ["nothing"]},
        {"optimizer": "sgd", "metrics": [{"class_name": "Nothing", "config": {}}]},
        {"optimizer": "sgd", "loss_weights": [1.0]},
    ):
        rewrite(path, compile_config=changes)
        with pytest.warns(UserWarning, match="not compiled as its file says"):
            loaded = models.load_model(path)
        assert loaded.predict(data_for(loaded)).shape == (5, 2)


def test_a_metric_without_a_config_does_not_hinder(tmp_path: Path) -> None:
    class Own(ls.metrics.Metric):
        def __init__(self, anything: Any) -> None:
            super().__init__(name="own")

    model = sequential()
    model.compile("sgd", "mse", metrics=[Own(object())])
    with pytest.warns(UserWarning, match="compiled is not kept"):
        model.save(tmp_path / "model.keras")
    assert_same(model, models.load_model(tmp_path / "model.keras"))


def test_a_layer_may_keep_what_it_likes(tmp_path: Path) -> None:
    model = Sequential([Input((2,)), Remembering()])
    model.layers[0].seen = 3.0
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras", CUSTOM)
    np.testing.assert_array_equal(loaded(np.ones((1, 2), "float32")), [[3, 3]])


def test_low_rank_adaptation_is_merged(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Dense(4, lora_rank=2)])
    layer: Any = model.layers[0]
    layer.lora_kernel_b.assign(RNG.normal(size=(2, 4)))
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].lora_enabled
    np.testing.assert_array_equal(loaded.layers[0].lora_kernel_b.numpy(), np.zeros((2, 4)))
    assert_same(model, loaded)
    plain = Sequential([Input((3,)), Dense(4)])
    plain.load_weights(tmp_path / "model.keras")
    assert_same(model, plain)


def test_json_and_clones() -> None:
    model = functional()
    for other in (models.model_from_json(model.to_json()), models.clone_model(model)):
        assert other.get_config() == model.get_config()
        assert not np.array_equal(other.weights[0], model.weights[0])
        other.set_weights(model.get_weights())
        assert_same(model, other)
    custom_model = models.model_from_json(with_custom_layer().to_json(), CUSTOM)
    assert isinstance(custom_model.layers[1], Block)
    for text, problem in (("[", "as JSON"), ("3", "found 3"), ('{"class_name": "Dense"}', "units")):
        with pytest.raises((ValueError, TypeError), match=problem):
            models.model_from_json(text)
    dense = json.dumps(layers.serialize(Dense(2)))
    with pytest.raises(ValueError, match=r"config of a model, found <Dense"):
        models.model_from_json(dense)
    with pytest.raises(TypeError, match="Could not locate class 'Nobody'"):
        models.model_from_json('{"class_name": "Nobody"}')


# --- weights that do not fit -------------------------------------------------------------------


def test_other_shapes_are_named_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    sequential().save_weights(path)
    other = Sequential([Input((3,)), Dense(4), layers.Dropout(0.5), Dense(5)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"'dense_1'.*shape \(4, 5\).*\(4, 2\) of 'kernel'"):
        other.load_weights(path)
    for have, want in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(have, want)
    with pytest.warns(UserWarning, match=r"1 layer\(s\) could not be loaded.*'dense_1'"):
        other.load_weights(path, skip_mismatch=True)
    assert not np.array_equal(other.get_weights()[0], before[0])
    np.testing.assert_array_equal(other.get_weights()[2], before[2])


def test_other_numbers_of_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    sequential().save_weights(path)
    with pytest.raises(ValueError, match=r"'dense_2' expected 2 variables, but received 0"):
        Sequential([Input((3,)), Dense(4), Dense(2), Dense(2)]).load_weights(path)
    with pytest.raises(ValueError, match=r"'dense' expected 1 variables, but received 2"):
        Sequential([Input((3,)), Dense(4, use_bias=False)]).load_weights(path)


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    model = Sequential([Dense(2)])
    with pytest.raises(ValueError, match="no weights yet"):
        model.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="no weights yet"):
        model.load_weights(tmp_path / "a.weights.h5")
    with pytest.warns(UserWarning, match="not built"):
        model.save(tmp_path / "a.keras")
    assert not models.load_model(tmp_path / "a.keras").built


# --- names, existing files, half a file --------------------------------------------------------


def test_names(tmp_path: Path) -> None:
    model = sequential()
    for save in (model.save, model.save_weights):
        with pytest.raises(ValueError, match=r"ends in `\.\w+"):
            save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"ends in `\.keras`"):
        models.load_model(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="File not found"):
        models.load_model(tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match=r"absent\.weights\.h5"):
        model.load_weights(tmp_path / "absent.weights.h5")
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "no folder" / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_may_be_protected(tmp_path: Path) -> None:
    model = sequential()
    for save, name in ((model.save, "a.keras"), (model.save_weights, "a.weights.h5")):
        save(tmp_path / name)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(FileExistsError, match="overwrite=False"):
            save(str(tmp_path / name), overwrite=False)
        assert (tmp_path / name).read_bytes() == before
        save(tmp_path / name)


@pytest.mark.parametrize("failing", ["get_config", "save_own_variables", "replace"])
def test_a_failure_leaves_the_old_file(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sequential()
    path = tmp_path / "model.keras"
    model.save(path)
    assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IXUSR
    before = path.read_bytes()

    def fail(*args: Any) -> None:
        raise OSError("no more space")

    owner: Any = os if failing == "replace" else Dense
    monkeypatch.setattr(owner, failing, fail)
    with pytest.raises(OSError, match="no more space"):
        model.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- files that are broken or mean harm --------------------------------------------------------


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def rewrite(path: Path, **changes: Any) -> None:
    """Change parts of the config of a model's file."""
    entries = entries_of(path)
    config = json.dumps({**json.loads(entries["config.json"]), **changes})
    put(path, {**entries, "config.json": config.encode()})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    sequential().save(path)
    return path


def test_broken_archives(saved: Path) -> None:
    whole = saved.read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[len(whole) // 3 :]):
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="not a readable zip archive"):
            models.load_model(saved)
    damaged = whole.replace(b"Sequential", b"SequentiaL", 1)
    saved.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"not a readable zip archive.*CRC"):
        models.load_model(saved)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_entries(name: str, saved: Path) -> None:
    entries = entries_of(saved)
    del entries[name]
    put(saved, entries)
    with pytest.raises(ValueError, match=rf"no entry '{name}'.*metadata\.json"):
        models.load_model(saved)


@pytest.mark.parametrize(
    "config",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"class_name": []}',
        b'{"class_name": "Sequential"}',
        b'{"class_name": "Sequential", "config": {"layers": [3]}}',
        b'{"class_name": "Functional", "config": {"layers": [{"class_name": "Dense"}]}}',
        b'{"class_name": "Zeros", "config": {}}',
        b'{"module": "os", "class_name": "system", "config": {"command": "exit"}}',
        b'{"module": "builtins", "class_name": "function", "config": "eval"}',
        b'{"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}}',
    ],
)
def test_broken_configs(config: bytes, saved: Path) -> None:
    put(saved, {**entries_of(saved), "config.json": config})
    with pytest.raises((ValueError, TypeError)):
        models.load_model(saved)


def test_no_code_of_a_file_is_run(saved: Path, tmp_path: Path) -> None:
    stored = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}
    harmful = {"class_name": "Lambda", "config": {"function": stored}}
    rewrite(saved, config={"layers": [harmful]})
    for safe_mode in (True, False):
        with pytest.raises((ValueError, TypeError), match="lambda"):
            models.load_model(saved, safe_mode=safe_mode)


def test_absurd_sizes_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"would take .*more than the limit of 1000 bytes"):
        models.load_model(saved, size_limit=1000)
    entries = entries_of(saved)
    put(saved, {**entries, "assets/x": bytes(30 * 2**20)}, zipfile.ZIP_DEFLATED)
    assert saved.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"30\.\d+ MiB, more than the limit of 16 MiB"):
        models.load_model(saved, size_limit=2**24)
    models.load_model(saved)


def test_absurd_weights_are_not_made(saved: Path) -> None:
    entry = {"class_name": "InputLayer", "config": {"shape": [10**6]}}
    rewrite(saved, config={"layers": [entry, layers.serialize(Dense(10**6))]})
    with pytest.raises(ValueError, match=r"take at least 3725 GiB, more than the limit of 4 GiB"):
        models.load_model(saved)


def hostile(change: Callable[[Any], None]) -> bytes:
    """Return a weights file of `sequential` after a change to it."""
    content = io.BytesIO(weights_file.write_weights(sequential()))
    with h5py.File(content, "a") as file:
        change(file)
    return content.getvalue()


def replaced(kernel: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = kernel

    return change


def bomb(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", shape=(2**15, 2**15), dtype="f4", chunks=(64, 64), compression="gzip"
    )


def elsewhere(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", shape=(3, 4), dtype="f4", external=[("/etc/hostname", 0, 48)]
    )


def linked(file: Any) -> None:
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("other.h5", "/")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (bomb, r"would take 4 GiB of memory, of which the file holds 0 bytes"),
        (elsewhere, "content in another file"),
        (linked, "is a link"),
        (replaced(h5py.SoftLink("/layers/dense_1/vars/0")), "is a link"),
        (replaced("text"), "no array of numbers"),
        (lambda file: file["layers/dense/vars/0"].file.move("layers/dense/vars/0", "x"), "'0'|1 v"),
        (lambda file: (file.pop("layers"), file.create_dataset("layers", data=1)), "no group"),
    ],
)
def test_hostile_weights(change: Callable[[Any], None], problem: str, saved: Path) -> None:
    content = hostile(change)
    put(saved, {**entries_of(saved), "model.weights.h5": content})
    with pytest.raises(ValueError, match=problem):
        models.load_model(saved)
    weights = saved.with_name("a.weights.h5")
    weights.write_bytes(content)
    model = sequential()
    before = model.get_weights()
    with pytest.raises(ValueError, match=problem):
        model.load_weights(weights)
    for have, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(have, want)


def test_broken_weights(saved: Path) -> None:
    whole = entries_of(saved)["model.weights.h5"]
    for content in (b"", b"no hdf5", whole[:500], whole[: len(whole) // 2]):
        put(saved, {**entries_of(saved), "model.weights.h5": content})
        with pytest.raises(ValueError, match="not a readable HDF5 file"):
            models.load_model(saved)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"layerscope\[keras\]"):
        sequential().save(tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []
