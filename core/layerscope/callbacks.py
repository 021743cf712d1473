"""Hooks into training, under Keras's names."""

from layerscope.models.callbacks import Callback as Callback
from layerscope.models.callbacks import History as History
from layerscope.models.callbacks import LambdaCallback as LambdaCallback
