"""The value plane: deferred vectors, the arena, the executors. It decides what is computed and knows no clock."""

from simnet.values.executor import EagerExecutor, Executor, WaveExecutor
from simnet.values.kept import KeptRecorder
from simnet.values.kernels import KeptGradient, Kernel
from simnet.values.recorder import Recorder, SilentRecorder
from simnet.values.vector import LEAF, ZERO, Combination, Row, Scalar, Vector

__all__ = [
    "LEAF",
    "ZERO",
    "Combination",
    "EagerExecutor",
    "Executor",
    "KeptGradient",
    "KeptRecorder",
    "Kernel",
    "Recorder",
    "Row",
    "Scalar",
    "SilentRecorder",
    "Vector",
    "WaveExecutor",
]
