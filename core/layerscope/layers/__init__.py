"""Every layer, under Keras's names.

All layers share what `Layer` documents: weights to read and set, a config to rebuild them from,
the place in a graph they were called at.

>>> import numpy as np
>>> from layerscope import layers
>>> layer = layers.Dense(3, activation="relu")
>>> layer.build((None, 2))
>>> [weight.shape for weight in layer.get_weights()]
[(2, 3), (3,)]
>>> copy = layers.deserialize({"class_name": "Dense", "config": layer.get_config()})
>>> copy.set_weights([np.ones((2, 3)), np.zeros(3)])
Traceback (most recent call last):
...
ValueError: You called `set_weights(weights)` on layer 'dense' with a weight list of length 2, but
the layer was expecting 0 weights.

A layer that was called once symbolically tells its input and output; one that is shared tells them
by call.

>>> first, second = layers.Input((2,)), layers.Input((2,))
>>> out = layer(first)
>>> layer.input is first, layer.output_shape
(True, (None, 3))
>>> _ = layer(second)
>>> layer.get_input_at(1) is second
True

A layer of one's own creates weights in `build` and computes in `call`; gradients follow.

>>> class LinearLayer(layers.Layer):
...     def __init__(self, units):
...         super().__init__()
...         self.units = units
...
...     def build(self, input_shape):
...         self.w = self.add_variable(
...             name="w", shape=[input_shape[-1], self.units], initializer="zeros"
...         )
...         self.b = self.add_variable(name="b", shape=[self.units], initializer="zeros")
...
...     def call(self, inputs):
...         return inputs @ self.w + self.b
>>> LinearLayer(units=1)(np.ones((2, 3)))
array([[0.],
       [0.]], dtype=float32)
"""

from __future__ import annotations

from typing import Any

