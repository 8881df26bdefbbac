"""The value plane: deferred vectors, the arena, the executors. It decides what is computed and knows no clock."""

from simnet.values.executor import EagerExecutor, Executor, WaveExecutor
from simnet.values.kept import recorder_maker
from simnet.values.kernels import Kernel
from simnet.values.recall import ForgottenError, RecallingExecutor, ResumableExecutor
from simnet.values.recorder import IDLE, Recorder, SilentRecorder
from simnet.values.vector import LEAF, NOTHING_SHOWN, ZERO, Combination, Row, Scalar, Shown, Vector

__all__ = [
    "IDLE",
    "LEAF",
    "NOTHING_SHOWN",
    "ZERO",
    "Combination",
    "EagerExecutor",
    "Executor",
    "ForgottenError",
    "Kernel",
    "RecallingExecutor",
    "Recorder",
    "ResumableExecutor",
    "Row",
    "Scalar",
    "Shown",
    "SilentRecorder",
    "Vector",
    "WaveExecutor",
    "recorder_maker",
]
