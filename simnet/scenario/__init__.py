"""YAML to a frozen `Scenario`; every complaint about a file is made here."""

from simnet.scenario.editor import json_schema
from simnet.scenario.loader import load, load_text
from simnet.scenario.quantities import Constant, Distribution, MatrixFile, PerNode, Quantity
from simnet.scenario.schema import Scenario
from simnet.scenario.schema_network import Compute, Jitter, Messages, Mixing, Network, Stragglers, Topology
from simnet.scenario.schema_problem import DataSet, Factory, Model, Partition, Problem, Quadratic
from simnet.scenario.schema_protocol import Protocol, StartUp
from simnet.scenario.schema_run import AlgorithmEntry, Deadline, Record, Run, Wait
from simnet.scenario.signature import AlgorithmSchemas, parameters_model

__all__ = [
    "AlgorithmEntry",
    "AlgorithmSchemas",
    "Compute",
    "Constant",
    "DataSet",
    "Deadline",
    "Distribution",
    "Factory",
    "Jitter",
    "MatrixFile",
    "Messages",
    "Mixing",
    "Model",
    "Network",
    "Partition",
    "PerNode",
    "Problem",
    "Protocol",
    "Quadratic",
    "Quantity",
    "Record",
    "Run",
    "Scenario",
    "StartUp",
    "Stragglers",
    "Topology",
    "Wait",
    "json_schema",
    "load",
    "load_text",
    "parameters_model",
]