from layerscope.layers.activation import Activation as Activation
from layerscope.layers.activity_regularization import (
    ActivityRegularization as ActivityRegularization,
)
from layerscope.layers.adaptive_pooling import AdaptiveAveragePooling1D as AdaptiveAveragePooling1D
from layerscope.layers.adaptive_pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
from layerscope.layers.adaptive_pooling import AdaptiveAveragePooling3D as AdaptiveAveragePooling3D
from layerscope.layers.adaptive_pooling import AdaptiveMaxPooling1D as AdaptiveMaxPooling1D
from layerscope.layers.adaptive_pooling import AdaptiveMaxPooling2D as AdaptiveMaxPooling2D
from layerscope.layers.adaptive_pooling import AdaptiveMaxPooling3D as AdaptiveMaxPooling3D
from layerscope.layers.additive_attention import AdditiveAttention as AdditiveAttention
from layerscope.layers.alpha_dropout import AlphaDropout as AlphaDropout
from layerscope.layers.attention import Attention as Attention
from layerscope.layers.batch_normalization import BatchNormalization as BatchNormalization
from layerscope.layers.bidirectional import Bidirectional as Bidirectional
from layerscope.layers.concatenation import Concatenate as Concatenate
from layerscope.layers.concatenation import concatenate as concatenate
from layerscope.layers.conv import Conv1D as Conv1D
from layerscope.layers.conv import Conv2D as Conv2D
from layerscope.layers.conv import Conv3D as Conv3D
from layerscope.layers.conv_lstm import ConvLSTM1D as ConvLSTM1D
from layerscope.layers.conv_lstm import ConvLSTM2D as ConvLSTM2D
from layerscope.layers.conv_lstm import ConvLSTM2DCell as ConvLSTM2DCell
from layerscope.layers.conv_lstm import ConvLSTM3D as ConvLSTM3D
from layerscope.layers.conv_transpose import Conv1DTranspose as Conv1DTranspose
from layerscope.layers.conv_transpose import Conv2DTranspose as Conv2DTranspose
from layerscope.layers.conv_transpose import Conv3DTranspose as Conv3DTranspose
from layerscope.layers.cropping import Cropping1D as Cropping1D
from layerscope.layers.cropping import Cropping2D as Cropping2D
from layerscope.layers.cropping import Cropping3D as Cropping3D
from layerscope.layers.cudnn_rnn import CuDNNGRU as CuDNNGRU
from layerscope.layers.cudnn_rnn import CuDNNLSTM as CuDNNLSTM
from layerscope.layers.dense import Dense as Dense
from layerscope.layers.depthwise_conv import DepthwiseConv1D as DepthwiseConv1D
from layerscope.layers.depthwise_conv import DepthwiseConv2D as DepthwiseConv2D
from layerscope.layers.depthwise_conv import DepthwiseConv3D as DepthwiseConv3D
from layerscope.layers.dot_product import Dot as Dot
from layerscope.layers.dot_product import dot as dot
from layerscope.layers.dropout import Dropout as Dropout
from layerscope.layers.einsum_dense import EinsumDense as EinsumDense
from layerscope.layers.elementwise_merging import Add as Add
from layerscope.layers.elementwise_merging import Average as Average
from layerscope.layers.elementwise_merging import Maximum as Maximum
from layerscope.layers.elementwise_merging import Minimum as Minimum
from layerscope.layers.elementwise_merging import Multiply as Multiply
from layerscope.layers.elementwise_merging import Subtract as Subtract
from layerscope.layers.elementwise_merging import add as add
from layerscope.layers.elementwise_merging import average as average
from layerscope.layers.elementwise_merging import maximum as maximum
from layerscope.layers.elementwise_merging import minimum as minimum
from layerscope.layers.elementwise_merging import multiply as multiply
from layerscope.layers.elementwise_merging import subtract as subtract
from layerscope.layers.embedding import Embedding as Embedding
from layerscope.layers.flatten import Flatten as Flatten
from layerscope.layers.gaussian_dropout import GaussianDropout as GaussianDropout
from layerscope.layers.gaussian_noise import GaussianNoise as GaussianNoise
from layerscope.layers.global_pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from layerscope.layers.global_pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from layerscope.layers.global_pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from layerscope.layers.global_pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from layerscope.layers.global_pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from layerscope.layers.global_pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from layerscope.layers.group_normalization import GroupNormalization as GroupNormalization
from layerscope.layers.group_query_attention import GroupedQueryAttention as GroupedQueryAttention
from layerscope.layers.gru import GRU as GRU
from layerscope.layers.gru import GRUCell as GRUCell
from layerscope.layers.identity import Identity as Identity
from layerscope.layers.input import Input as Input
from layerscope.layers.input import InputLayer as InputLayer
from layerscope.layers.input_spec import InputSpec as InputSpec
from layerscope.layers.lambda_layer import Lambda as Lambda
from layerscope.layers.layer import Layer as Layer
from layerscope.layers.layer_normalization import LayerNormalization as LayerNormalization
from layerscope.layers.layer_normalization import RMSNormalization as RMSNormalization
from layerscope.layers.layer_normalization import UnitNormalization as UnitNormalization
from layerscope.layers.locally_connected import LocallyConnected1D as LocallyConnected1D
from layerscope.layers.locally_connected import LocallyConnected2D as LocallyConnected2D
from layerscope.layers.lstm import LSTM as LSTM
from layerscope.layers.lstm import LSTMCell as LSTMCell
from layerscope.layers.masking import Masking as Masking
from layerscope.layers.multi_head_attention import MultiHeadAttention as MultiHeadAttention
from layerscope.layers.permute import Permute as Permute
from layerscope.layers.pooling import AveragePooling1D as AveragePooling1D
from layerscope.layers.pooling import AveragePooling2D as AveragePooling2D
from layerscope.layers.pooling import AveragePooling3D as AveragePooling3D
from layerscope.layers.pooling import MaxPooling1D as MaxPooling1D
from layerscope.layers.pooling import MaxPooling2D as MaxPooling2D
from layerscope.layers.pooling import MaxPooling3D as MaxPooling3D
from layerscope.layers.preprocessing.augmentation import AugMix as AugMix
from layerscope.layers.preprocessing.augmentation import RandAugment as RandAugment
from layerscope.layers.preprocessing.category_encoding import CategoryEncoding as CategoryEncoding
from layerscope.layers.preprocessing.discretization import Discretization as Discretization
from layerscope.layers.preprocessing.hashed_crossing import HashedCrossing as HashedCrossing
from layerscope.layers.preprocessing.hashing import Hashing as Hashing
from layerscope.layers.preprocessing.integer_lookup import IntegerLookup as IntegerLookup
from layerscope.layers.preprocessing.mixing import CutMix as CutMix
from layerscope.layers.preprocessing.mixing import MixUp as MixUp
from layerscope.layers.preprocessing.normalization import Normalization as Normalization
from layerscope.layers.preprocessing.random_color_jitter import (
    RandomColorJitter as RandomColorJitter,
)
from layerscope.layers.preprocessing.random_colors import (
    RandomColorDegeneration as RandomColorDegeneration,
)
from layerscope.layers.preprocessing.random_colors import RandomGrayscale as RandomGrayscale
from layerscope.layers.preprocessing.random_colors import RandomHue as RandomHue
from layerscope.layers.preprocessing.random_colors import RandomSaturation as RandomSaturation
from layerscope.layers.preprocessing.random_contrast import RandomBrightness as RandomBrightness
from layerscope.layers.preprocessing.random_contrast import RandomContrast as RandomContrast
from layerscope.layers.preprocessing.random_crop import RandomCrop as RandomCrop
from layerscope.layers.preprocessing.random_details import RandomErasing as RandomErasing
from layerscope.layers.preprocessing.random_details import RandomGaussianBlur as RandomGaussianBlur
from layerscope.layers.preprocessing.random_details import RandomInvert as RandomInvert
from layerscope.layers.preprocessing.random_details import (
    RandomPosterization as RandomPosterization,
)
from layerscope.layers.preprocessing.random_details import RandomSharpness as RandomSharpness
from layerscope.layers.preprocessing.random_flip import RandomFlip as RandomFlip
from layerscope.layers.preprocessing.random_perspective import (
    RandomPerspective as RandomPerspective,
)
from layerscope.layers.preprocessing.random_rotation import RandomRotation as RandomRotation
from layerscope.layers.preprocessing.random_shear import RandomShear as RandomShear
from layerscope.layers.preprocessing.random_translation import (
    RandomTranslation as RandomTranslation,
)
from layerscope.layers.preprocessing.random_zoom import RandomZoom as RandomZoom
from layerscope.layers.preprocessing.rescaling import Rescaling as Rescaling
from layerscope.layers.preprocessing.resizing import CenterCrop as CenterCrop
from layerscope.layers.preprocessing.resizing import Resizing as Resizing
from layerscope.layers.preprocessing.string_lookup import StringLookup as StringLookup
from layerscope.layers.preprocessing.text_vectorization import (
    TextVectorization as TextVectorization,
)
from layerscope.layers.preprocessing.tones import AutoContrast as AutoContrast
from layerscope.layers.preprocessing.tones import Equalization as Equalization
from layerscope.layers.preprocessing.tones import Solarization as Solarization
from layerscope.layers.rectifiers import ELU as ELU
from layerscope.layers.rectifiers import LeakyReLU as LeakyReLU
from layerscope.layers.rectifiers import PReLU as PReLU
from layerscope.layers.rectifiers import ReLU as ReLU
from layerscope.layers.rectifiers import ThresholdedReLU as ThresholdedReLU
from layerscope.layers.recurrent import RNN as RNN
from layerscope.layers.repeat_vector import RepeatVector as RepeatVector
from layerscope.layers.reshape import Reshape as Reshape
from layerscope.layers.reversible_embedding import ReversibleEmbedding as ReversibleEmbedding
from layerscope.layers.separable_conv import SeparableConv1D as SeparableConv1D
from layerscope.layers.separable_conv import SeparableConv2D as SeparableConv2D
from layerscope.layers.simple_rnn import SimpleRNN as SimpleRNN
from layerscope.layers.simple_rnn import SimpleRNNCell as SimpleRNNCell
from layerscope.layers.softmax import Softmax as Softmax
from layerscope.layers.spatial_dropout import SpatialDropout1D as SpatialDropout1D
from layerscope.layers.spatial_dropout import SpatialDropout2D as SpatialDropout2D
from layerscope.layers.spatial_dropout import SpatialDropout3D as SpatialDropout3D
from layerscope.layers.spectral_normalization import SpectralNormalization as SpectralNormalization
from layerscope.layers.stacked_rnn_cells import StackedRNNCells as StackedRNNCells
from layerscope.layers.time_distributed import TimeDistributed as TimeDistributed
from layerscope.layers.up_sampling import UpSampling1D as UpSampling1D
from layerscope.layers.up_sampling import UpSampling2D as UpSampling2D
from layerscope.layers.up_sampling import UpSampling3D as UpSampling3D
from layerscope.layers.wrapper import Wrapper as Wrapper
from layerscope.layers.zero_padding import ZeroPadding1D as ZeroPadding1D
from layerscope.layers.zero_padding import ZeroPadding2D as ZeroPadding2D
from layerscope.layers.zero_padding import ZeroPadding3D as ZeroPadding3D
from layerscope.plain_data import serialize_keras_object
from layerscope.saving.serialization import deserialize_as

AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GroupQueryAttention = GroupedQueryAttention
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D


def serialize(layer: Layer) -> dict[str, Any]:
    """Return the config of a layer, with the name of its class."""
    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Layer:
    """Return the layer a config describes; ``{"class_name", "config"}`` is enough."""
    return deserialize_as(Layer, config, custom_objects)
