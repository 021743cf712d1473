"""Tests of Keras that ask for what Layerscope is not, each with the reason."""

from __future__ import annotations

_ATTENTION = "attention layers are not part of the catalogue"
_PREPROCESSING = "preprocessing layers are not part of the catalogue"
_NO_SUCH_LAYER = "the layer is not part of the catalogue"
_QUANTIZATION = "Layerscope has no quantization"
_PRECISION = "Layerscope computes in float32 and float64, never in mixed precision"
_SPARSE = "Layerscope has neither sparse nor ragged tensors"
_POLICIES = "Layerscope has no dtype policies"
_REMAT = "Layerscope has no rematerialization"
_DEVICES = "Layerscope computes on one device"
_TENSORFLOW = "tests TensorFlow"
_TORCH = "tests PyTorch"
_COMPLEX = "Layerscope has no complex numbers"
_PRIVATE = "tests a private name of Keras"
_EXACT_BACKUP = "Layerscope goes on within the epoch; Keras begins it anew"
_NO_LIMITS = "Layerscope has no limit of epochs for a whole program"
_SERVICES = "Layerscope writes for no other program to watch"
_ADAPTERS = "tests Keras's private ways to read data; tests/core/models/test_data.py has ours"

#: Reasons by a pattern of file, class and method, or of a whole file.
NOT_APPLICABLE: dict[str, str] = {
    # --- files -----------------------------------------------------------------------------
    "layers/attention/*": _ATTENTION,
    "layers/preprocessing/*": _PREPROCESSING,
    "layers/core/einsum_dense_test": _NO_SUCH_LAYER,
    "layers/core/reversible_embedding_test": _NO_SUCH_LAYER,
    "layers/normalization/spectral_normalization_test": _NO_SUCH_LAYER,
    "initializers/initializer_test": _DEVICES,
    "callbacks/orbax_checkpoint_test": _SERVICES,
    "callbacks/remote_monitor_test": _SERVICES,
    "callbacks/tensorboard_test": _SERVICES,
    "trainers/data_adapters/*": _ADAPTERS,
    "trainers/epoch_iterator_test": _ADAPTERS,
    # --- whole themes ------------------------------------------------------------------------
    "*quantiz*": _QUANTIZATION,
    "layers/core/*::test_*int4*": _QUANTIZATION,
    "layers/core/*::test_*int8*": _QUANTIZATION,
    "layers/core/*gptq*": _QUANTIZATION,
    "layers/core/*awq*": _QUANTIZATION,
    "layers/core/dense::DenseTest::test_legacy_load_own_variables": _QUANTIZATION,
    "layers/core/embedding::EmbeddingTest::test_legacy_load_own_variables": _QUANTIZATION,
    "*_remat*": _REMAT,
    "*::test_*sparse": _SPARSE,
    "*ragged*": _SPARSE,
    "*::test_large_value_within_autocast_scope": _PRECISION,
    "layers/layer::LayerTest::test_autocast": _PRECISION,
    "layers/layer::LayerTest::test_keras_mask_with_autocast": _PRECISION,
    "*mixed_precision*": _PRECISION,
    "layers/layer::LayerTest::test_dtype_policy_setter": _PRECISION,
    "layers/layer::LayerTest::test_serialize_dtype": _POLICIES,
    "layers/reshaping/zero_padding*_get_config*": _POLICIES,
    "*::test_*loss_scaling*": _PRECISION,
    # --- single tests ------------------------------------------------------------------------
    "initializers/*::test_mha_query_projection_variance": _ATTENTION,
    "callbacks/backup_and_restore::BackupAndRestoreCallbackTest::test_backup_corrupted": _PRIVATE,
    "callbacks/backup_and_restore::BackupAndRestoreCallbackTest::test_best_case_step": (
        _EXACT_BACKUP
    ),
    "layers/core/lambda_layer::LambdaTest::test_correctness*": "no config's code is ever run",
    "layers/layer::LayerTest::test_*call_context_arg*": _PRIVATE,
    "layers/layer::LayerTest::test_context_arg*": _PRIVATE,
    "layers/layer::LayerTest::test_layer_variable_tracking_correct": _PRIVATE,
    "layers/layer::LayerTest::test_remove_weight": _PRIVATE,
    "layers/layer::LayerTest::test_stateless_call": _PRIVATE,
    "layers/layer::LayerTest::test_complex_dtype_support": _COMPLEX,
    "layers/layer::LayerTest::test_gptq_quantization_by_setting_dtype": _QUANTIZATION,
    "layers/layer::LayerTest::test_not_implemented_error_float8_call": _QUANTIZATION,
    "layers/layer::LayerTest::test_not_implemented_error_int8_call": _QUANTIZATION,
    "layers/layer::LayerTest::test_torch_params_create_deterministic": _TORCH,
    "layers/rnn/bidirectional::*cudnn*": _TORCH,
    "layers/rnn/bidirectional::*_fused_*": _PRIVATE,
    "layers/rnn/gru::*cudnn*": _TORCH,
    "layers/rnn/gru::*symbolic_batch*": _TENSORFLOW,
    "trainers/trainer::TestTrainer::test_max_epochs_and_steps": _NO_LIMITS,
    "regularizers/*::ValidateFloatArgTest::*": _PRIVATE,
}
