"""Tests of Keras that ask for what Layerscope is not, each with the reason."""

from __future__ import annotations

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
_SYMBOLIC = "metrics measure data, not symbols"
_LOST = "Keras loses an argument in the config"
_BOXES = "Layerscope moves no bounding boxes"
_ALONE = "one image comes back as one image, not as a batch"
_SCALARS = "Keras announces another shape than it gives"
_WORDS = "all image layers refuse a rank in the same words"
_LOSS_SCALE = "scales the loss for the sake of float16, which Layerscope does not compute in"
_EXACT_BACKUP = "Layerscope goes on within the epoch; Keras begins it anew"
_NO_LIMITS = "Layerscope has no limit of epochs for a whole program"
_SERVICES = "Layerscope writes for no other program to watch"
_ADAPTERS = "tests Keras's private ways to read data; tests/core/models/test_data.py has ours"

#: Reasons by a pattern of file, class and method, or of a whole file.
NOT_APPLICABLE: dict[str, str] = {
    # --- files -----------------------------------------------------------------------------
    "initializers/initializer_test": _DEVICES,
    "layers/preprocessing/data_layer_test": _NO_SUCH_LAYER,
    "layers/preprocessing/feature_space_test": _NO_SUCH_LAYER,
    "layers/preprocessing/index_lookup_test": _PRIVATE,
    "layers/preprocessing/mel_spectrogram_test": _NO_SUCH_LAYER,
    "layers/preprocessing/pipeline_test": _NO_SUCH_LAYER,
    "layers/preprocessing/stft_spectrogram_test": _NO_SUCH_LAYER,
    "layers/preprocessing/image_preprocessing/bounding_boxes/*": _BOXES,
    "layers/preprocessing/image_preprocessing/clahe_test": _NO_SUCH_LAYER,
    "layers/preprocessing/image_preprocessing/max_num_bounding_box_test": _NO_SUCH_LAYER,
    "layers/preprocessing/image_preprocessing/random_elastic_transform_test": _NO_SUCH_LAYER,
    "optimizers/loss_scale_optimizer_test": _LOSS_SCALE,
    "optimizers/optimizer_sparse_test": _SPARSE,
    "callbacks/orbax_checkpoint_test": _SERVICES,
    "callbacks/remote_monitor_test": _SERVICES,
    "callbacks/tensorboard_test": _SERVICES,
    "trainers/data_adapters/*": _ADAPTERS,
    "trainers/epoch_iterator_test": _ADAPTERS,
    # --- whole themes ------------------------------------------------------------------------
    "*quantiz*": _QUANTIZATION,
    "layers/core/*::test_*int4*": _QUANTIZATION,
    "layers/core/*gptq*": _QUANTIZATION,
    "layers/core/*awq*": _QUANTIZATION,
    "layers/core/dense::DenseTest::test_legacy_load_own_variables": _QUANTIZATION,
    "layers/core/einsum_dense::EinsumDenseTest::test_legacy_load_own_variables": _QUANTIZATION,
    "layers/core/embedding::EmbeddingTest::test_legacy_load_own_variables": _QUANTIZATION,
    "*_remat*": _REMAT,
    "*::test_large_value_within_autocast_scope": _PRECISION,
    "layers/layer::LayerTest::test_autocast": _PRECISION,
    "layers/layer::LayerTest::test_keras_mask_with_autocast": _PRECISION,
    "*mixed_precision*": _PRECISION,
    "layers/layer::LayerTest::test_dtype_policy_setter": _PRECISION,
    "layers/layer::LayerTest::test_serialize_dtype": _POLICIES,
    "layers/reshaping/zero_padding*_get_config*": _POLICIES,
    "losses/*::test_dtype_arg": _PRECISION,
    "losses/loss::LossTest::test_default_dtype": _PRECISION,
    "metrics/metric::MetricTest::test_dtype_arg": _PRECISION,
    "metrics/metric::MetricTest::test_default_dtype": _PRECISION,
    "metrics/correlation_metrics::CorrelationsTest::test_pearson_config": _PRECISION,
    "metrics/*::test_weighted_dynamic_shape*": _SYMBOLIC,
    "layers/preprocessing/*::*bounding_box*": _BOXES,
    "layers/preprocessing/*tf_data*": _TENSORFLOW,
    "layers/attention/*::test_correctness_*_flash_attention": _PRECISION,
    "layers/attention/multi_head_*::*::test_sliding_window_serialization": _PRIVATE,
    # --- single tests ------------------------------------------------------------------------
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
    "layers/layer::LayerTest::test_not_implemented_error_float8_call": _QUANTIZATION,
    "layers/layer::LayerTest::test_not_implemented_error_int8_call": _QUANTIZATION,
    "layers/layer::LayerTest::test_torch_params_create_deterministic": _TORCH,
    "layers/core/reversible_embedding::*::test_reverse_dtype": _PRECISION,
    "losses/losses::CosineSimilarityTest::test_config": _LOST,
    "losses/losses::HuberLossTest::test_config": _LOST,
    "metrics/confusion_metrics::AUCTest::test_config": _PRIVATE,
    "metrics/f_score_metrics::*::test_undefined_output_dim_raises_value_error": _PRIVATE,
    "layers/preprocessing/*::CategoryEncodingTest::test_encode_one_hot_*": _PRIVATE,
    "layers/preprocessing/*::DiscretizationTest::test_compute_output_shape_edge_cases": _SCALARS,
    "layers/preprocessing/*::HashedCrossingTest::test_cross_output_dtype": "fails on PyTorch only",
    "layers/preprocessing/*::HashingTest::test_hashing_sparse_with_int_mode": _SPARSE,
    "layers/preprocessing/*::HashingTest::test_one_hot_output": "models add no axis to inputs",
    "layers/preprocessing/*::MixUpTest::test_mix_up_basic_functionality*": _ALONE,
    "layers/preprocessing/*::Random*Test::test_dict_input": _BOXES,
    "layers/preprocessing/*::RandomBrightnessTest::*_input_incorrect_rank": _WORDS,
    "layers/preprocessing/*::RandomBrightnessTest::test_set_factor_*": _PRIVATE,
    "layers/preprocessing/*::RandomErasingTest::test_random_erasing_basic": _ALONE,
    "layers/preprocessing/*::RandomFlipTest::test_random_flip_horizontal": _PRIVATE,
    "layers/preprocessing/*::RandomFlipTest::test_random_flip_vertical": _PRIVATE,
    "layers/preprocessing/*::StringLookupTest::test_vocabulary_file": "configs hold vocabularies",
    "layers/rnn/bidirectional::*cudnn*": _TORCH,
    "layers/rnn/bidirectional::*_fused_*_eligibility": _PRIVATE,
    "layers/rnn/gru::*cudnn*": _TORCH,
    "layers/rnn/gru::*symbolic_batch*": _TENSORFLOW,
    "optimizers/multi_optimizer::*::test_default_fallback": _PRIVATE,
    "optimizers/multi_optimizer::*::test_multi_optimizer_blocks_nested*": _LOSS_SCALE,
    "optimizers/multi_optimizer::*::test_multi_optimizer_wrapped_in_loss*": _LOSS_SCALE,
    "optimizers/multi_optimizer::*::test_serialization": _PRIVATE,
    "optimizers/multi_optimizer::*::test_stateless_apply": "variables hold their values here",
    "optimizers/optimizer::OptimizerTest::test_constraints_are_applied": "asks NumPy for the "
    "minimum of a variable, which refuses it so that no gradient is lost",
    "optimizers/optimizer::OptimizerTest::test_ema_with_model_fit": "targets lack a column",
    "optimizers/optimizer::OptimizerTest::test_optimizer_auto_naming": "names come from no counter",
    "optimizers/optimizer::OptimizerTest::test_overwrite_with_gradient*": _QUANTIZATION,
    "trainers/trainer::TestTrainer::test_adds_loss_scaling_optimizer": _LOSS_SCALE,
    "trainers/trainer::TestTrainer::test_max_epochs_and_steps": _NO_LIMITS,
    "regularizers/*::ValidateFloatArgTest::*": _PRIVATE,
}
