"""YAML to a frozen `Scenario`; every complaint about a file is made here."""

from simnet.scenario.disturbances import Change, GilbertElliott, Loss
from simnet.scenario.editor import json_schema
from simnet.scenario.loader import load, load_text
from simnet.scenario.presets import PRESETS, Preset
from simnet.scenario.quantities import Constant, Distribution, MatrixFile, PerNode, Quantity
from simnet.scenario.schema import Scenario
from simnet.scenario.schema_compute import (
    Compute,
    Device,
    Diurnal,
    Jitter,
    PaceTrace,
    PerNumber,
    Slowdown,
    Stragglers,
    TimesFile,
)
from simnet.scenario.schema_faults import (
    Crash,
    Fault,
    FaultTrace,
    Join,
    Leave,
    LinkDown,
    NetworkPartition,
    RandomCrashes,
    RandomOutages,
    is_fatal,
)
from simnet.scenario.schema_links import Positions, Shared
from simnet.scenario.schema_network import Messages, Mixing, Network
from simnet.scenario.schema_problem import DataSet, Factory, Model, Partition, Problem, Quadratic
from simnet.scenario.schema_protocol import Protocol, StartUp
from simnet.scenario.schema_run import AlgorithmEntry, Deadline, Record, Run, Trace, Wait
from simnet.scenario.schema_sweep import BestOf, RandomSearch, Range, Sweep
from simnet.scenario.schema_topology import Topology
from simnet.scenario.signature import AlgorithmSchemas, parameters_model
from simnet.scenario.varying import Schedule, TraceFile, Varying

__all__ = [
    "PRESETS",
    "AlgorithmEntry",
    "AlgorithmSchemas",
    "BestOf",
    "Change",
    "Compute",
    "Constant",
    "Crash",
    "DataSet",
    "Deadline",
    "Device",
    "Distribution",
    "Diurnal",
    "Factory",
    "Fault",
    "FaultTrace",
    "GilbertElliott",
    "Jitter",
    "Join",
    "Leave",
    "LinkDown",
    "Loss",
    "MatrixFile",
    "Messages",
    "Mixing",
    "Model",
    "Network",
    "NetworkPartition",
    "PaceTrace",
    "Partition",
    "PerNode",
    "PerNumber",
    "Positions",
    "Preset",
    "Problem",
    "Protocol",
    "Quadratic",
    "Quantity",
    "RandomCrashes",
    "RandomOutages",
    "RandomSearch",
    "Range",
    "Record",
    "Run",
    "Scenario",
    "Schedule",
    "Shared",
    "Slowdown",
    "StartUp",
    "Stragglers",
    "Sweep",
    "TimesFile",
    "Topology",
    "Trace",
    "TraceFile",
    "Varying",
    "Wait",
    "is_fatal",
    "json_schema",
    "load",
    "load_text",
    "parameters_model",
]
