"""The test case that Keras's tests are built on, for Layerscope."""

# pytest does not rewrite the asserts of a module that it does not collect.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from absl.testing import parameterized  # pyright: ignore[reportMissingImports]

from layerscope import config, layers, losses, models, ops, random, saving
from layerscope.masks import get_keras_mask
from layerscope.random import SeedGenerator
from layerscope.structure import is_shape, leaves, map_structure
from layerscope.tensor import KerasTensor


class TestCase(parameterized.TestCase):
    """Assertions on arrays, and the standard examination of a layer."""

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        settings: list[tuple[Callable[[Any], None], Any]] = [
            (config.set_floatx, config.floatx()),
            (config.set_epsilon, config.epsilon()),
            (config.set_image_data_format, config.image_data_format()),
        ]
        for restore, value in settings:
            self.addCleanup(restore, value)

    def get_temp_dir(self) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    # --- assertions ----------------------------------------------------------------------

    def convert_to_numpy(self, x: Any) -> np.ndarray:
        return ops.convert_to_numpy(x)

    def assertAllClose(
        self,
        actual: Any,
        desired: Any,
        atol: float = 1e-6,
        rtol: float = 1e-6,
        tpu_atol: float | None = None,
        tpu_rtol: float | None = None,
        msg: str | None = None,
    ) -> None:
        np.testing.assert_allclose(
            ops.convert_to_numpy(actual),
            ops.convert_to_numpy(desired),
            rtol=rtol,
            atol=atol,
            err_msg=msg or "",
        )

    def assertNotAllClose(
        self, x1: Any, x2: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: str | None = None
    ) -> None:
        with self.assertRaises(AssertionError, msg=msg or "the values are close everywhere"):
            self.assertAllClose(x1, x2, atol=atol, rtol=rtol)

    def assertAlmostEqual(  # type: ignore[override]
        self,
        actual: Any,
        desired: Any,
        decimal: int = 3,
        tpu_decimal: int | None = None,
        msg: str | None = None,
    ) -> None:
        np.testing.assert_almost_equal(
            ops.convert_to_numpy(actual),
            ops.convert_to_numpy(desired),
            decimal=decimal,
            err_msg=msg or "",
        )

    def assertAllEqual(self, actual: Any, desired: Any, msg: str | None = None) -> None:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(actual), ops.convert_to_numpy(desired), err_msg=msg or ""
        )

    def assertDType(self, x: Any, dtype: Any, msg: str | None = None) -> None:
        have = config.standardize_dtype(getattr(x, "dtype", type(x)))
        self.assertEqual(have, config.standardize_dtype(dtype), msg=msg)

    def assertSparse(self, x: Any, sparse: bool = True) -> None:
        if sparse:
            self.skipTest("Layerscope has no sparse tensors")

    def assertRagged(self, x: Any, ragged: bool = True) -> None:
        if ragged:
            self.skipTest("Layerscope has no ragged tensors")

    def assertFileExists(self, path: str) -> None:
        self.assertTrue(Path(path).is_file(), msg=f"no file {path}")

    # --- examinations --------------------------------------------------------------------

    def run_class_serialization_test(self, instance: Any, custom_objects: Any = None) -> Any:
        """Make `instance` anew from its config, as data and as text, and compare."""
        config, attributes = _as_json(instance.get_config()), set(dir(instance))
        with saving.custom_object_scope(custom_objects or {}):
            revived = type(instance).from_config(instance.get_config())
            self.assertEqual(config, _as_json(revived.get_config()))
            self.assertEqual(attributes, set(dir(revived)))
            text = _as_json(saving.serialize_keras_object(instance))
            revived = saving.deserialize_keras_object(_from_json(text))
        self.assertEqual(config, _as_json(revived.get_config()))
        self.assertEqual(attributes, set(dir(revived)))
        return revived

    def run_layer_test(
        self,
        layer_cls: Any,
        init_kwargs: dict[str, Any],
        input_shape: Any = None,
        input_dtype: Any = None,
        input_sparse: bool = False,
        input_ragged: bool = False,
        input_data: Any = None,
        call_kwargs: dict[str, Any] | None = None,
        expected_output_shape: Any = None,
        expected_output_dtype: Any = None,
        expected_output_sparse: bool = False,
        expected_output_ragged: bool = False,
        expected_output: Any = None,
        expected_num_trainable_weights: int | None = None,
        expected_num_non_trainable_weights: int | None = None,
        expected_num_non_trainable_variables: int | None = None,
        expected_num_seed_generators: int | None = None,
        expected_num_losses: int | None = None,
        supports_masking: bool | None = None,
        expected_mask_shape: tuple[int, ...] | None = None,
        custom_objects: dict[str, Any] | None = None,
        run_training_check: bool = True,
        run_mixed_precision_check: bool = True,
        assert_built_after_instantiation: bool = False,
        tpu_atol: float | None = None,
        tpu_rtol: float | None = None,
    ) -> None:
        """Examine a layer: config, build, symbolic call, call on arrays, one step of training.

        What Keras also does and Layerscope has no notion of (mixed precision, sparse and ragged
        tensors) is left out.
        """
        if input_sparse or input_ragged or expected_output_sparse or expected_output_ragged:
            self.skipTest("Layerscope has no sparse and no ragged tensors")
        call_kwargs = call_kwargs or {}

        def make() -> Any:
            return layer_cls(**init_kwargs)

        def call(layer: Any, inputs: Any) -> Any:
            if isinstance(inputs, dict):
                return layer(**inputs, **call_kwargs)
            return layer(inputs, **call_kwargs)

        counts = {
            "trainable_weights": expected_num_trainable_weights,
            "non_trainable_weights": expected_num_non_trainable_weights,
            "non_trainable_variables": expected_num_non_trainable_variables,
            "seed_generators": expected_num_seed_generators,
        }

        def check_built(layer: Any) -> None:
            self.assertTrue(layer.built)
            for what, expected in counts.items():
                if expected is not None:
                    self.assertEqual(_count(layer, what), expected, msg=f"number of {what}")

        def check_output(output: Any) -> None:
            if expected_output_shape is not None:
                shapes = map_structure(lambda tensor: tuple(tensor.shape), output)
                self.assertTrue(
                    _fits(expected_output_shape, shapes),
                    msg=f"expected output shapes {expected_output_shape}, got {shapes}",
                )
            if expected_output_dtype is not None:
                self.assertEqual(
                    leaves(expected_output_dtype),
                    [config.standardize_dtype(tensor.dtype) for tensor in leaves(output)],
                )

        layer = make()
        self.run_class_serialization_test(layer, custom_objects)
        if supports_masking is not None:
            self.assertEqual(layer.supports_masking, supports_masking)
        if assert_built_after_instantiation:
            self._check_built_after_instantiation(layer_cls, init_kwargs)
        if input_data is None and input_shape is None:
            return

        if input_data is None:
            symbols = _for_each_shape(_symbol, input_shape, input_dtype or "float32")
            input_data = _for_each_shape(_draws, input_shape, input_dtype or "float32")
        else:
            symbols = map_structure(lambda x: KerasTensor(x.shape, str(x.dtype)), input_data)
        layer = make()
        call(layer, input_data)
        for what, expected in counts.items():
            counts[what] = _count(layer, what) if expected is None else expected

        layer = make()
        shapes = input_shape or map_structure(lambda x: tuple(x.shape), input_data)
        layer.build(**shapes) if isinstance(shapes, dict) else layer.build(shapes)
        check_built(layer)

        layer = make()
        check_output(call(layer, symbols))
        check_built(layer)
        if expected_mask_shape is not None:
            mask = layer.compute_mask(symbols, map_structure(get_keras_mask, symbols))
            self.assertEqual(expected_mask_shape, mask.shape)

        layer = make()
        output = call(layer, input_data)
        check_output(output)
        if expected_output is not None:
            for have, want in zip(leaves(output), leaves(expected_output), strict=True):
                self.assertAllClose(have, want, msg="unexpected output")
        if expected_num_losses is not None:
            self.assertLen(layer.losses, expected_num_losses)
        if run_training_check:
            _train(layer, input_data, output)

    def _check_built_after_instantiation(self, layer_cls: Any, init_kwargs: Any) -> None:
        self.assertTrue(layer_cls(**init_kwargs).built, msg="a layer without weights is built")

        class WithOwnBuild(layer_cls):
            def build(self, *args: Any, **kwargs: Any) -> None:
                pass

        self.assertFalse(WithOwnBuild(**init_kwargs).built, msg="its `build` has not run yet")


