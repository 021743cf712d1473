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
_GENERATORS = "Layerscope trains on arrays, not on generators"
_LOSS_SCALE = "scales the loss for the sake of float16, which Layerscope does not compute in"

#: Reasons by a pattern of file, class and method, or of a whole file.
NOT_APPLICABLE: dict[str, str] = {
    # --- files -----------------------------------------------------------------------------
    "layers/attention/*": _ATTENTION,
    "layers/preprocessing/*": _PREPROCESSING,
    "layers/core/einsum_dense_test": _NO_SUCH_LAYER,
    "layers/core/reversible_embedding_test": _NO_SUCH_LAYER,
    "layers/normalization/spectral_normalization_test": _NO_SUCH_LAYER,
    "initializers/initializer_test": _DEVICES,
    "optimizers/loss_scale_optimizer_test": _LOSS_SCALE,
    "optimizers/optimizer_sparse_test": _SPARSE,
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
    # --- single tests ------------------------------------------------------------------------
    "initializers/*::test_mha_query_projection_variance": _ATTENTION,
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
    "layers/reshaping/flatten::*::test_flatten_with_dynamic_batch_size*": _GENERATORS,
    "layers/reshaping/reshape::*::test_reshape_model_fit_with_varying*": _GENERATORS,
    "layers/rnn/bidirectional::*cudnn*": _TORCH,
    "layers/rnn/bidirectional::*_fused_*": _PRIVATE,
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
    "regularizers/*::ValidateFloatArgTest::*": _PRIVATE,
}
