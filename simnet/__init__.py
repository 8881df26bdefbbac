"""simnet: decentralized training, simulated in iterations and in seconds."""

from simnet.algorithms import algorithm
from simnet.errors import SimnetError
from simnet.experiment.comparison import compare
from simnet.experiment.sweep import Sweep, load_sweep
from simnet.experiment.sweeping import sweep
from simnet.experiment.testing import test
from simnet.node import Node, Payload
from simnet.replay import replay
from simnet.result import Result
from simnet.scenario import Scenario
from simnet.schedule import Schedule
from simnet.simulation import prepare, run

load = Result.load

__version__ = "0.1.0"
__all__ = [
    "Node",
    "Payload",
    "Result",
    "Scenario",
    "Schedule",
    "SimnetError",
    "Sweep",
    "algorithm",
    "compare",
    "load",
    "load_sweep",
    "prepare",
    "replay",
    "run",
    "sweep",
    "test",
]