class _SumOfPredictions(losses.Loss):
    """A loss that any output has, whatever its shape and the targets'."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return ops.sum(y_pred)


class _OneLayer(models.Model):
    """A model that calls one layer."""

    def __init__(self, layer: layers.Layer) -> None:
        super().__init__()
        self.layer = layer

    def call(self, x: Any, training: bool = False) -> Any:
        return self.layer(x, training=training)


def _train(layer: Any, inputs: Any, outputs: Any) -> None:
    """Take one step of training on one batch."""
    model = _OneLayer(layer)
    model.compile(optimizer="sgd", loss=_SumOfPredictions())
    model.fit(inputs, outputs, batch_size=len(leaves(inputs)[0]), verbose=0)


def _count(layer: Any, what: str) -> int:
    if what != "seed_generators":
        return len(getattr(layer, what))
    found = [
        value
        for owner in layer._flatten_layers()
        for value in leaves(dict(vars(owner)))
        if isinstance(value, SeedGenerator)
    ]
    return len({id(generator) for generator in found})


def _for_each_shape(make: Callable[..., Any], shapes: Any, dtypes: Any) -> Any:
    """Make a value for each shape; a dict's keys lose the ``_shape`` at their end."""
    if is_shape(shapes):
        return make(tuple(shapes), dtypes)
    if isinstance(shapes, dict):
        return {
            key.removesuffix("_shape"): _for_each_shape(
                make, shape, dtypes[key] if isinstance(dtypes, dict) else dtypes
            )
            for key, shape in shapes.items()
        }
    kinds = itertools.repeat(dtypes) if isinstance(dtypes, str) else dtypes
    made = [_for_each_shape(make, shape, kind) for shape, kind in zip(shapes, kinds, strict=False)]
    return type(shapes)(made)


