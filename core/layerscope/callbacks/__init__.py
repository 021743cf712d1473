"""Hooks into training, under Keras's names, and one of our own."""

from layerscope.callbacks.backup_and_restore import BackupAndRestore
from layerscope.callbacks.callback import Callback
from layerscope.callbacks.callback_list import CallbackList
from layerscope.callbacks.csv_logger import CSVLogger
from layerscope.callbacks.early_stopping import EarlyStopping
from layerscope.callbacks.history import History
from layerscope.callbacks.lambda_callback import LambdaCallback
from layerscope.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from layerscope.callbacks.model_checkpoint import ModelCheckpoint
from layerscope.callbacks.monitor import MonitorCallback
from layerscope.callbacks.progbar_logger import ProgbarLogger
from layerscope.callbacks.snapshot_recorder import Snapshot, SnapshotRecorder
from layerscope.callbacks.swap_ema_weights import SwapEMAWeights
from layerscope.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "Snapshot",
    "SnapshotRecorder",
    "SwapEMAWeights",
    "TerminateOnNaN",
]
