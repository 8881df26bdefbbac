"""The value plane: deferred vectors, the arena, the executors. It decides what is computed and knows no clock."""

from simnet.values.executor import EagerExecutor, Executor, WaveExecutor
from simnet.values.kernels import Kernel
from simnet.values.recall import ForgottenError, RecallingExecutor
from simnet.values.recorder import Recorder, SilentRecorder
from simnet.values.vector import LEAF, ZERO, Combination, Row, Scalar, Vector

__all__ = [
    "LEAF",
    "ZERO",
    "Combination",
    "EagerExecutor",
    "Executor",
    "ForgottenError",
    "Kernel",
    "RecallingExecutor",
    "Recorder",
    "Row",
    "Scalar",
    "SilentRecorder",
    "Vector",
    "WaveExecutor",
]