def _symbol(shape: tuple[int | None, ...], dtype: str) -> KerasTensor:
    return KerasTensor(shape, dtype)


def _draws(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (random.uniform(shape) * 3).astype(dtype)


def _fits(expected: Any, shapes: Any) -> bool:
    """Tell whether shapes are the expected ones, where None stands for any length."""
    if is_shape(expected):
        return len(expected) == len(shapes) and all(
            want in (None, have) for want, have in zip(expected, shapes, strict=True)
        )
    if isinstance(expected, dict):
        return expected.keys() == shapes.keys() and all(
            _fits(expected[key], shapes[key]) for key in expected
        )
    return len(expected) == len(shapes) and all(
        _fits(want, have) for want, have in zip(expected, shapes, strict=True)
    )


def _as_json(value: Any) -> str:
    """Write plain data as text in which tuples stay apart from lists."""

    def marked(entry: Any) -> Any:
        if isinstance(entry, tuple):
            return {"tuple": [marked(inner) for inner in entry]}
        if isinstance(entry, list):
            return [marked(inner) for inner in entry]
        if isinstance(entry, dict):
            return {key: marked(inner) for key, inner in entry.items()}
        return entry

    return json.dumps(marked(value), sort_keys=True)


def _from_json(text: str) -> Any:
    return json.loads(
        text, object_hook=lambda entry: tuple(entry["tuple"]) if "tuple" in entry else entry
    )


# --- what else Keras keeps in its testing module -------------------------------------------


def uses_gpu() -> bool:
    """Tell whether the backend computes on other hardware, which Layerscope never does."""
    return False


uses_tpu = jax_uses_gpu = jax_uses_tpu = uses_gpu
tensorflow_uses_gpu = tensorflow_uses_tpu = torch_uses_gpu = uses_gpu


def get_test_data(
    train_samples: int,
    test_samples: int,
    input_shape: tuple[int, ...],
    num_classes: int,
    random_seed: int | None = None,
) -> Any:
    """Return samples that lie around a point of their own for each class, for training and test."""
    generator = np.random.default_rng(random_seed)
    count = train_samples + test_samples
    labels = generator.permutation(np.arange(count) % num_classes).astype("int32")
    centres = generator.normal(size=(num_classes, *input_shape))
    x = (2 * centres[labels] + generator.normal(size=(count, *input_shape))).astype("float32")
    return (x[:train_samples], labels[:train_samples]), (x[train_samples:], labels[train_samples:])


def _said(value: Any) -> str:
    return getattr(value, "__name__", str(value)).lower()


def named_product(
    *parameters: Iterable[dict[str, Any]], **named: Iterable[Any]
) -> list[dict[str, Any]]:
    """Return every combination of test parameters, named after what it combines."""
    choices = [
        *parameters,
        *(
            [{"testcase_name": _said(value), key: value} for value in values]
            for key, values in named.items()
        ),
    ]
    found = []
    for combination in itertools.product(*choices):
        merged: dict[str, Any] = {}
        for part in combination:
            merged.update(part)
        name = "_".join(part["testcase_name"] for part in combination)
        found.append({**merged, "testcase_name": name})
    return found
